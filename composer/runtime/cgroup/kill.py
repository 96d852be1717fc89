"""End every process in a container's cgroup.

Beyond this module: asking politely first, and reaping; the cgroup is empty once its processes are zombies.

cgroup.kill (v2, Linux 5.14) does it in the kernel, and no fork escapes it. On a hybrid host containers are in the v2
tree as well, for this. Without it everything is frozen, so that nothing can fork or end while pids are read: then a
pid is still the process it was when the signal arrives. On v1 the signal acts once the cgroup is thawed again.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import contextmanager, suppress

from composer.errors import HostError
from composer.hints import Iterator
from composer.linux.pidfd import pidfd_open, pidfd_send_signal
from composer.runtime.cgroup import files, freeze
from composer.runtime.cgroup.container import Cgroup

PATIENCE = 10.0  # seconds; only a process in the middle of a system call that hangs takes longer than a moment


def kill(cgroup: Cgroup, *, timeout: float = PATIENCE) -> None:
    """Send SIGKILL to all in it and wait until nobody is left. Fine if nobody is there, or the cgroup is gone.

    Raises HostError naming what is left after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    try:
        left = _kill_unified(cgroup, deadline)
        if left:
            left = _kill_frozen(cgroup, left, deadline)
    except OSError as error:
        raise HostError(f"cannot kill the processes of container {cgroup.name}: {error.strerror}") from error
    if left:
        raise HostError(
            f"cannot kill the processes of container {cgroup.name}: "
            f"after {timeout:g} s there are still {', '.join(map(_described, sorted(left)))}"
        )


def _processes(cgroup: Cgroup) -> set[int]:
    """Of one hierarchy suffices, but who joined one only must go as well."""
    return {pid for directory in cgroup.distinct() for pid in files.processes(directory)}


def _described(pid: int) -> str:
    """With the state: D is the one that even SIGKILL waits for."""
    lines = (files.read_optional(f"/proc/{pid}", "status") or "").splitlines()
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return f"{pid} ({fields.get('Name', 'gone')}, state {fields.get('State', 'unknown')})"


def _kill_unified(cgroup: Cgroup, deadline: float) -> set[int]:
    """By cgroup.kill, where there is one; whom it left."""
    if cgroup.unified is not None:
        with suppress(FileNotFoundError):
            files.write(cgroup.unified, "cgroup.kill", value="1")
            freeze.thaw(cgroup)  # whom v1's freezer holds, no signal reaches
            files.wait_for_event(cgroup.unified, ("populated", 0), deadline=deadline)
    return _processes(cgroup)


def _kill_frozen(cgroup: Cgroup, pids: set[int], deadline: float) -> set[int]:
    """Round after round, for what was being forked when the freezer came may have been missed; whom it left."""
    while pids and time.monotonic() < deadline:
        with suppress(HostError):  # what does not freeze is killed all the same
            freeze.freeze(cgroup, timeout=1)
            pids = _processes(cgroup)
        with _pidfds(pids) as pidfds:
            for pidfd in pidfds:
                _send_sigkill(pidfd)
            freeze.thaw(cgroup)
            _wait_for_exits(pidfds, deadline)
        pids = _processes(cgroup)
    return pids


@contextmanager
def _pidfds(pids: set[int]) -> Iterator[list[int]]:
    fds: list[int] = []
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                fds.append(pidfd_open(pid))
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def _send_sigkill(pidfd: int) -> None:
    with suppress(ProcessLookupError):
        pidfd_send_signal(pidfd, signal.SIGKILL)


def _wait_for_exits(pidfds: list[int], deadline: float) -> None:
    """A pidfd is readable once its process has ended, reaped or not."""
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(max(0, deadline - time.monotonic()) * 1000)
