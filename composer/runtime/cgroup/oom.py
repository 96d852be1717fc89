"""Kills by the out-of-memory killer: counted, and watched for.

Beyond this module: the verdict. A process died of it when it ended by SIGKILL and the counter has grown since the
container started; the counter alone also counts a child that the container survived.
"""

from __future__ import annotations

import os

from composer.errors import HostError
from composer.linux.inotify import IN_MODIFY, inotify_add_watch, inotify_init1
from composer.runtime.cgroup import files
from composer.runtime.cgroup.container import Cgroup

LARGEST_NOTICE = 4096  # bytes


def oom_kills(cgroup: Cgroup) -> int:
    """Processes of the container that the kernel has killed for want of memory; 0 where nobody counts.

    To be read before the cgroup is removed. Raises OSError.
    """
    if v1 := cgroup.v1("memory"):
        return files.keyed(files.read_optional(v1, "memory.oom_control")).get("oom_kill", 0)
    if cgroup.unified:
        return files.keyed(files.read_optional(cgroup.unified, "memory.events")).get("oom_kill", 0)
    return 0


def open_oom_watch(cgroup: Cgroup) -> int | None:
    """A descriptor, non-blocking, that becomes readable when memory may have run out; None without a controller.

    It is a hint to look at `oom_kills`, not a kill by itself: v1 notices before the victim is chosen, and once more
    when the cgroup is removed; v2 notices other events of memory.events as well. `acknowledge` it before looking.
    Raises HostError.
    """
    try:
        if v1 := cgroup.v1("memory"):
            return _open_v1(v1)
        if cgroup.unified and os.path.exists(f"{cgroup.unified}/memory.events"):
            return _open_v2(cgroup.unified)
    except OSError as error:
        raise HostError(f"cannot watch container {cgroup.name} for lack of memory: {error.strerror}") from error
    return None


def _open_v1(directory: str) -> int:
    """Documentation/admin-guide/cgroup-v1/memory.rst, 10. OOM Control: "<event fd> <fd of memory.oom_control>"."""
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        control = os.open(f"{directory}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            files.write(directory, "cgroup.event_control", value=f"{event} {control}")
        finally:
            os.close(control)
    except OSError:
        os.close(event)
        raise
    return event


def _open_v2(directory: str) -> int:
    watch = inotify_init1()
    try:
        inotify_add_watch(watch, f"{directory}/memory.events", mask=IN_MODIFY)
    except OSError:
        os.close(watch)
        raise
    return watch


def acknowledge(watch: int) -> bool:
    """Make the descriptor of `open_oom_watch` wait for the next notice; whether there was one."""
    try:
        return bool(os.read(watch, LARGEST_NOTICE))
    except BlockingIOError:
        return False
