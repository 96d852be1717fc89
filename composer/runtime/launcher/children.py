"""The launcher's containers: started, watched, reaped, told about.

    begin ──report pipe──► finish ──pidfd──► reaped ──► exit.json ──► cgroup emptied, removed ──► Exited ──► Forget

A start is in two halves, so that one container's way through its mounts does not hold up another's. From the clone on
the holder has copies of the container's pidfd and streams: a launcher that succeeds this one gets them from it. Of a
container that is not its child it sees the end through the pidfd, and the kernel keeps the status (Linux 6.15).

Beyond this module: what joins them (`processes`), connections. What there is to tell goes to `Audience`.
"""

from __future__ import annotations

import os
import select
import time
from functools import partial

from composer.errors import HostError, NoSuchThing, PycomposeError
from composer.frozen import field, frozen, mutable
from composer.hints import Callable, Mapping
from composer.linux.pidfd import wait_status
from composer.runtime import container, exits, stdio
from composer.runtime.attendant.front import Front, resident_of
from composer.runtime.cgroup import control, kill, oom
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.location import Location
from composer.runtime.container import Started, Starting
from composer.runtime.exits import ExitRecord
from composer.runtime.join import Target
from composer.runtime.launch import Launch
from composer.runtime.launcher import protocol
from composer.runtime.launcher.audience import Audience, Everybody, failed
from composer.runtime.launcher.holder import Hold, Kept
from composer.runtime.launcher.loop import Loop
from composer.runtime.launcher.packets import close_all
from composer.runtime.launcher.ports import Ports
from composer.runtime.launcher.protocol import Exited, Message, RunningContainer
from composer.runtime.namespaces import open_process
from composer.runtime.network import endpoints
from composer.spec import codec
from composer.spec.network import Attachment

PATIENCE_OF_ADOPTERS = 1000  # milliseconds; older kernels do not tell


@mutable
class _Container:
    launch: Launch
    started: Started
    ports: Ports
    ours: bool  # our child, to be reaped; an adopted one is reaped by whoever is its parent
    record: ExitRecord | None = None
    forgotten: bool = False


@frozen
class _Note:
    """What goes with the descriptors that the holder has of a container: pidfd, ends of FIFOs, master."""

    launch_path: str
    pid: int
    start_time: int
    cgroup: tuple[tuple[str, str], ...]
    has_terminal: bool = False
    attachments: tuple[Attachment, ...] = ()


@mutable
class Children:
    """All of them."""

    where: Location
    loop: Loop
    everybody: Everybody
    hold: Hold
    front: Front
    deposits: Mapping[str, int] = field(default_factory=dict)
    containers: dict[str, _Container] = field(default_factory=dict)
    starting: dict[str, Starting] = field(default_factory=dict)

    _at_rest: list[Callable[[], None]] = field(default_factory=list)

    # What an earlier launcher has left

    def recall(self, kept: Kept, fds: tuple[int, ...]) -> None:
        """Look after a container again. `fds` are ours."""
        try:
            self._recall(codec.loads(_Note, kept.note), fds)
        except (codec.DecodeError, PycomposeError) as error:
            self.everybody.log(f"cannot look after container {kept.name} again: {error}")
            self.hold.drop(kept.name)
            close_all(fds)

    def _recall(self, note: _Note, fds: tuple[int, ...]) -> None:
        pidfd, *streams = fds
        started = Started(
            pid=note.pid,
            pidfd=pidfd,
            start_time=note.start_time,
            cgroup=Cgroup(note.cgroup),
            pty_master=streams.pop() if note.has_terminal else None,
            kept=tuple(streams),
            warnings=(),
            attachments=note.attachments,
        )
        launch = read_launch(note.launch_path)
        self._watch(launch, started, ours=False)
        self._introduce(launch, started)

    def hold_all(self) -> None:
        """Give all to another holder."""
        for starting in self.starting.values():
            self._hold(starting.launch, starting.started)
        for one in self.containers.values():
            if one.launch.spec.name not in self.starting:
                self._hold(one.launch, one.started)

    def _hold(self, launch: Launch, started: Started) -> None:
        has_terminal = started.pty_master is not None
        note = _Note(
            f"{launch.state}/launch.json",
            started.pid,
            started.start_time,
            started.cgroup.directories,
            has_terminal,
            started.attachments,
        )
        self.hold.keep(launch.spec.name, codec.dumps(note), _descriptors(started))

    # Containers

    def when_settled(self, callback: Callable[[], None]) -> None:
        """Call back when no start is in flight: at once, or later."""
        self._at_rest.append(callback)
        self._settle()

    def _settle(self) -> None:
        while self._at_rest and not self.starting:
            self._at_rest.pop(0)()

    def start_container(self, request: protocol.StartContainer, audience: Audience) -> None:
        """Answers Started or Failed, later."""
        try:
            launch = read_launch(request.launch_path)
            self._require_free(launch.spec.name)
            starting = container.begin(launch, where=self.where, deposits=self.deposits)
        except PycomposeError as error:
            audience.tell(failed(request.request, error))
            return
        self.starting[launch.spec.name] = starting
        self._hold(launch, starting.started)
        self.loop.watch(
            starting.report_fd, partial(self._finish_container, request.request, launch, starting, audience)
        )

    def _require_free(self, name: str) -> None:
        there = self.containers.get(name)
        if name in self.starting or (there is not None and there.record is None):
            raise HostError(f"cannot start container {name}: it is running")

    def _finish_container(self, request: int, launch: Launch, starting: Starting, audience: Audience) -> None:
        self.loop.unwatch(starting.report_fd)
        del self.starting[launch.spec.name]
        try:
            started = starting.finish()
        except PycomposeError as error:
            self.hold.drop(launch.spec.name)
            audience.tell(failed(request, error))
        else:
            self._add_started(request, launch, started, audience)
        self._settle()

    def _add_started(self, request: int, launch: Launch, started: Started, audience: Audience) -> None:
        name = launch.spec.name
        if (earlier := self.containers.pop(name, None)) is not None:  # the new run holds the same FIFOs by now
            close_all(_descriptors(earlier.started))
        self._forget_exit(launch.state)
        self._watch(launch, started, ours=True)
        self._introduce(launch, started)
        if started.names is not None:  # the attendant has them now
            started.names.close()
        answer = protocol.Started(
            request,
            name,
            started.pid,
            started.start_time,
            started.cgroup.directories,
            started.warnings,
            started.attachments,
        )
        audience.tell(answer, () if started.pty_master is None else (started.pty_master,))

    def adopt(self, request: protocol.Adopt) -> Message:
        """Look after a container that is not our child."""
        launch = read_launch(request.launch_path)
        name = launch.spec.name
        if name not in self.containers:
            pidfd = open_process(request.pid, request.start_time)
            try:
                kept = stdio.reopen_kept(launch)
            except OSError as error:  # it runs on all the same, only what it says while nobody reads may be lost
                self.everybody.log(f"cannot hold the streams of container {name}: {error}")
                kept = ()
            started = Started(
                pid=request.pid,
                pidfd=pidfd,
                start_time=request.start_time,
                cgroup=Cgroup(request.cgroup),
                pty_master=None,  # it went with launcher and holder
                kept=kept,
                warnings=(),
                attachments=request.attachments,
            )
            self._hold(launch, started)
            self._watch(launch, started, ours=False)
            self._introduce(launch, started)
        return protocol.Adopted(request.request)

    def _introduce(self, launch: Launch, started: Started) -> None:
        """Have its names answered, and those that it asks for."""
        resident = resident_of(launch, started.attachments, pid=started.pid, start_time=started.start_time)
        sockets = started.names.descriptors if started.names else ()
        self.front.serve(resident, started.pidfd, sockets=sockets)

    def _watch(self, launch: Launch, started: Started, *, ours: bool) -> None:
        ports = Ports(launch, started.pidfd, self.loop, self.everybody.log, started.porter)
        one = _Container(launch, started, ports, ours)
        self.containers[one.launch.spec.name] = one
        self.loop.watch(one.started.pidfd, partial(self._bury, one))
        one.ports.open()

    def _bury(self, one: _Container) -> None:
        """PID 1 has ended."""
        started = one.started
        self.loop.unwatch(started.pidfd)
        self.front.forget(one.launch.spec.name)
        status = os.waitpid(started.pid, 0)[1] if one.ours else _status_of_adopted(started.pidfd)
        one.record = self._recorded(one)
        if one.record is None:
            one.record = exits.describe(
                pid=started.pid,
                start_time=started.start_time,
                status=status,
                oom_kills=self._oom_kills(started.cgroup),
                finished_ns=time.time_ns(),
            )
            self._keep(one.launch.state, one.record)
        self._clear_cgroup(started.cgroup)
        one.ports.close()
        self._release_addresses(one)
        self.everybody.tell(Exited(one.launch.spec.name, one.record))
        if one.forgotten:
            self._drop(one.launch.spec.name)

    def bury_ended(self) -> None:
        """See to those that have ended and whose turn in the loop has not come."""
        for one in list(self.containers.values()):
            if one.record is None and select.select([one.started.pidfd], [], [], 0)[0]:
                self._bury(one)

    def _recorded(self, one: _Container) -> ExitRecord | None:
        """What the launcher before this one has written down already."""
        if one.ours:
            return None
        try:
            record = exits.read(one.launch.state)
        except (OSError, codec.DecodeError):
            return None
        same = record is not None and (record.pid, record.start_time) == (one.started.pid, one.started.start_time)
        return record if same else None

    def _oom_kills(self, cgroup: Cgroup) -> int:
        try:
            return oom.oom_kills(cgroup)
        except OSError as error:
            self.everybody.log(f"cannot read the out-of-memory counter of {cgroup.name}: {error}")
            return 0

    def _keep(self, state: str, record: ExitRecord) -> None:
        try:
            exits.write(state, record)
        except OSError as error:  # a full disk, a removed directory: it is still told, as long as we live
            self.everybody.log(f"cannot write the exit record in {state}: {error}")

    def _forget_exit(self, state: str) -> None:
        try:
            exits.forget(state)
        except OSError as error:  # read-only: it names a process that is no more, and harms nobody
            self.everybody.log(f"cannot delete the exit record in {state}: {error}")

    def _clear_cgroup(self, cgroup: Cgroup) -> None:
        """What shares its pid namespace with others does not end with PID 1."""
        try:
            kill.kill(cgroup)
            control.remove(cgroup)
        except PycomposeError as error:
            self.everybody.log(error.message)

    def _release_addresses(self, one: _Container) -> None:
        if not one.started.attachments:
            return
        try:
            endpoints.release(one.launch.spec, one.started.attachments)
        except OSError as error:  # they are free a little later
            self.everybody.log(f"cannot release the addresses of container {one.launch.spec.name}: {error}")

    def forget(self, name: str) -> None:
        """Drop what is kept of a container, once it has ended."""
        one = self.containers.get(name)
        if one is None:
            return
        if one.record is None:
            one.forgotten = True
            return
        self._drop(name)  # first the holder, then the file: an end that is still held is recognised by it
        self._forget_exit(one.launch.state)

    def _drop(self, name: str) -> None:
        self.hold.drop(name)
        close_all(_descriptors(self.containers.pop(name).started))

    def terminal(self, name: str) -> int:
        """The master of a container's terminal. Raises NoSuchThing."""
        one = self.containers.get(name)
        if one is None or one.started.pty_master is None:
            raise NoSuchThing(f"cannot attach to container {name}: its terminal is not here")
        return one.started.pty_master

    @property
    def running(self) -> tuple[RunningContainer, ...]:
        """Containers that have not ended."""
        return tuple(
            RunningContainer(
                name,
                one.started.pid,
                one.started.start_time,
                one.started.cgroup.directories,
                one.started.attachments,
            )
            for name, one in self.containers.items()
            if one.record is None
        )

    @property
    def ended(self) -> tuple[Exited, ...]:
        """Ends that nobody has asked to forget."""
        return tuple(Exited(name, one.record) for name, one in self.containers.items() if one.record is not None)

    def target(self, name: str) -> Target:
        """Where a process that joins a container goes. Raises NoSuchThing."""
        one = self.containers.get(name)
        if one is None or one.record is not None:
            raise NoSuchThing(f"cannot run a command in container {name}: it is not running")
        started = one.started
        return Target(one.launch.spec, started.pid, started.start_time, started.cgroup, one.launch.cache)


def read_launch(path: str) -> Launch:
    """The launch.json at `path`. Raises HostError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return codec.loads(Launch, file.read())
    except (OSError, codec.DecodeError) as error:
        raise HostError(f"cannot read {path}: {error}") from error


def _descriptors(started: Started) -> tuple[int, ...]:
    """All that are kept of a container: its pidfd, the ends of its FIFOs, the master of its terminal."""
    return (started.pidfd, *started.kept, *(() if started.pty_master is None else (started.pty_master,)))


def _status_of_adopted(pidfd: int) -> int | None:
    """The kernel keeps the status for holders of a pidfd once the process is reaped, which its parent does when it
    gets to it: the pidfd then hangs up."""
    hung_up = select.poll()
    hung_up.register(pidfd, 0)
    hung_up.poll(PATIENCE_OF_ADOPTERS)
    return wait_status(pidfd)
