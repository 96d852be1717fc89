"""The launcher's main program.

One thread, one loop: packets in, children watched, packets out. It starts its supervisor, and listens on a socket for
others who may ask (a supervisor of a later command, when its own is gone). It leaves when told to (Shutdown, SIGTERM),
or when its supervisor has ended well and no container runs.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from functools import partial

from composer import frozen
from composer.errors import PycomposeError
from composer.hints import assert_never
from composer.linux.prctl import set_name
from composer.runtime import supervision
from composer.runtime.attendant.front import Front
from composer.runtime.cgroup import control, location
from composer.runtime.launcher import deposits, packets, protocol, warden
from composer.runtime.launcher.audience import failed
from composer.runtime.launcher.children import Children
from composer.runtime.launcher.config import Config
from composer.runtime.launcher.deposits import Deposits
from composer.runtime.launcher.diary import say
from composer.runtime.launcher.holder import Hold
from composer.runtime.launcher.loop import POLLIN, POLLOUT, Loop
from composer.runtime.launcher.packets import Connection
from composer.runtime.launcher.processes import Processes
from composer.runtime.launcher.protocol import Message
from composer.runtime.launcher.spawn import LOG_MODE
from composer.runtime.launcher.warden import Supervisor, Warden
from composer.spec import codec

BACKLOG = 8


def main(config: Config) -> None:
    """Be the launcher of a project, until there is nothing left to do."""
    set_name("pycompose-launch")
    gc.disable()  # a collection would write to every object, and so unshare every page with the children
    supervisor = None
    if config.gate_fd >= 0:
        gc.freeze()
        supervisor = warden.fork(config.supervisor, goes_on=True, held=True) if config.supervisor else None
        _settle()  # while that imports what it needs, which takes longer
        if not os.read(config.gate_fd, 1):
            return
        os.close(config.gate_fd)
        config = frozen.replace(config, gate_fd=-1)
        _open_log(config.log)
    launcher = Launcher(config, supervisor)
    launcher.listen()
    _settle()
    launcher.serve()


def _settle() -> None:
    """Make what is there such that children share it."""
    frozen.complete()  # else each child would do it for itself
    gc.collect()
    gc.freeze()


def _open_log(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, LOG_MODE)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)


class Launcher:
    """The loop and everybody in it."""

    def __init__(self, config: Config, supervisor: Supervisor | None = None) -> None:
        """`supervisor` is the first one, held, where it is there already."""
        self._config = config
        self._loop = Loop()
        self._hold = Hold(config, loop=self._loop, log=self.log)
        self._deposits = Deposits(self._hold, self.log)
        directory = os.path.dirname(config.socket)
        self._front = Front(config.project, directory=directory, loop=self._loop, log=self.log)
        self._children = Children(
            location.prepare(config.project),
            self._loop,
            everybody=self,
            front=self._front,
            hold=self._hold,
            deposits=self._deposits.files,
        )
        self._processes = Processes(self._loop, everybody=self, target=self._children.target)
        self._warden = self._make_warden(directory, supervisor) if config.supervisor else None
        self._peers: list[_Peer] = []
        self._is_done = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)

    def _make_warden(self, directory: str, first: Supervisor | None) -> Warden:
        return Warden(
            self._config.supervisor,
            loop=self._loop,
            connect=self._add,
            log=self.log,
            done=self._supervisor_is_done,
            is_wanted=partial(supervision.is_wanted, directory),
            first=first,
        )

    def listen(self) -> None:
        """Open the socket, then say that it is open."""
        self._recall()
        self._listener.bind(self._config.socket)
        os.chmod(self._config.socket, 0o600)
        self._listener.listen(BACKLOG)
        if self._config.ready_fd >= 0:
            os.write(self._config.ready_fd, b"\n")
            os.close(self._config.ready_fd)

    def _recall(self) -> None:
        """What an earlier launcher has left in the holder's care."""
        for kept, fds in self._hold.open(self._hold_everything):
            if kept.name.startswith(deposits.NAME):
                self._deposits.restore(kept.name.removeprefix(deposits.NAME), *fds)
            else:
                self._children.recall(kept, fds)
        self._children.bury_ended()  # nobody is to be told that they run

    def _hold_everything(self) -> None:
        self._children.hold_all()
        self._deposits.hold_all()

    def serve(self) -> None:
        """Run until there is nothing left to do."""
        self._loop.watch(self._listener.fileno(), self._accept)
        self._leave_on_sigterm()
        if self._warden is not None:
            self._warden.start()
        self._loop.run()
        self._leave()

    def _leave_on_sigterm(self) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
        self._loop.watch(reader, self._loop.stop)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:  # they have gone again, or we are out of descriptors: serve the others
            self.log(f"cannot accept a connection: {error}")
            return
        self._add(sock)
        if self._warden is not None:
            self._warden.wake()

    def _add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        packets.prepare(sock)
        peer = _Peer(self, Connection(sock))
        self._peers.append(peer)
        self._loop.watch(sock.fileno(), partial(self._serve_peer, peer))
        peer.tell(protocol.Hello(protocol.VERSION, os.getpid()))

    def _list(self, request: int, peer: _Peer) -> None:
        peer.is_follower = True
        running, portion = self._children.running, protocol.PORTION
        for first in range(0, max(len(running), 1), portion):
            more = first + portion < len(running)
            peer.tell(protocol.Containers(request, running[first : first + portion], more))
        for ended in self._children.ended:
            peer.tell(ended)

    def _serve_peer(self, peer: _Peer) -> None:
        try:
            peer.connection.flush()
            self.watch_writing(peer)
            packet = packets.receive(peer.connection.sock)
        except BlockingIOError:
            return
        except OSError as error:
            self.log(f"connection lost: {error}")
            packet = None
        if packet is None:
            self.drop(peer)
            return
        try:
            self._answer(protocol.decode_request(packet.data), packet.fds, peer)
        except codec.DecodeError as error:
            self.log(f"not understood: {error}")
        finally:
            packets.close_all(packet.fds)

    def watch_writing(self, peer: _Peer) -> None:
        """Come back to this peer when it can take what waits for it."""
        events = POLLIN | (POLLOUT if peer.connection.behind else 0)
        self._loop.watch(peer.connection.sock.fileno(), partial(self._serve_peer, peer), events=events)

    def drop(self, peer: _Peer) -> None:
        """The other side is gone; what it ran in containers is ended."""
        if peer in self._peers:
            self._peers.remove(peer)
            self._loop.unwatch(peer.connection.sock.fileno())
            peer.connection.close()
            self._processes.abandon(peer)

    def _answer(self, request: protocol.Request, fds: tuple[int, ...], peer: _Peer) -> None:
        match request:
            case protocol.StartContainer():
                self._children.start_container(request, peer)
            case protocol.StartProcess():
                self._processes.start(request, fds, peer)
            case protocol.KillProcess(number):
                self._processes.kill(number, peer)
            case protocol.Adopt() | protocol.OpenTerminal():
                self._answer_at_once(request, peer)
            case protocol.Deposit(number, identity):
                self._deposits.take(identity, *fds)
                peer.tell(protocol.Taken(number))
            case protocol.ListContainers(number):
                self._children.when_settled(partial(self._list, number, peer))  # each runs, or it does not
            case protocol.SetHealthy(name, healthy):
                self._front.set_healthy(name, healthy=healthy)
            case protocol.Forget(name):
                self._children.forget(name)
            case protocol.Shutdown():
                self._loop.stop()
            case _:
                assert_never(request)

    def _answer_at_once(self, request: protocol.Adopt | protocol.OpenTerminal, peer: _Peer) -> None:
        try:
            if isinstance(request, protocol.Adopt):
                peer.tell(self._children.adopt(request))
            else:
                peer.tell(protocol.Terminal(request.request), (self._children.terminal(request.container),))
        except PycomposeError as error:
            peer.tell(failed(request.request, error))

    def _supervisor_is_done(self) -> None:
        if self._children.running or self._children.starting:
            self.log("the supervisor left while containers run: they run on")
        self._is_done = True
        self._loop.stop()

    def _leave(self) -> None:
        self._listener.close()
        self._children.bury_ended()
        self._front.close()
        try:
            os.unlink(self._config.socket)
        except FileNotFoundError:
            pass  # somebody has tidied up
        for peer in list(self._peers):
            self.drop(peer)
        # A supervisor that is done has carried what was in the pipes; otherwise last words may wait there.
        left = self._children.running if self._is_done else self._children.containers
        self._hold.close(leave=not left)
        if not self._children.running:
            try:
                control.remove_project(self._children.where)
            except PycomposeError as error:
                self.log(error.message)

    def tell(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Say it to everybody who has asked for the containers."""
        for peer in list(self._peers):
            if peer.is_follower:
                peer.tell(message, fds)

    def log(self, text: str) -> None:
        """A line for a person: standard error is the launcher's log file."""
        say(text)


class _Peer:
    """One connection, as an audience."""

    def __init__(self, launcher: Launcher, connection: Connection) -> None:
        self.connection = connection
        self.is_follower = False
        self._launcher = launcher

    def tell(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Say it here. One who does not listen any more is dropped."""
        if self.connection.sock.fileno() < 0:
            return
        try:
            self.connection.send(protocol.encode(message), fds)
        except OSError as error:
            self._launcher.log(f"connection lost: {error}")
            self._launcher.drop(self)
            return
        self._launcher.watch_writing(self)
