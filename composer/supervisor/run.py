"""One run of a container: from its launch, or its adoption, to its end. Its process, its cgroup, its output.

Beyond this module: what to do about what happens (planner.lifecycle), what is written down (keeper).
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import AsyncGenerator

import anyio
import anyio.to_thread

from composer.errors import HostError
from composer.frozen import frozen
from composer.linux import pidfd as kernel
from composer.linux.identity import start_time
from composer.runtime import exits
from composer.runtime.cgroup import control, freeze, kill, oom
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.exits import ExitRecord
from composer.spec.codec import DecodeError
from composer.spec.network import Attachment, PortBinding
from composer.supervisor.launcher_link import Child, LauncherGone, LauncherLink
from composer.supervisor.pump import Pump

_NS = 1_000_000_000
_LOOKS = (0.0, 0.02, 0.1, 0.5)  # seconds between looks after a notice
_REAPING = 5.0  # seconds that whoever inherited an orphaned container may take to reap it


@frozen
class End:
    """How a run ended. `exit_code` is 128 + n after signal n, None where nobody can know it."""

    exit_code: int | None
    oom_killed: bool = False
    oom_kills: int | None = None  # of this run; None where it was not counted
    finished_ns: int = 0  # wall clock


class Run:
    """A container's process and what belongs to it. Its owner runs `look_after` in a task, then calls `finish`."""

    def __init__(
        self,
        child: Child,
        *,
        cgroup: Cgroup,
        pump: Pump,
        terminal: int | None = None,
        age_ns: int = 0,
        attachments: tuple[Attachment, ...] = (),
        ports: tuple[PortBinding, ...] = (),
    ) -> None:
        self.child = child
        self.attachments = attachments
        self.ports = ports
        self.cgroup = cgroup
        self.pump = pump
        self.terminal = terminal  # the master, which the pump reads and closes
        self.pidfd = open_process(child)
        self._began = anyio.current_time() - age_ns / _NS

    def age_ns(self) -> int:
        """How long it has been running, by the monotonic clock."""
        return int((anyio.current_time() - self._began) * _NS)

    def send_signal(self, number: int) -> None:
        """Signal PID 1. Nothing happens once it has ended."""
        if self.pidfd is None:
            return
        try:
            kernel.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass

    async def kill(self) -> None:
        """Kill everything in its cgroup and wait until it is empty. Raises HostError."""
        await anyio.to_thread.run_sync(kill.kill, self.cgroup)

    async def freeze(self) -> None:
        """Freeze all its processes. Raises HostError."""
        await anyio.to_thread.run_sync(freeze.freeze, self.cgroup)

    async def thaw(self) -> None:
        """Let its processes go on. Raises HostError."""
        await anyio.to_thread.run_sync(freeze.thaw, self.cgroup)

    def oom_kills(self) -> int:
        """How many of its processes the out-of-memory killer has killed."""
        return oom.oom_kills(self.cgroup)

    async def memory_kills(self) -> AsyncGenerator[int]:
        """The number of out-of-memory kills each time there is a notice, until cancelled. Raises HostError."""
        watch = oom.open_oom_watch(self.cgroup)
        if watch is None:
            return
        try:
            known = self.oom_kills()
            while True:
                await anyio.wait_readable(watch)
                oom.acknowledge(watch)
                known = await self._await_kill(known)
                yield known
        finally:
            os.close(watch)

    async def _await_kill(self, known: int) -> int:
        """cgroup v1 gives notice before the kill, and no second one: look a few times, then believe that none came."""
        for pause in _LOOKS:
            await anyio.sleep(pause)
            if (kills := self.oom_kills()) != known:
                return kills
        return known

    async def wait_end(self, link: LauncherLink, *, state: str) -> End:
        """Wait until PID 1 has ended: by word of the launcher, or by our own eyes where it is not its parent."""
        try:
            return _told(await link.wait_exit(self.child))
        except LauncherGone:
            return await self._witness(state)

    async def _witness(self, state: str) -> End:
        """Wait for the end of an orphan; what is left of it is killed, as its launcher would have."""
        status = None if self.pidfd is None else await _wait_reaped(self.pidfd)
        record = read_exit(state)
        if record is not None and (record.pid, record.start_time) == (self.child.pid, self.child.start_time):
            return _told(record)
        try:
            kills = self.oom_kills()
        except OSError:
            kills = 0
        await clear(self.cgroup)
        return self._seen(status, kills)

    def _seen(self, status: int | None, kills: int) -> End:
        if status is None:
            return End(None, oom_kills=kills, finished_ns=time.time_ns())
        child = self.child
        return _told(
            exits.describe(
                pid=child.pid,
                start_time=child.start_time,
                status=status,
                oom_kills=kills,
                finished_ns=time.time_ns(),
            )
        )

    def close(self) -> None:
        """Give the descriptors back."""
        self.pump.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


async def clear(cgroup: Cgroup) -> None:
    """Kill what is left in a container's cgroup and remove it, as its launcher would have."""
    try:
        await anyio.to_thread.run_sync(kill.kill, cgroup)
        await anyio.to_thread.run_sync(control.remove, cgroup)
    except HostError:
        pass  # the next start of the container says what is in the way


def read_exit(state: str) -> ExitRecord | None:
    """The launcher's word on how the container with this state directory ended, None where there is none."""
    try:
        return exits.read(state)
    except DecodeError:
        return None


def _told(record: ExitRecord) -> End:
    return End(record.exit_code, record.oom_killed, record.oom_kills, record.finished_ns)


def open_process(child: Child) -> int | None:
    """A descriptor of the container's PID 1, None once it is gone: then its number may be another's."""
    try:
        descriptor = kernel.pidfd_open(child.pid)
    except ProcessLookupError:
        return None
    try:
        if start_time(child.pid) == child.start_time:
            return descriptor
    except ProcessLookupError:
        pass
    os.close(descriptor)
    return None


async def _wait_reaped(pidfd: int) -> int | None:
    """The wait status of a process that is somebody else's child, None where the kernel does not keep it.

    A pidfd is readable when the process has ended; that it was reaped, and has left its status, is EPOLLHUP (6.15),
    which an epoll instance without any other interest waits for.
    """
    await anyio.wait_readable(pidfd)
    if (status := kernel.wait_status(pidfd)) is not None:
        return status
    with select.epoll(1) as hang_up, anyio.move_on_after(_REAPING):
        hang_up.register(pidfd, 0)
        await anyio.wait_readable(hang_up.fileno())
    return kernel.wait_status(pidfd)
