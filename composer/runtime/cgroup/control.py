"""A container's cgroup: made with its limits in force, entered by its processes, removed when they are gone.

Beyond this module: where a project's cgroups are (location), ending what runs in one (kill).

    launcher                                       child
    1. create(): directories, limits
    2. entrance(): descriptors
    3. clone3(CLONE_INTO_CGROUP, unified) ───────► 4. enter(): writes "0" to tasks of each v1 hierarchy
                                                   5. unshare(CLONE_NEWCGROUP), everything else, execve

The child enters v1 itself, by `tasks`. Whoever writes to cgroup.procs, or moves another, has the kernel keep all
threads of all processes from being made and ended meanwhile, which waits for a grace period of RCU, 5 ms and more.
A thread that moves itself alone needs no such thing, and the child has no other. On v2 it is born in its cgroup and
nothing is moved.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack, contextmanager, suppress

from composer.errors import Conflict, HostError, MissingFeature, PycomposeError
from composer.frozen import frozen
from composer.hints import Callable, Iterable, Iterator, assert_never
from composer.runtime.cgroup import checks, devices, files, location, settings
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.hierarchy import UNIFIED
from composer.runtime.cgroup.location import Location, Tree
from composer.runtime.cgroup.settings import Missing, Need, Setting
from composer.spec.cgroup import Resources
from composer.spec.container import Device

PATIENCE = 1.0  # seconds, for what has ended to be gone from its cgroup
JOIN_ATTEMPTS = 5
JOIN_PAUSE = 0.03  # seconds
DEFAULT_RESOURCES = Resources()


@frozen
class Created:
    """A new cgroup, and what was asked for and this host cannot do, one text each."""

    cgroup: Cgroup
    warnings: tuple[str, ...] = ()


@frozen
class Entrance:
    """What a new process needs to get into a cgroup."""

    unified: int | None  # a directory for CLONE_INTO_CGROUP; None where there is no v2 tree
    tasks: tuple[int, ...]  # of the v1 hierarchies, for `enter`


def create(
    where: Location,
    container: str,
    *,
    resources: Resources = DEFAULT_RESOURCES,
    nodes: tuple[Device, ...] = (),
    privileged: bool = False,
) -> Created:
    """Make the cgroup of `container` ("web-1"), its limits in force before anybody is in it.

    `nodes` are device nodes of the host that the container may use; a privileged one may use all. An empty cgroup
    of an earlier run is made anew, so that counters begin at 0. Leaves nothing behind on failure.
    Raises PycomposeError for limits that cannot be, MissingFeature where this host has no means to enforce one,
    Conflict while processes of an earlier run are in it, HostError.
    """
    found = checks.problems(resources, processors=_processors(where))
    if found:
        raise PycomposeError(f"cannot limit container {container}: {'; '.join(found)}")
    lowered = settings.lower(resources, versions=where.versions, numbers=devices.block_numbers(resources))
    warnings = [text for missing in lowered.missing for text in _warnings(missing, container)]
    rules = () if privileged else devices.allowed(resources.device_rules, nodes=nodes)
    path = location.container_path(container, parent=resources.parent)
    cgroup = _cgroup_at(where, path)
    _make_directories(where, path)
    with ExitStack() as undo:
        undo.callback(remove, cgroup)
        for setting in lowered.writes:
            warnings += _apply(setting, cgroup, container=container)
        if not privileged:
            devices.restrict(cgroup, rules)
        undo.pop_all()
    return Created(cgroup, tuple(warnings))


def _processors(where: Location) -> checks.Processors:
    tree = next((tree for tree in where.trees if "cpuset" in tree.controllers), None)
    cpus, mems = (_online(tree, kind) for kind in ("cpu", "mem"))
    return checks.Processors(os.cpu_count() or 1, cpus=cpus, mems=mems)


def _online(tree: Tree | None, kind: str) -> frozenset[int]:
    """Numbers of the processors ("cpu") or memory nodes ("mem") that containers can have."""
    names = (f"cpuset.{kind}s.effective", f"cpuset.effective_{kind}s")  # v2, v1
    effective = next(filter(None, (files.read_optional(tree.base, name) for name in names)), None) if tree else None
    system = "cpu" if kind == "cpu" else "node"
    return checks.parse_list(effective or files.read_optional(f"/sys/devices/system/{system}", "online") or "0")


def _warnings(missing: Missing, container: str) -> tuple[str, ...]:
    """What to tell about a setting that cannot be. Raises MissingFeature for one that must be."""
    text = f"cannot set {missing.key} of container {container}: {missing.reason}"
    match missing.need:
        case Need.HARD:
            raise MissingFeature(text, hint="`pycompose check` says what this host offers and how to get the rest")
        case Need.SOFT:
            return (text,)
        case Need.DEFAULT:
            return ()
    assert_never(missing.need)


def _make_directories(where: Location, path: str) -> None:
    with ExitStack() as undo:
        for tree in where.trees:
            directory = f"{tree.project}/{path}"
            try:
                _make_directory(directory, lambda: location.make_above(where, path))
                undo.callback(_remove_if_empty, directory)
                location.prepare_new(tree, directory, parent=os.path.dirname(directory))
            except OSError as error:
                raise HostError(f"cannot make the cgroup {directory}: {error.strerror}") from error
        undo.pop_all()


def _make_directory(directory: str, make_above: Callable[[], None]) -> None:
    """Usually a single mkdir(2): what is above it has been there since `prepare`."""
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        _remove_earlier(directory)
        os.mkdir(directory, 0o755)
    except FileNotFoundError:
        make_above()
        os.mkdir(directory, 0o755)


def _remove_earlier(directory: str) -> None:
    left = _described_processes(directory)
    if left:
        raise Conflict(
            f"cannot make the cgroup {directory}: processes of an earlier run are in it: {left}",
            hint="`pycompose down` ends them",
        )
    _remove_trees([directory], what=f"the cgroup {directory} of an earlier run")


def _described_processes(directory: str) -> str:
    """ "812 (redis-server), 813 (sh)"."""
    return ", ".join(f"{pid} ({_command(pid)})" for pid in sorted(files.processes(directory)))


def _command(pid: int) -> str:
    return (files.read_optional(f"/proc/{pid}", "comm") or "gone") if pid else "of another pid namespace"


def _apply(setting: Setting, cgroup: Cgroup, *, container: str) -> tuple[str, ...]:
    """Write one setting; the warnings that come of it. Raises HostError, MissingFeature."""
    directory = cgroup.v1(setting.controller) or cgroup.unified or ""
    for name, value in setting.choices:
        try:
            files.write(directory, name, value=value)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _cannot_write(setting, error, what=f"{name} of container {container} to {value}") from error
        return ()
    names = " or ".join(name for name, _ in setting.choices)
    return _warnings(Missing(setting.key, setting.need, f"this kernel has no {names}"), container)


def _cannot_write(setting: Setting, error: OSError, *, what: str) -> HostError:
    hint = _HINTS.get((setting.controller, error.errno or 0))
    return HostError(f"cannot set {what} ({setting.key}): {error.strerror}", hint=hint)


_HINTS = {
    ("blkio", errno.ENODEV): "limits apply to whole disks (/dev/sda), not to partitions (/dev/sda1)",
    ("cpu", errno.EINVAL): "a cgroup above it may have a smaller quota",
    ("cpuset", errno.EINVAL): "the cgroup above it does not have these processors or memory nodes",
    ("cpuset", errno.EACCES): "the cgroup above it does not have these processors or memory nodes",
}


@contextmanager
def entrance(cgroup: Cgroup) -> Iterator[Entrance]:
    """Descriptors to start a process with: for clone3, and for `enter` in the child. Raises HostError."""
    others = [directory for directory in cgroup.distinct() if directory != cgroup.unified]
    with ExitStack() as opened:
        try:
            unified = opened.enter_context(files.open_directory(cgroup.unified)) if cgroup.unified else None
            fds = [opened.enter_context(files.open_for_writing(directory, "tasks")) for directory in others]
        except OSError as error:
            raise HostError(f"cannot enter the cgroup of container {cgroup.name}: {error}") from error
        yield Entrance(unified, tuple(fds))


def enter(through: Entrance) -> None:
    """Put the calling thread into the v1 hierarchies: for the child, which has no other, between clone and exec.

    Raises OSError.
    """
    for fd in through.tasks:
        os.write(fd, b"0")


def join(cgroup: Cgroup, pid: int) -> None:
    """Put a process into all hierarchies from outside, where CLONE_INTO_CGROUP cannot be had. Raises HostError."""
    for directory in cgroup.distinct():
        try:
            _join(directory, pid)
        except OSError as error:
            raise HostError(f"cannot put process {pid} into the cgroup {directory}: {error.strerror}") from error


def _join(directory: str, pid: int) -> None:
    """The kernel says EINVAL to a process that it has not made runnable yet."""
    for _ in range(JOIN_ATTEMPTS - 1):
        try:
            return files.write(directory, "cgroup.procs", value=str(pid))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            time.sleep(JOIN_PAUSE)
    return files.write(directory, "cgroup.procs", value=str(pid))


def find(where: Location, container: str, *, parent: str = "") -> Cgroup:
    """The cgroup of `container`, there or not; `parent` is its cgroup_parent."""
    return _cgroup_at(where, location.container_path(container, parent=parent))


def leftovers(where: Location) -> tuple[Cgroup, ...]:
    """Everything below the project's own cgroup, whoever made it, whatever is in it: for `kill` and `remove`."""
    names = {name for tree in where.trees for name in files.children(tree.project)} - {location.LEAF}
    return tuple(_cgroup_at(where, name) for name in sorted(names))


def _cgroup_at(where: Location, path: str) -> Cgroup:
    return Cgroup(
        tuple(
            (name, f"{tree.project}/{path}")
            for tree in where.trees
            for name in (tree.controllers if tree.version == 1 else (UNIFIED,))
        )
    )


def remove(cgroup: Cgroup) -> None:
    """Remove it in all hierarchies, with whatever cgroups were made inside. Fine if it is gone.

    Raises HostError, once all has been tried, where processes are left in it.
    """
    _remove_trees(cgroup.distinct(), what=f"the cgroup of container {cgroup.name}")


def remove_project(where: Location) -> None:
    """Remove the project's own cgroups, once its containers' are gone, and whatever is left in them.

    A scope of systemd goes by itself when its last process ends, the caller perhaps. Raises HostError.
    """
    for tree in where.trees:
        _remove_if_empty(f"{tree.project}/{location.LEAF}")
    left = [directory for cgroup in leftovers(where) for directory in cgroup.distinct()]
    own = [tree.project for tree in where.trees if tree.path]
    _remove_trees([*left, *own], what=f"the cgroups of project {where.project}")
    remove_empty(where)


def remove_empty(where: Location) -> None:
    """Remove the project's own cgroups unless a container is in them: rmdir(2) refuses then. Raises HostError."""
    for tree in where.trees:
        if tree.path:
            _remove_if_empty(tree.project)
            _remove_if_empty(os.path.dirname(tree.project))


def _remove_if_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
            raise HostError(f"cannot remove the cgroup {directory}: {error.strerror}") from error


def _remove_trees(directories: Iterable[str], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    problems = [problem for directory in directories for problem in _remove_tree(directory, deadline)]
    if problems:
        raise HostError(f"cannot remove {what}: {'; '.join(dict.fromkeys(problems))}")


def _remove_tree(directory: str, deadline: float) -> list[str]:
    """Remove it with all below; what stands against it."""
    with suppress(OSError):  # as a rule there is nothing below, and it is empty
        os.rmdir(directory)
        return []
    problems = []
    for below in files.descend(directory):
        try:
            _remove_patiently(below, deadline)
        except OSError as error:
            left = _described_processes(below)
            problems.append(f"still in it: {left}" if left else f"{below}: {error.strerror}")
    return problems


def _remove_patiently(directory: str, deadline: float) -> None:
    """rmdir(2). No event tells when a cgroup that has just become empty can be removed: back off and try again."""
    pause = 0.001
    while True:
        try:
            return os.rmdir(directory)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause *= 2
