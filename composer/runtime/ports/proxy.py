"""Connections that come to a published port's own socket, carried to the container: from the host's loopback addresses.

    client ◄──► accepted socket ──splice──► pipe ──splice──► socket to the container
                                ◄──splice── pipe ◄──splice──

The bytes of a TCP connection stay in the kernel: splice(2) moves pages from socket to pipe to socket. Datagrams are few
here and are copied; each client has a socket of its own towards the container, forgotten when it is silent.

Streams of SCTP and their messages cannot be spliced: such a port is not to be had at loopback addresses.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import resource
import socket
import struct
import time
from contextlib import ExitStack, suppress
from functools import partial

from composer.frozen import mutable
from composer.hints import Any, Callable
from composer.runtime.launcher.loop import POLLIN, POLLOUT, Loop
from composer.spec.network import PortBinding, Protocol

PIPE_SIZE = 1 << 18  # bytes
ROUNDS = 16  # of one direction before others have their turn
AT_ONCE = 64  # connections or datagrams taken from one socket before others have their turn
SILENCE = 90.0  # seconds after which a sender of datagrams is forgotten, as Docker
PAUSE = 0.1  # seconds without accepting when we are out of descriptors
MOST_CLIENTS = 1000  # of one datagram port
MOST_CONNECTIONS = 2000  # the others wait in the backlog
DATAGRAM = 1 << 16
IP_PKTINFO = 8  # of <linux/in.h>
_PKTINFO_4, _PKTINFO_6 = struct.Struct("=i4s4s"), struct.Struct("=16sI")
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_RESET = struct.pack("=ii", 1, 0)  # SO_LINGER: close(2) says that something went wrong

_Sender = tuple[
    Any, bytes
]  # an address as recvmsg gives it, and the control message that answers from where it sent to


class Proxy:
    """The sockets of one container's ports. `backends` are its addresses."""

    def __init__(self, loop: Loop, backends: tuple[str, ...]) -> None:
        self._loop = loop
        self._backends = backends
        self._listeners: dict[int, Callable[[], None]] = {}  # by descriptor
        self._datagrams: list[Datagrams] = []
        self._connections: set[_Connection] = set()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def open(self, binding: PortBinding, sock: socket.socket) -> None:
        """Serve a socket."""
        if binding.protocol is Protocol.TCP:
            self._listeners[sock.fileno()] = partial(self._accept, sock, binding.container)
            self._listen()
        elif binding.protocol is Protocol.UDP:
            served = Datagrams(self._loop, sock, port=binding.container, backends=self._backends)
            served.open()
            self._datagrams.append(served)

    def close(self) -> None:
        """Take nothing more, and end what is open. The sockets stay the caller's."""
        self._pause()
        self._listeners.clear()
        for connection in tuple(self._connections):
            connection.close(well=False)
        for served in self._datagrams:
            served.close()

    def _listen(self) -> None:
        for fd, accept in self._listeners.items():
            self._loop.watch(fd, accept)

    def _pause(self) -> None:
        for fd in self._listeners:
            self._loop.unwatch(fd)

    def _accept(self, listener: socket.socket, port: int) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError:  # out of descriptors: to be asked again and again would help nobody
                self._pause()
                self._loop.call_later(PAUSE, self._listen)
                return
            self._carry(client, port)
            if len(self._connections) >= MOST_CONNECTIONS:
                self._pause()
                return

    def _carry(self, client: socket.socket, port: int) -> None:
        client.setblocking(False)
        upstream = connect(client.family, self._backends, port, socket.SOCK_STREAM)
        if upstream is None:
            _reset(client)
            return
        connection = _Connection(self._loop, client, upstream, self._forget)
        self._connections.add(connection)
        connection.start()

    def _forget(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if len(self._connections) == MOST_CONNECTIONS - 1:
            self._listen()


def connect(family: int, backends: tuple[str, ...], port: int, kind: int) -> socket.socket | None:
    """A socket on its way to the container, at its address of a family if it has one; None where there is no way."""
    own = [address for address in backends if (":" in address) == (family == socket.AF_INET6)]
    address = next(iter((*own, *backends)), None)
    if address is None:
        return None
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        sock.connect((address, port))
    except BlockingIOError:
        pass  # EINPROGRESS
    except OSError:
        sock.close()
        return None
    return sock


def _reset(sock: socket.socket) -> None:
    """An end that nobody takes for the end of what was to be said."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


# ---- TCP ---------------------------------------------------------------------------------------------------------


class _Flow:
    """One direction of a connection: from `source` through a pipe to `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with suppress(OSError):  # the user's share of pipe pages is used up: the usual 64 KiB will do
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.held = 0  # bytes in the pipe
        self.ended = False  # the source has said all
        self.done = False  # and the sink has been told

    @property
    def reads(self) -> bool:
        """Only into an empty pipe: a full one says the same as an empty socket, and would be asked again and again."""
        return not self.ended and not self.held

    def move(self) -> None:
        """Move what can be moved now. Raises OSError."""
        for _ in range(ROUNDS):
            moved = self._fill()
            if self.held:
                moved |= self._drain()
            if self.ended and not self.held and not self.done:
                self.done = True
                self.sink.shutdown(socket.SHUT_WR)
            if not moved:
                return

    def _fill(self) -> bool:
        if not self.reads:
            return False
        try:
            count = os.splice(self.source.fileno(), self.writer, PIPE_SIZE, flags=_FLAGS)
        except BlockingIOError:
            return False
        self.ended = count == 0
        self.held += count
        return True

    def _drain(self) -> bool:
        try:
            self.held -= os.splice(self.reader, self.sink.fileno(), self.held, flags=_FLAGS)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class _Connection:
    """Both directions of one connection."""

    def __init__(
        self, loop: Loop, client: socket.socket, upstream: socket.socket, closed: Callable[[_Connection], None]
    ) -> None:
        self._loop = loop
        self._client = client
        self._upstream = upstream
        self._flows: tuple[_Flow, ...] = ()
        self._is_connected = False
        self._closed = closed

    def start(self) -> None:
        """Wait for the container's end to be there."""
        with ExitStack() as undo:
            undo.callback(self.close, well=False)
            try:
                for source, sink in ((self._client, self._upstream), (self._upstream, self._client)):
                    self._flows += (_Flow(source, sink),)
                for sock in (self._client, self._upstream):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            except OSError:  # out of descriptors
                return
            self._loop.watch(self._upstream.fileno(), self._go_on, events=POLLOUT)
            undo.pop_all()

    def _go_on(self) -> None:
        try:
            if not self._is_connected:
                self._require_connected()
            for flow in self._flows:
                flow.move()
        except OSError:
            self.close(well=False)
            return
        if all(flow.done for flow in self._flows):
            self.close(well=True)
            return
        there, back = self._flows
        self._watch(self._client, reads=there.reads, writes=back.held > 0)
        self._watch(self._upstream, reads=back.reads, writes=there.held > 0)

    def _require_connected(self) -> None:
        error = self._upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self._is_connected = True

    def _watch(self, sock: socket.socket, *, reads: bool, writes: bool) -> None:
        events = (POLLIN if reads else 0) | (POLLOUT if writes else 0)
        if events:
            self._loop.watch(sock.fileno(), self._go_on, events=events)
        else:  # poll(2) tells of a hang-up whether one asks or not, again and again
            self._loop.unwatch(sock.fileno())

    def close(self, *, well: bool) -> None:
        """End it; where that is not `well`, both sides are told so."""
        for sock in (self._client, self._upstream):
            self._loop.unwatch(sock.fileno())
            if well:
                sock.close()
            else:
                _reset(sock)
        for flow in self._flows:
            flow.close()
        self._closed(self)


# ---- UDP ---------------------------------------------------------------------------------------------------------


@mutable
class _Client:
    """Somebody who sent datagrams."""

    upstream: socket.socket
    heard: float


class Datagrams:
    """What comes to one socket, and its answers, which come from the address that was asked."""

    def __init__(self, loop: Loop, sock: socket.socket, *, port: int, backends: tuple[str, ...]) -> None:
        self._loop = loop
        self._socket = sock
        self._port = port
        self._backends = backends
        self._clients: dict[_Sender, _Client] = {}

    def open(self) -> None:
        """Serve it."""
        if self._socket.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._loop.watch(self._socket.fileno(), self._take)

    def close(self) -> None:
        """Forget who has sent something."""
        self._loop.unwatch(self._socket.fileno())
        for sender in list(self._clients):
            self._forget(sender)

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data, control, _, address = self._socket.recvmsg(DATAGRAM, socket.CMSG_SPACE(_PKTINFO_6.size))
            except OSError:
                return
            sender = (address, self._answering(control))
            client = self._client(sender)
            if client is not None:
                client.heard = time.monotonic()
                try:
                    client.upstream.send(data)
                except OSError:  # nobody listens in the container: the next datagram may find somebody
                    self._forget(sender)

    def _answering(self, control: list[tuple[int, int, bytes]]) -> bytes:
        """What makes an answer come from the address that was asked."""
        data = control[0][2] if control else b""
        if self._socket.family == socket.AF_INET:
            _, local, _ = _PKTINFO_4.unpack(data) if len(data) == _PKTINFO_4.size else (0, bytes(4), b"")
            return _PKTINFO_4.pack(0, local, bytes(4))
        local, index = _PKTINFO_6.unpack(data) if len(data) == _PKTINFO_6.size else (bytes(16), 0)
        return _PKTINFO_6.pack(local, index if ipaddress.IPv6Address(local).is_link_local else 0)

    def _client(self, sender: _Sender) -> _Client | None:
        known = self._clients.get(sender)
        if known is not None:
            return known
        if len(self._clients) >= MOST_CLIENTS:
            return None
        upstream = connect(self._socket.family, self._backends, self._port, socket.SOCK_DGRAM)
        if upstream is None:
            return None
        self._clients[sender] = client = _Client(upstream, time.monotonic())
        self._loop.watch(upstream.fileno(), partial(self._give_back, sender, client))
        self._loop.call_later(SILENCE, partial(self._expire, sender, client))
        return client

    def _give_back(self, sender: _Sender, client: _Client) -> None:
        address, control = sender
        ipv6 = self._socket.family == socket.AF_INET6
        ancillary = (
            (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, control) if ipv6 else (socket.IPPROTO_IP, IP_PKTINFO, control)
        )
        for _ in range(AT_ONCE):
            try:
                data = client.upstream.recv(DATAGRAM)
                client.heard = time.monotonic()
                self._socket.sendmsg([data], [ancillary], 0, address)
            except OSError:  # no more; or nobody listens, there or here
                return

    def _expire(self, sender: _Sender, client: _Client) -> None:
        if self._clients.get(sender) is not client:
            return
        silence = time.monotonic() - client.heard
        if silence >= SILENCE:
            self._forget(sender)
        else:
            self._loop.call_later(SILENCE - silence, partial(self._expire, sender, client))

    def _forget(self, sender: _Sender) -> None:
        client = self._clients.pop(sender, None)
        if client is not None:
            self._loop.unwatch(client.upstream.fileno())
            client.upstream.close()
