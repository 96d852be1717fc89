"""syncfs(2): what was written to a file system is on its disk. Beyond this module: when that is worth the wait."""

from __future__ import annotations

import ctypes

from composer.linux.libc import libc_function

_syncfs = libc_function("syncfs", ctypes.c_int)


def syncfs(descriptor: int) -> None:
    """syncfs(2): wait until the file system that `descriptor` is on has written all its data. Raises OSError."""
    _syncfs(descriptor)
