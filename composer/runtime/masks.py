"""What a container must not see or change: masked paths, read-only paths.

A masked file is covered by the null device, a masked directory by an empty read-only tmpfs; one tmpfs serves all.
A path that is not there needs no mask. Targets are resolved inside the container's root and opened before anything is
put over them; the null device is checked to be one by its number (CVE-2025-31133).
"""

from __future__ import annotations

import errno
import os
import stat

from composer.hints import Iterable
from composer.linux.libc import AT_RECURSIVE, call_failed
from composer.linux.mount import (
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLONE,
    mount_setattr,
    move_mount,
    open_tree,
)
from composer.linux.openat2 import open_in_root
from composer.runtime.mounts import new_tmpfs
from composer.runtime.road import about

NULL_DEVICE = os.makedev(1, 3)
NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
EMPTY_TMPFS = (("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "755"))


def mask_all(root_fd: int, paths: Iterable[str], *, null_fd: int) -> None:
    """Cover each of `paths` that is there. `null_fd` is the host's null device (O_PATH)."""
    if os.fstat(null_fd).st_rdev != NULL_DEVICE or not stat.S_ISCHR(os.fstat(null_fd).st_mode):
        raise call_failed(errno.ENODEV, "fstat(/dev/null): not the null device")
    empty_fd = None
    for path in dict.fromkeys(paths):
        with about(path):
            target_fd = _open_existing(root_fd, path)
            if target_fd is None:
                continue
            if not stat.S_ISDIR(os.fstat(target_fd).st_mode):
                cover_fd = open_tree("", dir_fd=null_fd)
            elif empty_fd is None:
                cover_fd = empty_fd = new_tmpfs(EMPTY_TMPFS, attributes=MOUNT_ATTR_RDONLY)
            else:
                cover_fd = open_tree("", dir_fd=empty_fd)  # a copy: the first one is attached by now
            move_mount(cover_fd, target_fd)
            os.close(target_fd)


def make_read_only(root_fd: int, paths: Iterable[str]) -> None:
    """Make the tree at each of `paths` that is there read-only: a copy of its mounts keeps their other attributes."""
    for path in dict.fromkeys(paths):
        with about(path):
            target_fd = _open_existing(root_fd, path)
            if target_fd is None:
                continue
            tree_fd = open_tree("", dir_fd=target_fd, flags=OPEN_TREE_CLONE | AT_RECURSIVE)
            mount_setattr(tree_fd, set=MOUNT_ATTR_RDONLY, recursive=True)
            move_mount(tree_fd, target_fd)
            os.close(tree_fd)
            os.close(target_fd)


def _open_existing(root_fd: int, path: str) -> int | None:
    try:
        return open_in_root(root_fd, path)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
