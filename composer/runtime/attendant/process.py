"""The attendant's main program.

One per project: it answers for the containers on the network. It holds what must not go when a supervisor or launcher
does: the sockets that names are asked at. One thread, one loop.

    launcher ──── Serve, SetHealthy ─────┐
    `run` ─────── Serve ─────────────────┴──► attendant ◄── 127.0.0.11 in each container
                                                  └───────► other name servers

A container that has ended is forgotten by its pidfd: nobody need be there to say so.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import time
from functools import partial

from composer.errors import MissingFeature
from composer.frozen import frozen, mutable, replace
from composer.hints import assert_never
from composer.linux.prctl import set_name
from composer.runtime.attendant import board, protocol
from composer.runtime.attendant.answering import Answering, Desk
from composer.runtime.attendant.board import Board, Others
from composer.runtime.attendant.protocol import Done, Hello, Message, Serve, SetHealthy
from composer.runtime.attendant.sockets import open_sockets
from composer.runtime.attendant.zone import Resident, Zone
from composer.runtime.launcher import packets
from composer.runtime.launcher.loop import POLLIN, POLLOUT, Loop
from composer.runtime.launcher.packets import Connection
from composer.spec import codec

SOCKET = "attendant.sock"
LOCK = "attendant.lock"
LOG = "attendant.log"
FIRST_CLIENT = 5.0  # seconds that whoever had us started has to connect
SETTLING = 0.02  # seconds in which changes for other projects are gathered: many containers start together


@frozen
class Config:
    """What an attendant must know."""

    project: str
    directory: str  # the project's, below that of all projects
    listener_fd: int
    lock_fd: int  # held as long as the process lives


def main(config: Config) -> None:
    """Attend until nobody needs it."""
    set_name("pycompose-atten")
    for fd in (config.listener_fd, config.lock_fd):
        os.set_inheritable(fd, False)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attendant = Attendant(config)
    gc.collect()
    gc.freeze()
    attendant.run()


@mutable
class _Lodging:
    """A resident and what is held open for it."""

    resident: Resident
    pidfd: int
    desk: Desk | None  # None where its names cannot be asked


@mutable
class _Peer:
    connection: Connection


class Attendant:
    """The loop and everything in it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._loop = Loop()
        self._zone = Zone()
        run, own = os.path.split(config.directory)
        self._answering = Answering(self._loop, self._zone, others=Others(run, own).residents)
        self._lodgings: dict[str, _Lodging] = {}
        self._peers: list[_Peer] = []
        self._awaited = True  # somebody who had us started has not connected yet
        self._publishing = False  # a change waits to be written
        self._listener = socket.socket(fileno=config.listener_fd)

    def run(self) -> None:
        """Serve until nobody needs it."""
        self._listener.setblocking(False)
        self._loop.watch(self._listener.fileno(), self._accept)
        self._loop.call_later(FIRST_CLIENT, self._wait_no_longer)
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
        self._loop.watch(reader, self._loop.stop)
        self._loop.run()
        self._leave()

    def _leave(self) -> None:
        """Leave nothing behind; the lock goes last, with it the next one may begin."""
        self._listener.close()
        if not os.fstat(2).st_size:
            _unlink(f"{self._config.directory}/{LOG}")
        for name in (board.NAME, SOCKET, LOCK):
            _unlink(f"{self._config.directory}/{name}")

    # ---- who talks to us ----------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            self._log(f"cannot accept a connection: {error}")
            return
        self._awaited = False
        sock.setblocking(False)
        packets.prepare(sock)
        peer = _Peer(Connection(sock))
        self._peers.append(peer)
        self._loop.watch(sock.fileno(), partial(self._serve, peer))
        self._tell(peer, Hello(os.getpid(), protocol.VERSION))

    def _serve(self, peer: _Peer) -> None:
        try:
            peer.connection.flush()
            packet = packets.receive(peer.connection.sock)
        except BlockingIOError:
            self._watch(peer)
            return
        except OSError:
            packet = None
        if packet is None:
            self._drop(peer)
            return
        self._watch(peer)
        try:
            self._tell(peer, self._answer(protocol.decode_request(packet.data), packet.fds))
        except codec.DecodeError as error:
            self._log(f"not understood: {error}")
            packets.close_all(packet.fds)

    def _tell(self, peer: _Peer, message: Message) -> None:
        try:
            peer.connection.send(protocol.encode(message))
        except OSError:
            self._drop(peer)
            return
        self._watch(peer)

    def _watch(self, peer: _Peer) -> None:
        events = POLLIN | (POLLOUT if peer.connection.behind else 0)
        self._loop.watch(peer.connection.sock.fileno(), partial(self._serve, peer), events=events)

    def _drop(self, peer: _Peer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)
            self._loop.unwatch(peer.connection.sock.fileno())
            peer.connection.close()
            self._leave_if_idle()

    def _wait_no_longer(self) -> None:
        self._awaited = False
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if not (self._peers or self._lodgings or self._awaited):
            self._loop.stop()

    def _answer(self, request: protocol.Request, fds: tuple[int, ...]) -> Message:
        match request:
            case Serve(resident=resident):
                if not fds:
                    raise codec.DecodeError("a resident without its process")
                self._lodge(resident, fds[0], fds[1:])
            case SetHealthy(container=name, healthy=healthy):
                self._set_healthy(name, healthy=healthy)
            case _:
                assert_never(request)
        return Done(request.request)

    # ---- residents ----------------------------------------------------------------------------------------------

    def _lodge(self, resident: Resident, pidfd: int, sockets: tuple[int, ...]) -> None:
        """Take a container in. The descriptors are ours from here on."""
        there = self._lodgings.get(resident.container)
        if there is not None and _is_same(there.resident, resident):
            packets.close_all((pidfd, *sockets))
            resident = replace(resident, healthy=there.resident.healthy)
            there.resident = resident
            if there.desk is not None:
                there.desk.resident = resident
        else:
            if there is not None:
                self._dislodge(there)
            lodging = _Lodging(resident, pidfd, self._desk(resident, pidfd, sockets))
            self._lodgings[resident.container] = lodging
            self._loop.watch(pidfd, partial(self._see_off, lodging))
        self._zone.add(resident)
        self._publish()

    def _desk(self, resident: Resident, pidfd: int, sockets: tuple[int, ...]) -> Desk | None:
        try:
            if not sockets:
                opened = open_sockets(pidfd)
                opened.rules.close()
                sockets = opened.descriptors
        except ProcessLookupError:
            return None  # it has ended, and is seen off in a moment
        except (OSError, MissingFeature) as error:
            self._log(f"names cannot be asked in container {resident.container}: {error}")
            return None
        datagrams, listener = (socket.socket(fileno=fd) for fd in sockets)
        desk = Desk(resident, pidfd, datagrams, listener)
        self._answering.open(desk)
        return desk

    def _see_off(self, lodging: _Lodging) -> None:
        """PID 1 has ended."""
        self._dislodge(lodging)
        self._publish()
        self._leave_if_idle()

    def _dislodge(self, lodging: _Lodging) -> None:
        name = lodging.resident.container
        if self._lodgings.get(name) is lodging:
            del self._lodgings[name]
            self._zone.remove(name)
        if lodging.desk is not None:
            self._answering.close(lodging.desk)
        self._loop.unwatch(lodging.pidfd)
        os.close(lodging.pidfd)

    def _set_healthy(self, name: str, *, healthy: bool) -> None:
        lodging = self._lodgings.get(name)
        if lodging is None or lodging.resident.healthy == healthy:
            return
        lodging.resident = replace(lodging.resident, healthy=healthy)
        if lodging.desk is not None:
            lodging.desk.resident = lodging.resident
        self._zone.add(lodging.resident)
        self._publish()

    # ---- what others may know -----------------------------------------------------------------------------------

    def _publish(self) -> None:
        if not self._publishing:
            self._publishing = True
            self._loop.call_later(SETTLING, self._write)

    def _write(self) -> None:
        self._publishing = False
        residents = tuple(lodging.resident for lodging in self._lodgings.values())
        try:
            board.write(self._config.directory, Board(self._config.project, os.getpid(), residents))
        except OSError as error:
            self._log(f"cannot write {board.NAME}: {error}")

    def _log(self, text: str) -> None:
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n")
        sys.stderr.flush()


def _is_same(one: Resident, other: Resident) -> bool:
    return (one.pid, one.start_time) == (other.pid, other.start_time)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
