"""Questions about the rest of the world, put to other name servers one after another until one answers.

    container          attendant                         name server
    query ───────────► not ours, not in the cache
                       a socket for this question alone, its port chosen by the kernel: whoever wants to slip in
                       a false answer must guess port and number
                       query as it came, new number ───► reply
    reply ◄─────────── the old number put back           (or nothing for a while: the next server)

The host's servers are asked from the host's network, so a resolver on the host's loopback is reached; a service's own
(`dns:`) from the container's, as its own programs would. Too many questions at once are refused.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from functools import partial

from composer.frozen import frozen
from composer.hints import Callable, Iterator
from composer.runtime.attendant import wire
from composer.runtime.attendant.cache import Cache
from composer.runtime.attendant.sockets import network_of
from composer.runtime.launcher.loop import POLLIN, POLLOUT, Loop

PORT = 53
PATIENCE = 2.0  # seconds per server
ROUNDS = 2
MOST_UNDER_WAY = 512
MOST_OF_ONE = 128  # under way for one container
MOST_SERVERS = 3  # as resolv.conf(5)
RESOLV_CONF = "/etc/resolv.conf"

Done = Callable[[bytes | None], None]  # called with the reply, or None where nobody had one


@frozen
class Route:
    """Whom to ask, and from where: the network of the process behind `pidfd`, or the host's."""

    servers: tuple[str, ...]
    asker: str  # no container has all there is of what may be under way
    pidfd: int | None = None
    key: object = None  # replies are shared between questions with the same one


class HostResolvers:
    """The host's name servers, read again when the file has changed."""

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._servers: tuple[str, ...] = ()

    @property
    def servers(self) -> tuple[str, ...]:
        """Their addresses, none where the host has none."""
        try:
            status = os.stat(self._path)
            seen = status.st_mtime_ns, status.st_ino
            if seen != self._seen:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = tuple(_servers_of(file.read()))[:MOST_SERVERS]
                self._seen = seen
        except OSError:
            self._servers, self._seen = (), None
        return self._servers


def _servers_of(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            yield words[1]


class Forwarder:
    """All questions under way."""

    def __init__(self, loop: Loop, *, patience: float = PATIENCE, port: int = PORT) -> None:
        self._loop = loop
        self._patience = patience
        self._port = port
        self._cache = Cache()
        self._under_way: Counter[str] = Counter()  # by asker

    def ask(self, query: bytes, route: Route, done: Done, *, stream: bool) -> None:
        """Have `query` answered, over TCP where it is a `stream`. `done` is called once, now or later."""
        kept = self._cache.find(route.key, query, now=time.monotonic())
        if kept is not None:
            done(kept)
            return
        mine = self._under_way[route.asker]
        if not route.servers or mine >= MOST_OF_ONE or self._under_way.total() >= MOST_UNDER_WAY:
            done(None)
            return
        self._under_way[route.asker] = mine + 1
        servers = iter(route.servers * ROUNDS)
        self._ask_next(_Question(query, route, servers, done, stream))

    def _ask_next(self, question: _Question) -> None:
        for server in question.servers:
            try:
                sock = _connect(server, self._port, question)
            except OSError:  # no way there: the next one
                continue
            attempt = _Attempt(question, sock)
            self._loop.watch(
                sock.fileno(),
                partial(self._go_on, attempt),
                events=POLLOUT if question.stream else POLLIN,
            )
            self._loop.call_later(self._patience, partial(self._give_up, attempt))
            if not question.stream and not attempt.send():
                self._give_up(attempt)
            return
        self._finish(question, None)

    def _go_on(self, attempt: _Attempt) -> None:
        try:
            if attempt.wants_writing:
                if attempt.send_stream():
                    self._loop.watch(attempt.sock.fileno(), partial(self._go_on, attempt))
                return
            reply = attempt.receive()
        except BlockingIOError:
            return
        except OSError:  # refused
            self._give_up(attempt)
            return
        if reply is not None:
            self._close(attempt)
            self._take(attempt.question, reply)

    def _take(self, question: _Question, reply: bytes) -> None:
        """A server that cannot tell is not the last word while there is another."""
        if reply[3] & 0xF in (wire.Code.SERVFAIL, wire.Code.REFUSED, wire.Code.NOTIMP):
            question.last = reply
            self._ask_next(question)
            return
        self._cache.keep(question.route.key, question.query, reply, now=time.monotonic())
        self._finish(question, reply)

    def _give_up(self, attempt: _Attempt) -> None:
        if not attempt.closed:
            self._close(attempt)
            self._ask_next(attempt.question)

    def _close(self, attempt: _Attempt) -> None:
        self._loop.unwatch(attempt.sock.fileno())
        attempt.sock.close()
        attempt.closed = True

    def _finish(self, question: _Question, reply: bytes | None) -> None:
        self._under_way[question.route.asker] -= 1
        if not self._under_way[question.route.asker]:
            del self._under_way[question.route.asker]
        reply = reply or question.last
        question.done(None if reply is None else question.query[:2] + reply[2:])


class _Question:
    def __init__(self, query: bytes, route: Route, servers: Iterator[str], done: Done, stream: bool) -> None:
        self.query = query
        self.route = route
        self.servers = servers
        self.done = done
        self.stream = stream
        self.last: bytes | None = None  # what a server said that could not tell


class _Attempt:
    """One question put to one server."""

    def __init__(self, question: _Question, sock: socket.socket) -> None:
        self.question = question
        self.sock = sock
        self.closed = False
        self._sent = os.urandom(2) + question.query[2:]
        self._to_write = len(self._sent).to_bytes(2, "big") + self._sent if question.stream else b""
        self._read = bytearray()

    @property
    def wants_writing(self) -> bool:
        return bool(self._to_write)

    def send(self) -> bool:
        try:
            self.sock.send(self._sent)
        except OSError:
            return False
        return True

    def send_stream(self) -> bool:
        """Whether all of it is on its way."""
        self._to_write = self._to_write[self.sock.send(self._to_write) :]
        return not self._to_write

    def receive(self) -> bytes | None:
        """The reply, None while it is not there. Raises OSError."""
        if self.question.stream:
            part = self.sock.recv(65537)
            if not part:
                raise ConnectionResetError
            self._read += part
            size = int.from_bytes(self._read[:2], "big")
            if len(self._read) < 2 + size or len(self._read) < 2:
                return None
            reply = bytes(self._read[2 : 2 + size])
        else:
            reply = self.sock.recv(65536)
        return reply if wire.answers_to(self._sent, reply) else None  # a stray one, or a forged one: wait on


def _connect(server: str, port: int, question: _Question) -> socket.socket:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    kind = socket.SOCK_STREAM if question.stream else socket.SOCK_DGRAM
    sock = _socket_in(question.route.pidfd, family, kind | socket.SOCK_NONBLOCK)
    try:
        address = socket.getaddrinfo(server, port, family, kind, flags=socket.AI_NUMERICHOST)[0][4]
        sock.connect(address)
    except BlockingIOError:
        pass  # EINPROGRESS
    except OSError:
        sock.close()
        raise
    return sock


def _socket_in(pidfd: int | None, family: int, kind: int) -> socket.socket:
    if pidfd is None:
        return socket.socket(family, kind)
    with network_of(pidfd):
        return socket.socket(family, kind)
