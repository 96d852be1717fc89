"""The supervisor's end of the conversation with the launcher, for many tasks at once.

Requests are numbered; an answer wakes the task that waits for it. Exits come unasked and are kept until somebody asks
for them. When the launcher is gone, whoever waits gets LauncherGone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import assert_never

import anyio

from composer import errors
from composer.frozen import frozen
from composer.linux.peer import open_peer
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.exits import ExitRecord
from composer.runtime.launcher import packets, protocol
from composer.runtime.launcher.client import error_of
from composer.runtime.launcher.protocol import (
    Adopt,
    Adopted,
    Containers,
    Exited,
    Failed,
    Forget,
    Hello,
    KillProcess,
    ListContainers,
    Message,
    OpenTerminal,
    ProcessExited,
    ProcessStarted,
    Request,
    RunningContainer,
    SetHealthy,
    Shutdown,
    StartContainer,
    Started,
    StartProcess,
    Taken,
    Terminal,
)
from composer.spec.network import Attachment
from composer.spec.process import Process
from composer.supervisor.mailbox import Closed, Mailbox

Stdio = tuple[int, int, int]
_Question = StartContainer | Adopt | OpenTerminal | ListContainers | StartProcess


class LauncherGone(errors.PycomposeError):
    """The launcher has died: nothing can be started until there is a new one."""

    def __init__(self) -> None:
        super().__init__(
            "cannot start anything more: the launcher of this project has died",
            hint="the next command starts a new one",
        )


@frozen
class Child:
    """A container's PID 1, in the host's numbering."""

    container: str
    pid: int
    start_time: int


@frozen
class Launched:
    """A running container. `terminal` is the master of its terminal, the receiver's to close."""

    child: Child
    cgroup: Cgroup
    terminal: int | None = None
    warnings: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@frozen
class ProcessRequest:
    """A command to run inside a running container."""

    container: str
    process: Process
    privileged: bool = False


class ContainerProcess:
    """A command under way inside a container."""

    def __init__(self, link: LauncherLink, request: int) -> None:
        self._link = link
        self._request = request
        self.exit_code: int | None = None  # 128 + n after signal n; None until `wait` has returned

    async def wait(self) -> int:
        """Wait until it has ended. Raises LauncherGone."""
        if self.exit_code is None:
            self.exit_code = await self._link.wait_process(self._request)
        return self.exit_code

    async def kill(self) -> None:
        """End it with all its children and wait until it has."""
        try:
            await self._link.kill_process(self._request)
            await self.wait()
        except LauncherGone:
            pass  # it is in the container's cgroup, and ends with the container at the latest


class LauncherLink:
    """The conversation. Its owner runs `run` in a task."""

    def __init__(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        self._socket = peer
        self._numbers = count(1)
        self._sending = anyio.Lock()
        self._hello: Mailbox[str, Hello] = Mailbox()
        self._answers: Mailbox[int, tuple[Message, int | None]] = Mailbox()  # with the descriptor that came along
        self._process_ends: Mailbox[int, ProcessExited] = Mailbox()
        self._exits: Mailbox[Child, ExitRecord] = Mailbox()
        self._running: list[RunningContainer] = []  # when we asked
        self._children: set[Child] = set()
        self.is_gone = False
        self.is_foreign = False  # of another version

    async def run(self) -> None:
        """Receive until the launcher is gone."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._await_end, group.cancel_scope)
                await self._receive_all()
                group.cancel_scope.cancel()
        finally:
            self.is_gone = True
            for mailbox in (self._hello, self._answers, self._process_ends, self._exits):
                mailbox.close()

    async def _receive_all(self) -> None:
        with suppress(ConnectionResetError):
            while await self._receive():
                await anyio.wait_readable(self._socket)

    async def _receive(self) -> bool:
        """Take what is there; False at the end of file."""
        try:
            while (packet := packets.receive(self._socket)) is not None:
                if self.is_foreign:
                    packets.close_all(packet.fds)  # it says other things in other ways
                    continue
                message = protocol.decode_message(packet.data)
                if isinstance(message, Hello) and message.version != protocol.VERSION:
                    await self._dismiss()
                else:
                    self._deliver(message, packet.fds)
        except BlockingIOError:
            return True
        return False

    async def _await_end(self, receiving: anyio.CancelScope) -> None:
        """Its process may end without an end of file, see linux.peer. What it said before is received."""
        pidfd = open_peer(self._socket)
        if pidfd is not None:
            try:
                await anyio.wait_readable(pidfd)
            finally:
                os.close(pidfd)
        with suppress(ConnectionResetError):
            await self._receive()
        receiving.cancel()

    async def _dismiss(self) -> None:
        """The launcher is of another version, as its files were replaced while it ran: it is to leave."""
        self.is_foreign = True
        await self.shut_down()

    def _deliver(self, message: Message, fds: tuple[int, ...]) -> None:
        match message:
            case Hello():
                self._hello.put("", message)
            case Containers(request, running, more):
                self._running += running
                self._children.update(Child(c.container, c.pid, c.start_time) for c in running)
                if not more:
                    self._answers.put(request, (message, None))
            case Exited(container, record):
                self._exits.put(Child(container, record.pid, record.start_time), record)
            case ProcessExited():
                self._process_ends.put(message.request, message)
            case Started() | ProcessStarted() | Adopted() | Terminal() | Taken() | Failed():
                self._answers.put(message.request, (message, fds[0] if fds else None))
            case _:
                assert_never(message)

    # ---- containers ---------------------------------------------------------------------------------------------

    async def list_containers(self) -> tuple[RunningContainer, ...]:
        """What runs already. To be asked once, and first of all. Raises LauncherGone."""
        with _telling_gone():
            await self._hello.wait("")
        await self._ask(ListContainers(next(self._numbers)))
        return tuple(self._running)

    async def start_container(self, launch_path: str) -> Launched:
        """Start a container. Raises PycomposeError: why it could not be."""
        answer, terminal = await self._ask(StartContainer(next(self._numbers), launch_path))
        assert isinstance(answer, Started)
        child = Child(answer.container, answer.pid, answer.start_time)
        self._children.add(child)
        return Launched(child, Cgroup(answer.cgroup), terminal, answer.warnings, answer.attachments)

    async def adopt(
        self, child: Child, cgroup: Cgroup, *, launch_path: str, attachments: tuple[Attachment, ...] = ()
    ) -> None:
        """Have the launcher look after a container that an earlier one has started. Raises PycomposeError."""
        number = next(self._numbers)
        await self._ask(Adopt(number, launch_path, child.pid, child.start_time, cgroup.directories, attachments))
        self._children.add(child)

    async def open_terminal(self, container: str) -> int:
        """The master of a container's terminal, the caller's to close. Raises PycomposeError."""
        _, terminal = await self._ask(OpenTerminal(next(self._numbers), container))
        assert terminal is not None
        return terminal

    def is_parent_of(self, child: Child) -> bool:
        """Whether the launcher looks after this container."""
        return child in self._children

    async def wait_exit(self, child: Child) -> ExitRecord:
        """How a container ended. Raises LauncherGone, also for one that the launcher does not look after."""
        if child not in self._children:
            raise LauncherGone
        with _telling_gone():
            return await self._exits.wait(child)

    async def forget(self, child: Child) -> None:
        """Its end is written down; the launcher need not keep it any longer."""
        self._exits.drop(child)
        self._children.discard(child)
        try:
            await self._send(Forget(child.container))
        except LauncherGone:
            pass

    async def set_healthy(self, container: str, *, healthy: bool) -> None:
        """What its health checks say: names may depend on it."""
        try:
            await self._send(SetHealthy(container, healthy))
        except LauncherGone:
            pass

    async def shut_down(self) -> None:
        """Ask the launcher to leave."""
        try:
            await self._send(Shutdown())
        except LauncherGone:
            pass

    # ---- processes inside containers ----------------------------------------------------------------------------

    async def start_process(self, request: ProcessRequest, *, stdio: Stdio) -> ContainerProcess:
        """Start a command inside a running container. Raises PycomposeError."""
        number = next(self._numbers)
        message = StartProcess(number, request.container, request.process, privileged=request.privileged)
        with anyio.CancelScope(shield=True):  # what was begun is known about, and can be killed
            await self._ask(message, fds=stdio)
        return ContainerProcess(self, number)

    async def wait_process(self, request: int) -> int:
        """The exit code of a command inside a container. Raises LauncherGone."""
        with _telling_gone():
            ended = await self._process_ends.take(request)
        code = os.waitstatus_to_exitcode(ended.status)
        return 128 - code if code < 0 else code

    async def kill_process(self, request: int) -> None:
        """End a command inside a container. Raises LauncherGone."""
        await self._send(KillProcess(request))

    # ---- packets ------------------------------------------------------------------------------------------------

    async def _ask(self, request: _Question, *, fds: tuple[int, ...] = ()) -> tuple[Message, int | None]:
        await self._send(request, fds=fds)
        with _telling_gone():
            answer, fd = await self._answers.take(request.request)
        if isinstance(answer, Failed):
            raise error_of(answer)
        return answer, fd

    async def _send(self, request: Request, *, fds: tuple[int, ...] = ()) -> None:
        data = protocol.encode(request)
        async with self._sending:
            while not self.is_gone:
                try:
                    return packets.send(self._socket, data, fds)
                except BlockingIOError:
                    await anyio.wait_writable(self._socket)
                except (BrokenPipeError, ConnectionResetError) as error:
                    raise LauncherGone from error
        raise LauncherGone


@contextmanager
def _telling_gone() -> Iterator[None]:
    try:
        yield
    except Closed as error:
        raise LauncherGone from error
