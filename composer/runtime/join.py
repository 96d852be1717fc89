"""One more process in a running container: a health probe, a hook, `exec`.

    parent                                       child: in the container's pid namespace
    ───────────────────────────────────────      ───────────────────────────────────────────────────────
    pidfd of PID 1, its start time checked
    terminal opened in the container's devpts
    branch: a cgroup of its own, for killing
    setns(pid namespace), clone3, setns back ──► DETACH   not dumpable: /proc/self/exe is the host's interpreter
                                                 CGROUP   the container's on v1; on v2 it was born in its branch
                                                 JOIN     setns(pidfd, all kinds at once): mount, uts, ipc, net, cgroup
                                                 STREAMS, USER, WORKDIR, PRIVILEGES, EXEC as in `child`
    reads GO + end of file  ◄──────────────────  execve of the container's own file

The parent changes the pid namespace of its next children for the moment of the clone and stays where it is, so the
process is its own child, to wait for, and no process in between is needed.

A branch is a cgroup inside the container's: whatever the process starts, sessions and daemons of its own included, is
in it and ends with `kill`. It has no limits of its own; those of the container count.

Beyond this module: what the process says (streams are the caller's), time limits, and raw mode of terminals.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from composer.errors import PycomposeError
from composer.frozen import frozen, mutable, replace
from composer.hints import Callable
from composer.linux.capability import ALL_KNOWN, names_of
from composer.linux.clone import CLONE_CLEAR_SIGHAND, clone3
from composer.linux.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
)
from composer.linux.openat2 import open_in_root
from composer.linux.pty import open_pty
from composer.runtime import failures, namespaces, program
from composer.runtime.cgroup import control
from composer.runtime.cgroup import kill as cgroup_kill
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.namespaces import Joined
from composer.runtime.outcome import end, error_named, require_success
from composer.runtime.program import Performer
from composer.runtime.road import open_report_pipe, walk
from composer.spec.container import ContainerSpec, Unconfined
from composer.spec.process import Process

ALL_BUT_PID = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP
BRANCHABLE = ("unified", "freezer")  # hierarchies in which a cgroup can be killed: by cgroup.kill, or frozen


@frozen
class Target:
    """A running container."""

    spec: ContainerSpec
    pid: int
    start_time: int
    cgroup: Cgroup
    cache: str  # as in Launch


@frozen
class JoinedProcess:
    """A process running in a container. The descriptors are the caller's to close."""

    pid: int
    pidfd: int
    branch: Cgroup  # its own part of the container's cgroup
    pty_master: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def cgroup(self) -> Cgroup:
        return self.branch


@mutable
class _Joiner(Performer):
    pidfd: int


def start_process(
    target: Target, process: Process, *, streams: tuple[int, ...] = (), privileged: bool = False
) -> JoinedProcess:
    """Start `process` in the container and wait until its program runs. See `begin_process`."""
    return begin_process(target, process, streams=streams, privileged=privileged).finish()


def begin_process(
    target: Target, process: Process, *, streams: tuple[int, ...] = (), privileged: bool = False
) -> StartingProcess:
    """Make the process; `finish` is to be called when `report_fd` is readable.

    `streams` become 0, 1, 2 and stay the caller's to close; () hands on the caller's own. With `process.tty` they are
    not looked at, and a terminal is made. A `privileged` process has all capabilities and no filter.
    Raises PycomposeError: HostError when the container is gone, CommandNotFound, CommandNotExecutable.
    """
    purpose = f"run a command in container {target.spec.name}"
    with ExitStack() as undo:
        try:
            joined, reader = _begin(target, process, purpose, streams=streams, privileged=privileged, undo=undo)
        except (OSError, ValueError) as error:  # ValueError: a NUL in a name
            raise failures.cannot(purpose, error) from error
        except PycomposeError as error:
            raise error_named(purpose, error) from error
        return StartingProcess(target, purpose, joined, reader, undo.pop_all())
    raise AssertionError("ExitStack does not swallow exceptions")


def _begin(
    target: Target, process: Process, purpose: str, *, streams: tuple[int, ...], privileged: bool, undo: ExitStack
) -> tuple[JoinedProcess, int]:
    prepared = program.prepare(
        replace(process, capabilities=names_of(ALL_KNOWN)) if privileged else process,
        purpose=purpose,
        hostname=target.spec.hostname,
        filter_of=Unconfined() if privileged else target.spec.seccomp,
        cache=target.cache,
    )
    with ExitStack() as opened:
        of_init = namespaces.open_process(target.pid, target.start_time)
        opened.callback(os.close, of_init)
        master = None
        if process.tty:
            master, peer = _open_terminal(target)
            undo.callback(os.close, master)
            opened.callback(os.close, peer)
            streams = (peer, peer, peer)
        branch = _make_branch(target.cgroup, undo)
        entrance = opened.enter_context(control.entrance(_with_branch(target.cgroup, branch)))
        reader, writer = opened.enter_context(open_report_pipe(undo))
        joiner = _Joiner(program=prepared, entrance=entrance, streams=streams, writer=writer, pidfd=of_init)
        with namespaces.children_in_pid_namespace_of((Joined(of_init, CLONE_NEWPID),)):
            pid, pidfd = clone3(CLONE_CLEAR_SIGHAND, cgroup_fd=entrance.unified)
            if pid == 0:
                walk(ROAD, joiner)
        undo.callback(end, pid, pidfd)
    return JoinedProcess(pid, pidfd, branch, master, prepared.limits.warnings), reader


def _open_terminal(target: Target) -> tuple[int, int]:
    """A terminal of the container's own devpts, found inside its root and proven to be a devpts."""
    root_fd = os.open(f"/proc/{target.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        devpts_fd = open_in_root(root_fd, "/dev/pts", flags=os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(root_fd)
    try:
        return open_pty(devpts_fd)
    finally:
        os.close(devpts_fd)


def _make_branch(cgroup: Cgroup, undo: ExitStack) -> Cgroup:
    above = dict(cgroup.directories)
    for name in BRANCHABLE:
        if name in above:
            directory = f"{above[name]}/exec-{os.urandom(8).hex()}"
            os.mkdir(directory, 0o755)
            branch = Cgroup(((name, directory),))
            undo.callback(release, branch)
            return branch
    return Cgroup()


def _with_branch(cgroup: Cgroup, branch: Cgroup) -> Cgroup:
    return Cgroup(tuple({**dict(cgroup.directories), **dict(branch.directories)}.items()))


def _enter_namespaces(joiner: _Joiner) -> None:
    namespaces.join_all((Joined(joiner.pidfd, ALL_BUT_PID),))


ROAD: tuple[tuple[str, Callable[[_Joiner], None]], ...] = (
    ("DETACH", program.detach),
    ("CGROUP", program.enter_cgroup),
    ("JOIN", _enter_namespaces),
    ("STREAMS", program.take_streams),
    ("USER", program.resolve_user),
    ("WORKDIR", program.enter_working_directory),
    ("PRIVILEGES", program.drop_privileges),
    ("EXEC", program.execute),
)


class StartingProcess:
    """A process whose child is on its way."""

    def __init__(self, target: Target, purpose: str, joined: JoinedProcess, report_fd: int, undo: ExitStack) -> None:
        self.report_fd = report_fd  # readable once `finish` need not wait
        self._target = target
        self._purpose = purpose
        self._joined = joined
        self._undo = undo

    def finish(self) -> JoinedProcess:
        """The process, its program running; waits for it. Raises PycomposeError; then nothing is left."""
        limit = self._target.spec.resources.memory
        with self._undo:
            require_success(self._purpose, self.report_fd, self._joined, memory_limit=limit)
            self._undo.pop_all()
        os.close(self.report_fd)
        return self._joined

    def abandon(self) -> None:
        """End the child and undo the start."""
        self._undo.close()


def kill(joined: JoinedProcess) -> None:
    """Send SIGKILL to the process and to everything it has started, and wait until all are gone. Raises HostError."""
    cgroup_kill.kill(joined.branch)


def release(branch: Cgroup) -> None:
    """Remove the branch of a process that has been reaped. What it left running keeps it until the container ends."""
    for directory in branch.distinct():
        try:
            os.rmdir(directory)
        except OSError:
            pass
