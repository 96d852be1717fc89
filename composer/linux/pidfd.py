"""Processes as descriptors: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2) and PIDFD_GET_INFO.

Beyond this module: waiting. A pidfd is readable once its process has ended, for any poll(2); a parent reaps with
os.waitid(os.P_PIDFD, ...). `os.pidfd_open` and `signal.pidfd_send_signal` exist only where Python was built with
new enough headers, hence the calls themselves.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import struct

from composer.linux.libc import system_call

PIDFD_THREAD = 0o200  # O_EXCL, Linux 6.9

# _IOWR(0xFF, 11, struct pidfd_info) of <linux/pidfd.h>, and the struct's first published size
PIDFD_GET_INFO = 0xC040FF0B
PIDFD_INFO = struct.Struct("=QQ11Ii")  # mask, cgroupid, pid, tgid, ppid, four uids and gids by turns, exit_code
PIDFD_INFO_EXIT = 1 << 3  # Linux 6.15

_pidfd_open = system_call("pidfd_open", ctypes.c_int, ctypes.c_uint)
_pidfd_send_signal = system_call("pidfd_send_signal", ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
_pidfd_getfd = system_call("pidfd_getfd", ctypes.c_int, ctypes.c_int, ctypes.c_uint)


def pidfd_open(pid: int, *, flags: int = 0) -> int:
    """pidfd_open(2): a close-on-exec descriptor of process `pid`. Raises OSError: ESRCH.

    For a process that is not our own child the pid may be another's by now: compare its start time afterwards.
    """
    return _pidfd_open(pid, flags)


def pidfd_send_signal(pidfd: int, signal_number: int) -> None:
    """pidfd_send_signal(2); 0 sends nothing and only looks. Raises OSError: ESRCH once reaped, EPERM."""
    _pidfd_send_signal(pidfd, signal_number, None, 0)


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """pidfd_getfd(2): a close-on-exec copy of descriptor `fd` of that process. Raises OSError: EBADF, EPERM."""
    return _pidfd_getfd(pidfd, fd, 0)


def wait_status(pidfd: int) -> int | None:
    """The wait status (for os.waitstatus_to_exitcode) of a process that was reaped, by whomever.

    It needs no parenthood, only a pidfd from before the reaping, so it outlives the parent. None where the
    process is not reaped yet or the kernel, older than 6.15, does not keep it.
    """
    buffer = bytearray(PIDFD_INFO.pack(PIDFD_INFO_EXIT, *(0,) * 13))
    try:
        fcntl.ioctl(pidfd, PIDFD_GET_INFO, buffer)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.ESRCH):
            return None
        error.add_note(f"ioctl({pidfd}, PIDFD_GET_INFO)")
        raise
    mask, *_, exit_code = PIDFD_INFO.unpack(buffer)
    return exit_code if mask & PIDFD_INFO_EXIT else None
