"""Where the cgroups of one project live, and what its launcher must do before it may make them.

Beyond this module: the cgroups of its containers (control).

    cgroup v1, each controller    <mount point>/pycompose/<project>/<container>
    v2, no systemd                <mount point>/pycompose/<project>/<container>
    v2, systemd is PID 1          <manager's slice>/pycompose-<project>.scope/<container>         see `scope`
    v2, only our own cgroup is    <own cgroup>/pycompose/<project>/<container>
    ours (rootless, delegated)

A container's cgroup_parent comes between project and container. In a v2 cgroup other than the host's root, either
processes are or controllers are enabled for what is below, never both (cgroups(7), "no internal processes"). So
where the project's cgroups hang below a cgroup that has processes, those move to the leaf `_supervisor` in it: the
launcher from the scope's own cgroup, or all processes of a delegated cgroup, which are ours or our caller's.
"""

from __future__ import annotations

import errno
import os

from composer.enums import Enum
from composer.errors import HostError, PycomposeError
from composer.frozen import frozen, replace
from composer.hints import Callable
from composer.runtime.cgroup import files, hierarchy, systemd
from composer.runtime.cgroup.hierarchy import Hierarchies, Hierarchy

V1_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "cpuset", "devices", "freezer", "blkio")
V2_CONTROLLERS = ("memory", "cpu", "pids", "cpuset", "io")
SYSTEMD_V1 = "name=systemd"  # where systemd keeps account of units on v1: a process is in its unit's cgroup there
LEAF = "_supervisor"
ROUNDS = 32
# The kernel's own files in a cgroup directory are called one of these, a dot, and something
KERNEL_PREFIXES = (
    *("cgroup", "cpu", "cpuacct", "cpuset", "memory", "io", "blkio", "pids", "devices", "freezer", "hugetlb", "rdma"),
    *("misc", "dmem", "net_cls", "net_prio", "perf_event", "irq"),
)
KERNEL_NAMES = ("tasks", "notify_on_release", "release_agent")


class Site(Enum):
    """Where in the v2 tree we may make cgroups."""

    ROOT = "the visible root"
    SCOPE = "a scope of systemd"
    OWN = "our own cgroup"
    NOWHERE = "nowhere"


@frozen
class Tree:
    """The project's place in one hierarchy."""

    version: int
    controllers: tuple[str, ...]  # v2: those that can be enabled for containers
    base: str  # an existing directory that is not ours, except for a scope
    path: str  # of the project's directory below it; "" is the scope itself

    @property
    def project(self) -> str:
        """The project's directory."""
        return f"{self.base}/{self.path}" if self.path else self.base


@frozen
class Location:
    """Where the cgroups of one project live: no tree where this user may make none."""

    project: str
    trees: tuple[Tree, ...]

    @property
    def versions(self) -> dict[str, int]:
        """Which controllers there are for containers, and in which version."""
        return {controller: tree.version for tree in self.trees for controller in tree.controllers}

    @property
    def unified(self) -> Tree | None:
        return next((tree for tree in self.trees if tree.version == 2), None)


@frozen
class World:
    """What decides about the place, besides the hierarchies."""

    systemd: bool  # runs, and answers this user
    root_writable: bool  # the v2 tree's mount point
    own_writable: bool  # our own v2 cgroup


def choose(world: World) -> Site:
    """Where in the v2 tree the project goes. Pure."""
    if world.systemd:
        return Site.SCOPE
    if world.root_writable:
        return Site.ROOT
    return Site.OWN if world.own_writable else Site.NOWHERE


def locate(project: str) -> Location:
    """Where the project's cgroups are, or would be. Touches nothing. Raises HostError.

    Without a tree in v2 while systemd has no scope for it: there can be no cgroups then.
    """
    return _located(project, scope_of=_find_scope)


def prepare(project: str) -> Location:
    """Make a place for the project's cgroups, and return it. Raises HostError.

    To be called once by the process that will start containers, before it has children: it may find itself in
    another cgroup afterwards. The containers' cgroups are then made with `control.create`.
    """
    location = _located(project, scope_of=_enter_scope)
    make_project(location)
    return Location(project, tuple(map(_as_enabled, location.trees)))


def _located(project: str, *, scope_of: Callable[[str, Hierarchy], str | None]) -> Location:
    hierarchies, world = _observe()
    v1 = _v1_trees(project, hierarchies, with_systemd=world.systemd)
    if hierarchies.unified is None:
        return Location(project, v1)
    base, path = None, f"pycompose/{escape(project)}"
    match choose(world):
        case Site.SCOPE:
            base, path = scope_of(project, hierarchies.unified), ""
        case Site.ROOT:
            base = hierarchies.unified.mount_point
        case Site.OWN:
            base = _own_directory(hierarchies.unified)
        case Site.NOWHERE:
            pass
    return Location(project, v1 if base is None else (*v1, _v2_tree(base, path)))


# `scope` is imported where it is called: a launcher on a host without systemd need not carry it.
def _find_scope(project: str, unified: Hierarchy) -> str | None:
    from composer.runtime.cgroup import scope

    path = scope.control_group(project, uid=os.geteuid())
    return f"{unified.mount_point}{path}" if path else None


def _enter_scope(project: str, unified: Hierarchy) -> str:
    from composer.runtime.cgroup import scope

    path = scope.enter_scope(project, uid=os.geteuid(), leaf=LEAF, mount_point=unified.mount_point)
    return f"{unified.mount_point}{path}"


def _v1_trees(project: str, hierarchies: Hierarchies, *, with_systemd: bool) -> tuple[Tree, ...]:
    wanted = {*V1_CONTROLLERS, SYSTEMD_V1} if with_systemd else {*V1_CONTROLLERS}
    return tuple(
        Tree(1, one.controllers, one.mount_point, f"pycompose/{escape(project)}")
        for one in hierarchies.mounted
        if one.version == 1 and wanted.intersection(one.controllers) and _writable(one.mount_point)
    )


def _v2_tree(base: str, path: str) -> Tree:
    offered = (files.read_optional(base, "cgroup.controllers") or "").split()
    return Tree(2, tuple(one for one in V2_CONTROLLERS if one in offered), base, path)


def _as_enabled(tree: Tree) -> Tree:
    """The tree with those controllers that could be enabled, and not only offered."""
    if tree.version == 1:
        return tree
    enabled = (files.read_optional(tree.project, "cgroup.subtree_control") or "").split()
    return replace(tree, controllers=tuple(one for one in tree.controllers if one in enabled))


def _observe() -> tuple[Hierarchies, World]:
    try:
        hierarchies = hierarchy.observe()
    except OSError as error:
        raise HostError(f"cannot find out where cgroups are: {error}") from error
    unified = hierarchies.unified
    own = _own_directory(unified) if unified else None
    return hierarchies, World(
        systemd=systemd.is_running(os.geteuid()),
        root_writable=unified is not None and _writable(unified.mount_point),
        own_writable=own is not None and _writable(own),
    )


def _writable(directory: str) -> bool:
    return os.access(directory, os.W_OK) and os.access(f"{directory}/cgroup.procs", os.W_OK)


def _own_directory(unified: Hierarchy) -> str | None:
    """Our own v2 cgroup: the delegated one, also after a move to its leaf."""
    if unified.own is None:
        return None
    own = f"{unified.mount_point}/{unified.own}".rstrip("/")
    return own.removesuffix(f"/{LEAF}")


def escape(name: str) -> str:
    """`name` as a directory that cannot be mistaken for a file of the kernel's, nor for ours: with a "_" before it."""
    controller, dot, _ = name.partition(".")
    taken = name in KERNEL_NAMES or name.startswith("_") or (dot and controller in KERNEL_PREFIXES)
    return f"_{name}" if taken else name


def container_path(container: str, *, parent: str) -> str:
    """A container's place below the project's directory, `parent` being its cgroup_parent. Raises PycomposeError."""
    parts = [part for part in parent.split("/") if part]
    if not {".", "..", ""}.isdisjoint((*parts, container)) or "\0" in parent or "/" in container:
        raise PycomposeError(
            f"cannot make a cgroup for {container} below {parent!r}: cgroup_parent is a path without . and ..",
            hint="it is taken below the project's own cgroup",
        )
    return "/".join(map(escape, (*parts, container)))


def make_project(location: Location) -> None:
    """Make the project's directory in every hierarchy, ready for what goes below it. Raises HostError."""
    for tree in location.trees:
        _make(tree, tree.path)


def make_above(location: Location, path: str) -> None:
    """As `make_project`, with the directories above `path`, a `container_path`. Raises HostError."""
    above = path.rpartition("/")[0]
    for tree in location.trees:
        _make(tree, f"{tree.path}/{above}")


def _make(tree: Tree, path: str) -> None:
    """Make `path` below the tree's base, and let containers' cgroups be made below it."""
    for attempt in range(ROUNDS):
        try:
            _make_each(tree, path)
        except FileNotFoundError as error:
            # The last project to go takes "pycompose" along: begin again.
            if attempt == ROUNDS - 1:
                raise _cannot_make(f"{tree.base}/{path}", error) from error
        except OSError as error:
            raise _cannot_make(f"{tree.base}/{path}", error) from error
        else:
            return


def _cannot_make(directory: str, error: OSError) -> HostError:
    return HostError(f"cannot make the cgroup {directory.rstrip('/')}: {files.reason(error)}")


def _make_each(tree: Tree, path: str) -> None:
    directory = tree.base
    prepare_parent(tree, directory)
    for name in filter(None, path.split("/")):
        parent, directory = directory, f"{directory}/{name}"
        try:
            os.mkdir(directory, 0o755)
        except FileExistsError:
            pass
        prepare_new(tree, directory, parent=parent)
        prepare_parent(tree, directory)


def prepare_new(tree: Tree, directory: str, *, parent: str) -> None:
    """Make a new cgroup fit for processes: on v1 a cpuset is born empty, and takes none before it is filled."""
    if tree.version == 1 and "cpuset" in tree.controllers:
        for name in ("cpuset.cpus", "cpuset.mems"):
            exists = os.path.exists(f"{directory}/{name}")
            file = name if exists else name.removeprefix("cpuset.")  # mounted "noprefix"
            if not files.read(directory, file):
                files.write(directory, file, value=files.read(parent, file))


def prepare_parent(tree: Tree, directory: str) -> None:
    """Let cgroups below `directory` have the tree's controllers. v2 only: on v1 they always have."""
    if tree.version == 1:
        return
    enabled = files.read(directory, "cgroup.subtree_control").split()
    for controller in tree.controllers:
        if controller not in enabled:
            _enable(directory, controller)


def _enable(directory: str, controller: str) -> None:
    """Enable one controller, by itself: of several in one write, one that cannot be would take the others along.

    What cannot be enabled (not offered, threaded cgroups, realtime processes) is as good as not there: a limit that
    needs it is refused, and nothing else.
    """
    try:
        files.write(directory, "cgroup.subtree_control", value=f"+{controller}")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP):
            return
        if error.errno != errno.EBUSY:
            raise
        _move_processes_to_leaf(directory)
        files.write(directory, "cgroup.subtree_control", value=f"+{controller}")


def _move_processes_to_leaf(directory: str) -> None:
    """Empty the cgroup itself; several rounds, for what is moved may just have forked."""
    leaf = f"{directory}/{LEAF}"
    os.makedirs(leaf, exist_ok=True)
    for _ in range(ROUNDS):
        pids = files.read(directory, "cgroup.procs").split()
        if not pids:
            return
        for pid in pids:
            _move(pid, leaf)


def _move(pid: str, directory: str) -> None:
    try:
        files.write(directory, "cgroup.procs", value=pid)
    except ProcessLookupError:
        pass  # it has ended meanwhile
