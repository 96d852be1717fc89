"""Holds on to what must outlive the launcher, and does nothing else: descriptors under names, each with a note.

    launcher                              holder                                  the next launcher
    fork ───────────────────────────────► closes everything but its socket
    Keep(name, note) [pidfd, streams] ──►
    Drop(name) ─────────────────────────►
    killed                                holds on; containers do not notice
                                                ◄──────────────────────────────── Ask
                                          Kept(name, note) [pidfd, streams] … ──►
                                          End ──────────────────────────────────► looks after them again
                                                ◄──────────────────────────────── Rest, if it leaves of its own will

What a pipe holds is gone when the last descriptor of it is closed, a terminal hangs up with its master, and an exit
status can be asked for only by who has had a pidfd from before. So a container that ends while launcher and
supervisor are both dead has its last words, and its status, here. And since it is what is left then, it starts a
launcher again, with growing delays. When it is killed itself, the launcher starts another one and hands everything
over again.

The kernel would let a systemd unit keep descriptors (FDSTORE), but not every project is one. Beyond this module: what
a note says (`children`), how a launcher is started (`spawn`).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import partial

from composer.frozen import frozen, replace
from composer.hints import Callable, Iterator, assert_never
from composer.linux.peer import open_peer
from composer.linux.prctl import set_name
from composer.linux.process import close_range
from composer.runtime.launcher import packets, protocol, spawn
from composer.runtime.launcher.backoff import Backoff
from composer.runtime.launcher.config import Config
from composer.runtime.launcher.diary import say
from composer.runtime.launcher.loop import POLLIN, POLLOUT, Loop
from composer.runtime.launcher.packets import Connection
from composer.spec import codec

PATIENCE = 5.0  # seconds for a holder to say what it has
BACKLOG = 4


@frozen
class Keep:
    """Hold these descriptors; what was held under the name is closed.

    One that does not bind is no reason to live on, or to start a launcher, where nothing else is held.
    """

    name: str
    note: str
    binds: bool = True


@frozen
class Drop:
    """Close what is held under the name."""

    name: str


@frozen
class Ask:
    """Tell everything, then End. `config` is what to start a launcher with when this one has been killed."""

    config: str = ""


@frozen
class Rest:
    """The launcher leaves: hold on, and start no other."""


@frozen
class Leave:
    """Close everything and end."""


@frozen
class Kept:
    """What is held under a name; copies of the descriptors come along."""

    name: str
    note: str


@frozen
class End:
    """That was all."""


Request = Keep | Drop | Ask | Rest | Leave
_REQUESTS: dict[str, type[Request]] = {cls.__name__: cls for cls in (Keep, Drop, Ask, Rest, Leave)}
_ANSWERS: dict[str, type[Kept] | type[End]] = {cls.__name__: cls for cls in (Kept, End)}


class Hold:
    """The launcher's end."""

    def __init__(self, config: Config, *, loop: Loop, log: Callable[[str], None]) -> None:
        self._config = replace(config, ready_fd=-1)
        self._path = config.holder_socket
        self._loop = loop
        self._log = log
        self._connection: Connection | None = None
        self._all: Callable[[], None] = lambda: None

    def open(self, all_again: Callable[[], None]) -> list[tuple[Kept, tuple[int, ...]]]:
        """Find the holder, or start one; what it holds already, descriptors being the caller's to close.

        `all_again` is called when it was killed and another one is to be given everything.
        """
        self._all = all_again
        found: list[tuple[Kept, tuple[int, ...]]] = []
        peer = _connect(self._path)
        if peer is not None:
            try:
                found += _recall(peer, self._config)
            except (OSError, codec.DecodeError) as error:
                self._log(f"cannot learn what was held: {error}")
                peer.close()
                peer = None
        self._follow(peer or self._start())
        return found

    def keep(self, name: str, note: str, fds: tuple[int, ...], *, binds: bool = True) -> None:
        """Have copies of descriptors held."""
        self._tell(Keep(name, note, binds), fds)

    def drop(self, name: str) -> None:
        """They need not be held any more."""
        self._tell(Drop(name))

    def close(self, *, leave: bool) -> None:
        """Hold on without us; or, where there is nothing to hold, end."""
        if self._connection is None:
            return
        self._tell(Leave() if leave else Rest())
        if self._connection is not None:
            self._loop.unwatch(self._connection.sock.fileno())
            if leave:
                self._wait_gone(self._connection.sock)
            self._connection.close()
            self._connection = None

    def _wait_gone(self, peer: socket.socket) -> None:
        peer.settimeout(PATIENCE)
        with suppress(OSError):
            packets.receive(peer)

    def _tell(self, request: Request, fds: tuple[int, ...] = ()) -> None:
        if self._connection is None:
            return
        try:
            self._connection.send(protocol.encode(request), fds)
        except OSError:
            self._begin_again()
        else:
            self._watch(self._connection)

    def _start(self) -> socket.socket | None:
        with suppress(FileNotFoundError):
            os.unlink(self._path)  # of one that was killed
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(self._path)
                os.chmod(self._path, 0o600)
                listener.listen(BACKLOG)
                _spawn(listener, self._config)
            return _connect(self._path)
        except OSError as error:
            self._log(f"cannot start the holder: {error}; streams of containers end with this process")
            return None

    def _follow(self, peer: socket.socket | None) -> bool:
        if peer is None:
            return False
        peer.setblocking(False)
        packets.prepare(peer)
        self._connection = Connection(peer)
        self._watch(self._connection)
        return True

    def _watch(self, connection: Connection) -> None:
        events = POLLIN | (POLLOUT if connection.behind else 0)
        self._loop.watch(connection.sock.fileno(), self._attend, events=events)

    def _attend(self) -> None:
        """It takes more, or it is gone: it says nothing unasked."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.flush()
            if packets.receive(connection.sock) is None:
                self._begin_again()
                return
        except BlockingIOError:
            pass
        except OSError:
            self._begin_again()
            return
        self._watch(connection)

    def _begin_again(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._loop.unwatch(connection.sock.fileno())
            connection.close()
        self._log("the holder has died; the next one is given everything")
        if self._follow(self._start()):
            self._all()


def _connect(path: str) -> socket.socket | None:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        peer.connect(path)
    except OSError:
        peer.close()
        return None
    return peer


def _recall(peer: socket.socket, config: Config) -> Iterator[tuple[Kept, tuple[int, ...]]]:
    peer.settimeout(PATIENCE)
    packets.send(peer, protocol.encode(Ask(codec.dumps(config))))
    while (packet := packets.receive(peer)) is not None:
        answer = protocol.decode(packet.data, _ANSWERS)
        if isinstance(answer, End):
            return
        yield answer, packet.fds
    raise ConnectionError("it has ended meanwhile")


def _spawn(listener: socket.socket, config: Config) -> None:
    """Fork the holder, as nobody's child: it is to outlive us.

    What it must not have, our own listening socket for one, is closed before this returns.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            set_name("pycompose-hold")
            own = _keep_alone(listener)
            if os.fork() == 0:
                _Holder(own, config).serve()
        finally:  # a second launcher must not live on
            os._exit(0)
    os.waitpid(pid, 0)


def _keep_alone(listener: socket.socket) -> socket.socket:
    """Close every other descriptor; standard error stays the launcher's log."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1):
        os.dup2(null, number)
    fd = os.dup2(listener.fileno(), 3, inheritable=False) if listener.fileno() != 3 else 3
    close_range(4)
    return socket.socket(fileno=fd)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Holder:
    """The process."""

    def __init__(self, listener: socket.socket, config: Config) -> None:
        self._listener = listener
        self._config = config
        self._loop = Loop()
        self._held: dict[str, tuple[Keep, tuple[int, ...]]] = {}
        self._peers: dict[Connection, int | None] = {}  # with a pidfd of the launcher
        self._is_resting = False
        self._identity = _identity(config.holder_socket)
        self._backoff = Backoff()

    def serve(self) -> None:
        self._listener.setblocking(False)
        self._loop.watch(self._listener.fileno(), self._accept)
        self._loop.run()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # gone again
        sock.setblocking(False)
        packets.prepare(sock)
        connection = Connection(sock)
        self._peers[connection] = pidfd = open_peer(sock)
        self._backoff.began()
        self._watch(connection)
        if pidfd is None:
            self._bury(connection)
        else:
            self._loop.watch(pidfd, partial(self._bury, connection))

    def _watch(self, connection: Connection) -> None:
        events = POLLIN | (POLLOUT if connection.behind else 0)
        self._loop.watch(connection.sock.fileno(), partial(self._attend, connection), events=events)

    def _attend(self, connection: Connection) -> None:
        self._take(connection)

    def _bury(self, connection: Connection) -> None:
        """The launcher has ended, see linux.peer. What it said before comes first."""
        while self._take(connection):
            pass
        if connection in self._peers:
            self._forget(connection)

    def _take(self, connection: Connection) -> bool:
        """What it says next; whether there was something."""
        try:
            connection.flush()
            packet = packets.receive(connection.sock)
            if packet is None:
                self._forget(connection)
                return False
            self._answer(protocol.decode(packet.data, _REQUESTS), packet.fds, connection)
            there_was = True
        except BlockingIOError:
            there_was = False
        except (OSError, codec.DecodeError):  # gone, or it does not speak our language
            self._forget(connection)
            return False
        self._watch(connection)
        return there_was

    def _forget(self, connection: Connection) -> None:
        if (pidfd := self._peers.pop(connection)) is not None:
            self._loop.unwatch(pidfd)
            os.close(pidfd)
        self._loop.unwatch(connection.sock.fileno())
        connection.close()
        if self._peers:
            return
        if not any(keep.binds for keep, _ in self._held.values()) or self._is_superseded():
            self._loop.stop()  # nothing to hold, nobody to hold it for
        elif not self._is_resting:
            self._loop.call_later(self._backoff.next(), self._revive)

    def _is_superseded(self) -> bool:
        """Whether a launcher has taken us for dead and started another holder, under the same name."""
        return _identity(self._config.holder_socket) != self._identity

    def _revive(self) -> None:
        """Start a launcher, and look again later whether it has come."""
        if self._peers:
            return
        if self._is_superseded():
            self._loop.stop()
            return
        say("the launcher has died: starting another one")
        try:
            spawn.revive(self._config)
        except OSError as error:
            say(f"cannot start a launcher: {error}")
        self._loop.call_later(self._backoff.next(), self._revive)

    def _answer(self, request: Request, fds: tuple[int, ...], connection: Connection) -> None:
        match request:
            case Keep(name):
                self._close(name)
                self._held[name] = request, fds
            case Drop(name):
                self._close(name)
            case Ask(config):
                self._is_resting = False
                if config:
                    self._config = codec.loads(Config, config)
                for keep, held in self._held.values():
                    connection.send(protocol.encode(Kept(keep.name, keep.note)), held)
                connection.send(protocol.encode(End()))
            case Rest():
                self._is_resting = True
            case Leave():
                self._loop.stop()
            case _:
                assert_never(request)

    def _close(self, name: str) -> None:
        if name in self._held:
            packets.close_all(self._held.pop(name)[1])
