"""Which file system a path or descriptor lives on: statfs(2).

Beyond this module: its size (os.statvfs) and its mount flags (os.fstatvfs(fd).f_flag).

A write to /proc is trusted only where that is a procfs: a volume mounted over it turns the write of a sysctl or
of a security label into a write to a file of the container's choice (CVE-2019-19921, CVE-2025-52881).
"""

from __future__ import annotations

import ctypes
import errno
import os

from composer.linux.libc import c_string, call_failed, libc_function

# <linux/magic.h>
BTRFS_SUPER_MAGIC = 0x9123683E
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270
DEVPTS_SUPER_MAGIC = 0x1CD1
EXT4_SUPER_MAGIC = 0xEF53
FUSE_SUPER_MAGIC = 0x65735546
NFS_SUPER_MAGIC = 0x6969
NSFS_MAGIC = 0x6E736673
OVERLAYFS_SUPER_MAGIC = 0x794C7630
PROC_SUPER_MAGIC = 0x9FA0
RAMFS_MAGIC = 0x858458F6
SYSFS_MAGIC = 0x62656572
TMPFS_MAGIC = 0x01021994
XFS_SUPER_MAGIC = 0x58465342

SIZE_OF_STRUCT_STATFS = 120  # bytes, on every 64-bit architecture

_statfs = libc_function("statfs", ctypes.c_char_p, ctypes.c_char_p)
_fstatfs = libc_function("fstatfs", ctypes.c_int, ctypes.c_char_p)


def filesystem_magic(where: int | str | bytes | os.PathLike[str]) -> int:
    """The magic number of the file system of a descriptor (O_PATH will do) or path. Raises OSError."""
    buffer = ctypes.create_string_buffer(SIZE_OF_STRUCT_STATFS)
    if isinstance(where, int):
        _fstatfs(where, buffer)
    else:
        _statfs(c_string(where), buffer)
    return ctypes.c_long.from_buffer(buffer).value  # f_type is the first member


def require_magic(fd: int, magic: int) -> None:
    """Raises OSError EXDEV where `fd` lives on another file system than `magic` says."""
    found = filesystem_magic(fd)
    if found != magic:
        raise call_failed(errno.EXDEV, f"fstatfs({fd}): file system {found:#x}, not {magic:#x}")
