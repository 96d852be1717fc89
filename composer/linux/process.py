"""The calling process before its execve.

Beyond this module: which process is which (`identity`), privileges (`prctl`, `capability`, `seccomp`), and descriptors
of processes (`pidfd`).
"""

from __future__ import annotations

import ctypes
import os

from composer.linux.identity import stat_field
from composer.linux.libc import libc, libc_function, system_call

CLOSE_RANGE_UNSHARE = 2
CLOSE_RANGE_CLOEXEC = 4  # Linux 5.11
LAST_FD = 2**32 - 1

# <linux/personality.h>: the execution domains that Docker's seccomp profile lets through
PER_LINUX = 0x0000
PER_LINUX32 = 0x0008
UNAME26 = 0x0020000
QUERY_PERSONALITY = 0xFFFFFFFF

SIG_SETMASK = 2
LAST_SIGNAL = 64
LIBRARY_SIGNALS = (32, 33)  # the C library's own (SIGCANCEL, SIGSETXID of nptl(7)): it refuses to touch them
SIZE_OF_KERNEL_SIGSET_T = 8  # bytes
DEFAULT_ACTION = bytes(32)  # struct kernel_sigaction: SIG_DFL, no flags, an empty mask
SIZE_OF_SIGSET_T = 128  # bytes, of the C library; the kernel uses the first eight

COMMAND_LINE_FIELDS = (48, 49)  # arg_start, arg_end: of /proc/PID/stat, proc_pid_stat(5), counted from 1

_close_range = system_call("close_range", ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)
_personality = libc_function("personality", ctypes.c_ulong)
_sigprocmask = libc_function("sigprocmask", ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_rt_sigaction = system_call("rt_sigaction", ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_signal = libc["signal"]
_signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
_signal.restype = ctypes.c_void_p


def close_range(first: int, last: int = LAST_FD, *, flags: int = 0) -> None:
    """close_range(2), Linux 5.9: close the descriptors `first` to `last`, or mark them (CLOSE_RANGE_CLOEXEC).

    Marking is not enough before an execve in a container: /proc/self/fd/N can name a marked descriptor as the
    working directory or as the file to execute (CVE-2024-21626).
    """
    _close_range(first, last, flags)


def reset_signals() -> None:
    """Give every signal its default action and unblock all of them: what a program expects of its parent.

    execve keeps ignored signals ignored, and Python ignores SIGPIPE and SIGXFSZ: without this a container's
    `yes | head` never ends. The C library is called and not `signal.signal`, which knows only its own handlers
    and costs ten times as much. Its own two signals are ignored in whatever posix_spawn(3) of glibc started, as
    make(1) does, and only the kernel will give them back.
    """
    for number in range(1, LAST_SIGNAL + 1):
        _signal(number, None)  # fails for SIGKILL and SIGSTOP, which is right, and for the library's own
    for number in LIBRARY_SIGNALS:
        _rt_sigaction(number, DEFAULT_ACTION, None, SIZE_OF_KERNEL_SIGSET_T)
    _sigprocmask(SIG_SETMASK, bytes(SIZE_OF_SIGSET_T), None)


def personality(persona: int) -> int:
    """personality(2): set the execution domain, return the one before; QUERY_PERSONALITY only asks."""
    return _personality(persona)


def command_line_area() -> tuple[int, int]:
    """Where in its memory this process, and every fork of it, has what /proc/PID/cmdline shows: (address, length)."""
    start, end = (stat_field(os.getpid(), number) for number in COMMAND_LINE_FIELDS)
    return start, end - start


def set_command_line(area: tuple[int, int], text: bytes) -> None:
    """Show `text` in /proc/PID/cmdline, cut to the length there is. `area` is what `command_line_area` said."""
    address, length = area
    ctypes.memmove(address, text[: length - 1].ljust(length, b"\0"), length)
