"""Device nodes: those that every container has in /dev, and those it asks for.

Nodes of the host are looked at by the parent (`find`), made by the child (`populate`, `make`). /dev is a tmpfs that
was mounted a moment before, and the default nodes are made relative to its descriptor: a /dev of the image that is a
symbolic link must not lead us to make nodes on the host (CVE-2026-41579).

Beyond this module: the allow-list, which says whether a node can be opened (cgroup).
"""

from __future__ import annotations

import os
import stat

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.openat2 import make_directories
from composer.runtime.road import about
from composer.spec.container import Device

DEFAULT_NODES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
)
MOUNT_POINTS = ("pts", "shm", "mqueue")
NOT_SHARED = frozenset(
    {"pts", "shm", "fd", "mqueue", "console", "ptmx", ".udev", ".lxc", ".lxd-mounts"}
)  # of the host's /dev


@frozen
class Node:
    """A device node to be made: its type and permissions, number, owner."""

    target: str
    mode: int  # st_mode
    number: int  # st_rdev
    uid: int
    gid: int


def expand(devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """The same with every directory (/dev/snd) replaced by the nodes in it. Raises HostError."""
    return tuple(one for device in devices for one in _expanded(device))


def _expanded(device: Device) -> Iterator[Device]:
    try:
        mode = os.stat(device.source).st_mode
    except OSError as error:
        raise HostError(f"cannot add device {device.source}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        for path in _nodes_below(device.source):
            yield Device(path, device.target + path.removeprefix(device.source), device.access)
    elif _is_device(mode):
        yield device
    else:
        raise HostError(f"cannot add device {device.source}: it is not a device node")


def find(devices: tuple[Device, ...], *, privileged: bool) -> tuple[Node, ...]:
    """The nodes to be made beside the default ones; with `privileged` all that the host has. Raises OSError."""
    everything = tuple(Device(path, path) for path in _nodes_below("/dev")) if privileged else ()
    nodes = {device.target: _node(device) for device in (*everything, *devices)}
    default = {f"/dev/{name}" for name, _, _ in DEFAULT_NODES}
    return tuple(node for target, node in nodes.items() if target not in default)


def _nodes_below(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name in NOT_SHARED:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _nodes_below(entry.path)
            elif not entry.is_file(follow_symlinks=False) and _is_device(entry.stat(follow_symlinks=False).st_mode):
                yield entry.path


def _is_device(mode: int) -> bool:
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _node(device: Device) -> Node:
    status = os.stat(device.source)
    return Node(device.target, status.st_mode, status.st_rdev, status.st_uid, status.st_gid)


def populate(dev_fd: int) -> None:
    """Make the default nodes, links and mount points in `dev_fd`, a tmpfs of our own."""
    for name, major, minor in DEFAULT_NODES:
        with about(f"/dev/{name}"):
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev_fd)
    for name, target in LINKS:
        os.symlink(target, name, dir_fd=dev_fd)
    for name in MOUNT_POINTS:
        os.mkdir(name, 0o755, dir_fd=dev_fd)


def make(root_fd: int, node: Node) -> None:
    """Make one node inside the container's root. Raises OSError, FileExistsError where something else is there."""
    above, _, name = node.target.rpartition("/")
    parent_fd = make_directories(root_fd, above)
    try:
        _make_at(parent_fd, name, node)
    finally:
        os.close(parent_fd)


def _make_at(parent_fd: int, name: str, node: Node) -> None:
    try:
        os.mknod(name, node.mode, node.number, dir_fd=parent_fd)
    except FileExistsError:
        status = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        if (stat.S_IFMT(status.st_mode), status.st_rdev) != (stat.S_IFMT(node.mode), node.number):
            raise
    os.chown(name, node.uid, node.gid, dir_fd=parent_fd, follow_symlinks=False)
