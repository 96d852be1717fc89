"""Where a container lives: the namespaces that are new, those of the host, those of other containers.

    private   born with the process, by flags of clone3(2)
    host      nothing to do
    joined    setns(2) on a pidfd, all of one process at once, by the child

Two kinds have an order of their own. A pid namespace holds for children only, so the parent switches to it for
the moment of the clone: the child is then still its own child, and no process in between is needed. A cgroup
namespace shows the cgroup that its maker is in as its root: it is unshared once the child has joined its cgroup.

Beyond this module: which container a name means. A process is named by pid and start time (proc_pid_stat(5)).
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.identity import start_time
from composer.linux.libc import AT_SYMLINK_NOFOLLOW
from composer.linux.mount import OPEN_TREE_CLONE, open_tree
from composer.linux.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    setns,
)
from composer.linux.pidfd import pidfd_open
from composer.spec.container import Join, Namespaces, Private

FLAGS = {  # fields of spec.Namespaces
    "pid": CLONE_NEWPID,
    "ipc": CLONE_NEWIPC,
    "uts": CLONE_NEWUTS,
    "network": CLONE_NEWNET,
    "cgroup": CLONE_NEWCGROUP,
}


@frozen
class Joined:
    """The namespaces, as CLONE_NEW* flags, that are taken from the process behind `pidfd`."""

    pidfd: int
    flags: int


@frozen
class NamespacePlan:
    """What clone3 makes, what setns joins, what is unshared later."""

    new: int
    joined: tuple[Joined, ...]
    new_cgroup: bool


def private_flags(namespaces: Namespaces) -> int:
    """The CLONE_NEW* flags for clone3; the cgroup namespace comes later."""
    flags = CLONE_NEWNS
    for kind, flag in FLAGS.items():
        if isinstance(getattr(namespaces, kind), Private) and flag != CLONE_NEWCGROUP:
            flags |= flag
    return flags


@contextmanager
def open_plan(namespaces: Namespaces, joins: tuple[tuple[str, int, int], ...]) -> Iterator[NamespacePlan]:
    """The plan for a container, its pidfds open. Raises HostError when a process to join is gone."""
    wanted = {kind for kind in FLAGS if isinstance(getattr(namespaces, kind), Join)}
    missing = wanted - {kind for kind, _, _ in joins}
    if missing:
        raise HostError(f"cannot join {', '.join(sorted(missing))} namespace: the container to join is not running")
    by_process: dict[tuple[int, int], int] = {}
    for kind, pid, started in joins:
        if kind in wanted:
            by_process[pid, started] = by_process.get((pid, started), 0) | FLAGS[kind]
    joined: list[Joined] = []
    try:
        for (pid, started), flags in by_process.items():
            joined.append(Joined(open_process(pid, started), flags))
        yield NamespacePlan(
            new=private_flags(namespaces), joined=tuple(joined), new_cgroup=isinstance(namespaces.cgroup, Private)
        )
    finally:
        for one in joined:
            os.close(one.pidfd)


def open_process(pid: int, started: int) -> int:
    """A pidfd of the process with this pid and start time. Raises HostError when it is gone."""
    try:
        pidfd = pidfd_open(pid)
    except ProcessLookupError as error:
        raise HostError(f"cannot join process {pid}: it has ended") from error
    # The pidfd may be of a process that got the number later; if the start time fits now, it fitted at the open.
    try:
        same = start_time(pid) == started
    except ProcessLookupError:
        same = False
    if not same:
        os.close(pidfd)
        raise HostError(f"cannot join process {pid}: it has ended")
    return pidfd


@contextmanager
def children_in_pid_namespace_of(joined: tuple[Joined, ...]) -> Iterator[None]:
    """Within the block, children of the caller are born in the pid namespace that `joined` names, if any.

    A child must not leave the block: it cannot go back.
    """
    of_pid = [one for one in joined if one.flags & CLONE_NEWPID]
    if not of_pid:
        yield
        return
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(of_pid[0].pidfd, CLONE_NEWPID)
        try:
            yield
        finally:
            setns(own, CLONE_NEWPID)
    finally:
        os.close(own)


def open_shared_memory(joined: tuple[Joined, ...]) -> int | None:
    """A detached copy of the /dev/shm that goes with a joined ipc namespace; None where there is no such thing.

    The namespace holds System V's objects and message queues; POSIX shared memory is files of a tmpfs
    (shm_overview(7)). A mount can be copied in its own mount namespace only, hence the visit, in the child.
    """
    owners = [one.pidfd for one in joined if one.flags & CLONE_NEWIPC]
    if not owners:
        return None
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(owners[0], CLONE_NEWNS)
        try:
            return open_tree("/dev/shm", flags=OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW)
        except FileNotFoundError:
            return None
        finally:
            setns(own, CLONE_NEWNS)
    finally:
        os.close(own)


def join_all(joined: tuple[Joined, ...]) -> None:
    """Enter the joined namespaces, in the child. The pid namespace was entered by being born."""
    for one in joined:
        flags = one.flags & ~CLONE_NEWPID
        if flags:
            setns(one.pidfd, flags)
