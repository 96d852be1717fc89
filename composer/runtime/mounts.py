"""Mounts of a container: binds, tmpfs and the kernel's file systems, made detached and then attached by descriptor.

A mount is finished (attributes, propagation) before it can be seen, and attached to a destination that openat2(2) has
resolved inside the container's root: no path is looked up twice, and no symbolic link of the image or of a
volume that others write to leads out of it (CVE-2021-30465).

Beyond this module: the order (rootfs).
"""

from __future__ import annotations

import errno
import os
import stat

from composer.errors import HostError
from composer.linux.libc import AT_RECURSIVE
from composer.linux.mount import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    OPEN_TREE_CLONE,
    fsconfig_create,
    fsconfig_set_flag,
    fsconfig_set_string,
    fsmount,
    fsopen,
    mount_setattr,
    move_mount,
    open_tree,
)
from composer.linux.openat2 import RESOLVE_NO_SYMLINKS, make_directories, make_file, openat2
from composer.linux.statfs import PROC_SUPER_MAGIC, filesystem_magic
from composer.runtime import idmaps
from composer.runtime.idmaps import UserNamespaces
from composer.spec.mounts import Bind, Filesystem, Mount, Propagation, Recursion, Tmpfs

ATTRIBUTES = {
    "ro": MOUNT_ATTR_RDONLY,
    "nosuid": MOUNT_ATTR_NOSUID,
    "nodev": MOUNT_ATTR_NODEV,
    "noexec": MOUNT_ATTR_NOEXEC,
    "strictatime": MOUNT_ATTR_STRICTATIME,
    "rw": 0,
    "suid": 0,
    "dev": 0,
    "exec": 0,
    "relatime": 0,
}
PROPAGATIONS = {  # flag of mount_setattr, whether for the whole tree
    Propagation.PRIVATE: (MS_PRIVATE, False),
    Propagation.RPRIVATE: (MS_PRIVATE, True),
    Propagation.SLAVE: (MS_SLAVE, False),
    Propagation.RSLAVE: (MS_SLAVE, True),
    Propagation.SHARED: (MS_SHARED, False),
    Propagation.RSHARED: (MS_SHARED, True),
}
LXCFS = "cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo sys/kernel/ns_last_pid sys/crypto/fips_enabled"
BELOW_PROC = frozenset(f"/proc/{name}" for name in LXCFS.split())  # a mount on anything else there makes /proc lie
KERNEL_DIRECTORIES = ("/proc", "/sys")
TMPFS_OF_DEV = (("mode", "755"), ("size", "65536k"))


def refuse_unsafe(mounts: tuple[Mount, ...]) -> None:
    """Raises HostError for a target that must not be, or a source that is not there: before anything is made."""
    for mount in mounts:
        target = os.path.normpath(mount.target)
        if not target.startswith("/") or target == "/":
            raise HostError(f"cannot mount on {mount.target!r}: a target is an absolute path below /")
        if target.startswith("/proc/") and target not in BELOW_PROC:
            raise HostError(f"cannot mount on {target}: nothing may be mounted inside /proc")
        if isinstance(mount, Bind) and not mount.create_source and not os.path.lexists(mount.source):
            raise HostError(f"cannot bind {mount.source} on {target}: {mount.source} does not exist")


def open_bind(bind: Bind, namespaces: UserNamespaces) -> int:
    """The source of a bind as a detached mount with its attributes, while the host's mounts are still in sight.

    `namespaces` are those of `idmaps.opened`.
    """
    whole_tree = bind.recursion is not Recursion.DISABLED
    tree_fd = open_tree(bind.source, flags=OPEN_TREE_CLONE | (AT_RECURSIVE if whole_tree else 0))
    if bind.target == "/proc" and filesystem_magic(tree_fd) != PROC_SUPER_MAGIC:
        raise HostError(f"cannot bind {bind.source} on /proc: it is no procfs")
    if bind.read_only:
        deep = bind.recursion in (Recursion.ENABLED, Recursion.READONLY)
        mount_setattr(tree_fd, set=MOUNT_ATTR_RDONLY, recursive=deep)
    idmaps.apply(tree_fd, bind, namespaces, recursive=whole_tree)
    flag, deep = PROPAGATIONS[bind.propagation]
    mount_setattr(tree_fd, propagation=flag, recursive=deep)
    return tree_fd


def attach(tree_fd: int, root_fd: int, target: str) -> None:
    """Attach a detached mount at `target` inside `root_fd`, made as a file or directory where it is missing."""
    is_directory = stat.S_ISDIR(os.fstat(tree_fd).st_mode)
    place_fd = (make_directories if is_directory else make_file)(root_fd, target)
    try:
        _refuse_proc(place_fd, target)
        move_mount(tree_fd, place_fd)
    finally:
        os.close(place_fd)


def _refuse_proc(place_fd: int, target: str) -> None:
    """A link of the image can lead a harmless target into /proc: look at where it has come to."""
    if target not in BELOW_PROC and target != "/proc" and filesystem_magic(place_fd) == PROC_SUPER_MAGIC:
        raise HostError(f"cannot mount on {target}: it leads into /proc")


def new_tmpfs(options: tuple[tuple[str, str], ...], *, attributes: int) -> int:
    """A detached tmpfs."""
    return new_filesystem("tmpfs", options, attributes=attributes)


def new_filesystem(kind: str, options: tuple[tuple[str, str], ...], *, attributes: int) -> int:
    """A detached mount of a file system that lives in the kernel."""
    fs_fd = fsopen(kind)
    try:
        fsconfig_set_string(fs_fd, "source", value=kind)
        for key, value in options:
            if value:
                fsconfig_set_string(fs_fd, key, value=value)
            else:
                fsconfig_set_flag(fs_fd, key)
        fsconfig_create(fs_fd)
        return fsmount(fs_fd, attributes=attributes)
    finally:
        os.close(fs_fd)


def new_dev() -> int:
    """The detached tmpfs of /dev, still empty."""
    return new_tmpfs(TMPFS_OF_DEV, attributes=MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME)


def open_tmpfs(mount: Tmpfs) -> int:
    """A detached tmpfs as the spec wants it."""
    options = [("mode", f"{mount.mode:o}")]
    numbers = (("size", mount.size), ("nr_inodes", mount.nr_inodes), ("uid", mount.uid), ("gid", mount.gid))
    for key, value in numbers:
        if value is not None:
            options.append((key, str(value)))
    attributes = MOUNT_ATTR_RDONLY if mount.read_only else 0
    for allowed, flag in (
        (mount.exec, MOUNT_ATTR_NOEXEC),
        (mount.suid, MOUNT_ATTR_NOSUID),
        (mount.dev, MOUNT_ATTR_NODEV),
    ):
        attributes |= 0 if allowed else flag
    return new_tmpfs(tuple(options), attributes=attributes)


def attributes_of(options: tuple[str, ...]) -> int:
    """MOUNT_ATTR_* of mount flags by their names. Raises HostError for one that there is not."""
    attributes = 0
    for option in options:
        if option not in ATTRIBUTES:
            raise HostError(f"cannot mount with option {option!r}: there is {', '.join(ATTRIBUTES)}")
        attributes |= ATTRIBUTES[option]
    return attributes


def open_filesystem(mount: Filesystem) -> int:
    """A detached mount of one of the kernel's file systems, in the namespaces of the caller."""
    pairs = tuple(part.partition("=") for part in mount.data.split(",") if part)
    # Every devpts is a new instance since Linux 4.7, and the descriptor-based calls do not know the old option.
    options = tuple((key, value) for key, _, value in pairs if key != "newinstance")
    return new_filesystem(mount.type, options, attributes=attributes_of(mount.options))


def attach_kernel_filesystem(tree_fd: int, root_fd: int, target: str) -> None:
    """`attach` for /proc and /sys: they must come to be where they are looked for, not behind a link of the image."""
    if target not in KERNEL_DIRECTORIES:
        attach(tree_fd, root_fd, target)
        return
    os.close(make_directories(root_fd, target))
    name = target.lstrip("/")
    try:
        place_fd = openat2(name, os.O_PATH | os.O_DIRECTORY, dir_fd=root_fd, resolve=RESOLVE_NO_SYMLINKS)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise HostError(f"cannot mount {target}: in the root file system it is a symbolic link") from error
    move_mount(tree_fd, place_fd)
    os.close(place_fd)
