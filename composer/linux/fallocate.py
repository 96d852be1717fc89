"""fallocate(2): giving room back at the beginning of a file that others append to and read."""

from __future__ import annotations

import ctypes

from composer.linux.libc import libc_function

FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2

_fallocate = libc_function("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Give back so many bytes of a file, which are zeros from then on; its size and what follows stay as they are.

    Raises OSError: EOPNOTSUPP on a file system that cannot.
    """
    _fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length)
