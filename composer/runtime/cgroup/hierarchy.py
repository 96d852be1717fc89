"""Which cgroup hierarchies this host has mounted, with which controllers, and where this process is in them.

Beyond this module: which of them are used, and where in them (location). `parse` is pure; `observe` reads /proc.

A controller belongs to exactly one hierarchy, v1 or v2. On v1 each hierarchy has a fixed set of controllers and may
be mounted anywhere, in part (bind mounts, containers) or not at all. /proc/self/cgroup knows the sets, and
/proc/self/mountinfo (proc_pid_mountinfo(5)) the places; names of directories mean nothing.
"""

from __future__ import annotations

from composer.frozen import frozen, replace
from composer.hints import Iterator
from composer.runtime.cgroup import files

UNIFIED = "unified"  # the name of the v2 hierarchy among the v1 ones


@frozen
class Hierarchy:
    """One mounted tree of cgroups, as far as this process can see it."""

    version: int
    controllers: tuple[str, ...]  # v1: also "name=systemd" and its like; v2: those its visible root offers
    mount_point: str
    own: str | None  # this process's cgroup below the mount point, "" for that itself; None: not below it

    @property
    def name(self) -> str:
        """ "memory", "cpu,cpuacct", "name=systemd" or "unified"."""
        return UNIFIED if self.version == 2 else ",".join(self.controllers)


@frozen
class Hierarchies:
    """All of them: v1 in the kernel's order, v2 last."""

    mounted: tuple[Hierarchy, ...] = ()

    @property
    def unified(self) -> Hierarchy | None:
        return next((hierarchy for hierarchy in self.mounted if hierarchy.version == 2), None)

    @property
    def hybrid(self) -> bool:
        """Whether v1 controllers and a v2 tree are mounted side by side."""
        return {hierarchy.version for hierarchy in self.mounted} == {1, 2}

    def of(self, controller: str) -> Hierarchy | None:
        """The hierarchy that has `controller`."""
        return next((hierarchy for hierarchy in self.mounted if controller in hierarchy.controllers), None)


def observe() -> Hierarchies:
    """The hierarchies that this process sees. Raises OSError."""
    hierarchies = parse(mountinfo=_read("/proc/self/mountinfo"), cgroup=_read("/proc/self/cgroup"))
    unified = hierarchies.unified
    if unified is None:
        return hierarchies
    return with_controllers(hierarchies, files.read_optional(unified.mount_point, "cgroup.controllers") or "")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def with_controllers(hierarchies: Hierarchies, text: str) -> Hierarchies:
    """The same with `text`, a cgroup.controllers file, as what the v2 tree offers."""
    offered = tuple(text.split())
    return Hierarchies(
        tuple(replace(one, controllers=offered) if one.version == 2 else one for one in hierarchies.mounted)
    )


def parse(*, mountinfo: str, cgroup: str) -> Hierarchies:
    """What /proc/self/mountinfo and /proc/self/cgroup say together; the v2 tree's controllers are not in them."""
    mounts = tuple(_cgroup_mounts(mountinfo))
    memberships = sorted(_memberships(cgroup), key=lambda it: it.hierarchy_id or 1 << 30)
    found = (_mounted(membership, mounts) for membership in memberships)
    return Hierarchies(tuple(hierarchy for hierarchy in found if hierarchy is not None))


@frozen
class _Mount:
    version: int
    root: str  # the cgroup that is at the mount point, as seen from our cgroup namespace
    point: str
    read_only: bool
    super_options: frozenset[str]


def _cgroup_mounts(mountinfo: str) -> Iterator[_Mount]:
    """36 35 98:0 ROOT POINT OPTIONS optional-fields... - TYPE SOURCE SUPER-OPTIONS"""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not separator or len(fields) < 6 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        yield _Mount(
            version=2 if kind[0] == "cgroup2" else 1,
            root=_unescaped(fields[3]),
            point=_unescaped(fields[4]),
            read_only="ro" in fields[5].split(","),
            super_options=frozenset(kind[2].split(",")),
        )


def _unescaped(field: str) -> str:
    """A mountinfo field with its \\040, \\011, \\012 and \\134 as the characters they stand for."""
    for character in " \t\n\\":
        field = field.replace(f"\\{ord(character):03o}", character)
    return field


@frozen
class _Membership:
    hierarchy_id: int  # 0 is v2
    controllers: tuple[str, ...]
    path: str


def _memberships(cgroup: str) -> Iterator[_Membership]:
    """ID:CONTROLLERS:PATH; the path may hold colons, and ends in " (deleted)" where its directory is gone."""
    for line in cgroup.splitlines():
        number, controllers, path = line.split(":", 2)
        yield _Membership(int(number), tuple(filter(None, controllers.split(","))), path)


def _mounted(membership: _Membership, mounts: tuple[_Mount, ...]) -> Hierarchy | None:
    version = 2 if membership.hierarchy_id == 0 else 1
    candidates = [
        (mount.read_only, _below(mount.root, membership.path), mount)
        for mount in mounts
        if mount.version == version and (version == 2 or mount.super_options.issuperset(membership.controllers))
    ]
    if not candidates:
        return None
    # Of several mounts of one hierarchy, the most useful is writable and shows our own cgroup.
    _, own, mount = min(candidates, key=lambda it: (it[0], it[1] is None))
    return Hierarchy(version, membership.controllers, mount.point, own)


def _below(root: str, path: str) -> str | None:
    """`path` relative to `root`, where it is below it; ".." is somewhere outside of our cgroup namespace."""
    if root == "/":
        return None if path.startswith("/..") else path.lstrip("/")
    if path == root:
        return ""
    return path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else None
