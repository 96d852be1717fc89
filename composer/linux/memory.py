"""Memory that must not leave the machine's memory: memfd_create(2), sealed; mmap(2), madvise(2), mlock(2)."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os

from composer.linux.libc import call_failed, libc, libc_function

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
MAP_FAILED = ctypes.c_void_p(-1).value

_mmap = libc.mmap  # Python's own mapping does not tell its address
_mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_mmap.restype = ctypes.c_void_p
_munmap = libc_function("munmap", ctypes.c_void_p, ctypes.c_size_t)
_madvise = libc_function("madvise", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_mlock = libc_function("mlock", ctypes.c_void_p, ctypes.c_size_t)


def sealed_memory_file(name: str, content: bytes) -> int:
    """A close-on-exec descriptor of an anonymous file that nobody can change any more. Raises OSError.

    `name` is what /proc/PID/fd shows.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


def lock_file(fd: int) -> None:
    """Keep what is in a memory file from being swapped out, for as long as this process lives.

    Children inherit neither the lock nor, by MADV_DONTFORK, the mapping. Raises OSError: EPERM, ENOMEM beyond
    RLIMIT_MEMLOCK.
    """
    size = os.fstat(fd).st_size
    if not size:
        return
    address = _mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if address == MAP_FAILED:
        raise call_failed(ctypes.get_errno(), f"mmap(NULL, {size}, PROT_READ, MAP_SHARED, {fd}, 0)")
    try:
        _madvise(address, size, mmap.MADV_DONTFORK)
        _mlock(address, size)
    except OSError:
        _munmap(address, size)
        raise
