"""Mounting: mount(2), umount2(2), pivot_root(2), and the descriptor-based calls of Linux 5.2 and 5.12.

Beyond this module: what is mounted where, and in which order.

A path handed to mount(2) is resolved anew, so whoever can rename below it redirects the mount (CVE-2021-30465).
The descriptor-based calls have no such window: a mount is made detached (`fsopen` ... `fsmount`, or
`open_tree(OPEN_TREE_CLONE)`), given its attributes while nobody can see it, and attached by `move_mount` to a
descriptor from `openat2`.
"""

from __future__ import annotations

import ctypes
import errno
import os

from composer.linux.libc import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    c_string,
    libc_function,
    system_call,
)

# mount(2)
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_MANDLOCK = 0x40
MS_DIRSYNC = 0x80
MS_NOSYMFOLLOW = 0x100
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_SILENT = 0x8000
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25

# umount2(2)
MNT_FORCE = 1
MNT_DETACH = 2
MNT_EXPIRE = 4
UMOUNT_NOFOLLOW = 8

# fsmount(2), mount_setattr(2)
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR__ATIME = 0x70  # the three below as one field: clear it whole before one of them is set
MOUNT_ATTR_RELATIME = 0x0
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1

FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_SET_BINARY = 2
FSCONFIG_SET_PATH = 3
FSCONFIG_SET_PATH_EMPTY = 4
FSCONFIG_SET_FD = 5
FSCONFIG_CMD_CREATE = 6
FSCONFIG_CMD_RECONFIGURE = 7
FSCONFIG_CMD_CREATE_EXCL = 8  # Linux 6.6

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC

MOVE_MOUNT_F_SYMLINKS = 0x1
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_SYMLINKS = 0x10
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOVE_MOUNT_SET_GROUP = 0x100  # Linux 5.15
MOVE_MOUNT_BENEATH = 0x200  # Linux 6.5

Path = str | bytes | os.PathLike[str]


class mount_attr(ctypes.Structure):
    """struct mount_attr of <linux/mount.h>, its first published size."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


_mount = libc_function("mount", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_umount2 = libc_function("umount2", ctypes.c_char_p, ctypes.c_int)
_pivot_root = system_call("pivot_root", ctypes.c_char_p, ctypes.c_char_p)
_fsopen = system_call("fsopen", ctypes.c_char_p, ctypes.c_uint)
_fsconfig = system_call("fsconfig", ctypes.c_int, ctypes.c_uint, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
_fsmount = system_call("fsmount", ctypes.c_int, ctypes.c_uint, ctypes.c_uint)
_open_tree = system_call("open_tree", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_move_mount = system_call("move_mount", ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_mount_setattr = system_call(
    "mount_setattr",
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
    ctypes.POINTER(mount_attr),
    ctypes.c_size_t,
)


def mount(source: Path, target: Path, *, filesystem: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2). `data` are the file system's own options, at most a page. Raises OSError.

    A bind mount takes no attribute flag but MS_REC: the others are ignored until a second call with
    MS_BIND | MS_REMOUNT, and that one never works recursively (use `mount_setattr`).
    """
    _mount(
        c_string(source),
        c_string(target),
        c_string(filesystem) or None,
        flags,
        c_string(data) or None,
    )


def umount2(target: Path, *, flags: int = 0) -> None:
    """umount2(2). Raises OSError: EINVAL where `target` is no mount point, EBUSY where it is in use."""
    _umount2(c_string(target), flags)


def pivot_root(new_root: Path, put_old: Path) -> None:
    """pivot_root(2). Raises OSError: EINVAL where the parent mount of either is shared."""
    _pivot_root(c_string(new_root), c_string(put_old))


def fsopen(filesystem: str) -> int:
    """fsopen(2): a close-on-exec descriptor of a new, unconfigured file system. Raises OSError: ENODEV."""
    return _fsopen(c_string(filesystem), FSOPEN_CLOEXEC)


def fsconfig_set_flag(fs_fd: int, key: str) -> None:
    """Set the option `key`, which has no value, e.g. "ro". Raises OSError as all of fsconfig does, see there."""
    fsconfig(fs_fd, FSCONFIG_SET_FLAG, key=key)


def fsconfig_set_string(fs_fd: int, key: str, *, value: str | bytes) -> None:
    """Set the option `key` to `value`, up to 255 bytes."""
    fsconfig(fs_fd, FSCONFIG_SET_STRING, key=key, value=c_string(value))


def fsconfig_set_fd(fs_fd: int, key: str, *, fd: int) -> None:
    """Set the option `key` to the open file `fd`; overlay takes "lowerdir+", "upperdir" so since Linux 6.13."""
    fsconfig(fs_fd, FSCONFIG_SET_FD, key=key, aux=fd)


def fsconfig_create(fs_fd: int) -> None:
    """Make the configured file system's superblock."""
    fsconfig(fs_fd, FSCONFIG_CMD_CREATE)


def fsconfig_reconfigure(fs_fd: int) -> None:
    """Apply the configuration to the superblock that `fs_fd` already has."""
    fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE)


def fsconfig(fs_fd: int, command: int, *, key: str | None = None, value: bytes | None = None, aux: int = 0) -> None:
    """fsconfig(2). Raises OSError; what the kernel logged in the context, e.g. "overlay: No changes allowed in
    reconfigure", follows the call as further notes."""
    try:
        _fsconfig(fs_fd, command, None if key is None else c_string(key), value, aux)
    except OSError as error:
        for message in read_messages(fs_fd):
            error.add_note(message)
        raise


def read_messages(fs_fd: int) -> list[str]:
    """Take the messages the kernel keeps in an fs context, oldest first (at most eight are kept).

    Each read(2) yields one, "e overlay: text" where e is for error, w for warning and i for information.
    """
    messages: list[str] = []
    while True:
        try:
            message = os.read(fs_fd, 4096)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
            return messages
        messages.append(message.decode(errors="replace").strip())


def fsmount(fs_fd: int, *, attributes: int = 0) -> int:
    """fsmount(2): a close-on-exec descriptor of a detached mount with MOUNT_ATTR_* `attributes`."""
    return _fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes)


def open_tree(path: Path, *, dir_fd: int = AT_FDCWD, flags: int = OPEN_TREE_CLONE) -> int:
    """open_tree(2): a close-on-exec descriptor of the mount at `path`, or with OPEN_TREE_CLONE of a detached copy.

    An empty `path` means `dir_fd` itself. AT_RECURSIVE copies the mounts below as well.
    """
    encoded = c_string(path)
    return _open_tree(dir_fd, encoded, flags | OPEN_TREE_CLOEXEC | (0 if encoded else AT_EMPTY_PATH))


def move_mount(mount_fd: int, target_fd: int, *, target: Path = "", flags: int = 0) -> None:
    """move_mount(2): attach the mount `mount_fd` at `target` below `target_fd`, or at `target_fd` itself."""
    encoded = c_string(target)
    empty = MOVE_MOUNT_F_EMPTY_PATH | (0 if encoded else MOVE_MOUNT_T_EMPTY_PATH)
    _move_mount(mount_fd, b"", target_fd, encoded, flags | empty)


def mount_setattr(
    mount_fd: int,
    path: Path = "",
    *,
    set: int = 0,
    clear: int = 0,
    propagation: int = 0,
    userns_fd: int = -1,
    recursive: bool = False,
) -> None:
    """mount_setattr(2), Linux 5.12: set and clear MOUNT_ATTR_*, and set the propagation (one of MS_SHARED,
    MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE) of a mount, or of all mounts below it at once.

    An empty `path` means `mount_fd` itself. Raises OSError: EPERM for an attribute that is locked because the
    mount came from a more privileged namespace, EINVAL for two access time modes at once.
    """
    attr = mount_attr(set, clear, propagation, userns_fd if set & MOUNT_ATTR_IDMAP else 0)
    encoded = c_string(path)
    flags = (AT_RECURSIVE if recursive else 0) | (0 if encoded else AT_EMPTY_PATH)
    _mount_setattr(mount_fd, encoded, flags, attr, ctypes.sizeof(attr))
