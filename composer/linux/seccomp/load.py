"""Puts a compiled filter into force: seccomp(2).

Beyond this module: the program (`compile`) and no_new_privs (`prctl.set_no_new_privs`), which the kernel asks
for where the caller lacks CAP_SYS_ADMIN. Without no_new_privs the filter must therefore be loaded before the
capabilities go, with it as late as possible, so that the filter need not allow what comes in between.
"""

from __future__ import annotations

import ctypes

from composer.linux.libc import system_call

SECCOMP_SET_MODE_FILTER = 1
SIZE_OF_INSTRUCTION = 8  # bytes, struct sock_filter


class sock_fprog(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


_seccomp = system_call("seccomp", ctypes.c_uint, ctypes.c_uint, ctypes.POINTER(sock_fprog))


def load(program: bytes) -> None:
    """Filter the calling thread and all its future children by `program`. Cannot be undone.

    Raises OSError: EACCES without CAP_SYS_ADMIN and without no_new_privs, EINVAL for a program that the kernel's
    checker refuses, ENOMEM where the filters of one thread exceed 32768 instructions.
    """
    _seccomp(SECCOMP_SET_MODE_FILTER, 0, sock_fprog(len(program) // SIZE_OF_INSTRUCTION, program))
