"""Pseudo-terminals of a given devpts instance.

Beyond this module: raw mode and window sizes, which the standard library has (termios.tcgetwinsize and
tcsetwinsize, tty.setraw).

A container's terminal is opened through its own devpts while the container may already have prepared traps
there: /dev/pts/N could be a link. The peer is therefore asked of the master (TIOCGPTPEER, Linux 4.13) and no
path is involved (CVE-2025-52565).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

from composer.linux.libc import call_failed
from composer.linux.statfs import DEVPTS_SUPER_MAGIC, require_magic

PTMX_DEVICE = os.makedev(5, 2)
PTMX_INODE = 2  # in every devpts

TIOCSPTLCK = 0x40045431
TIOCGPTN = 0x80045430
TIOCGPTPEER = 0x5441


def open_pty(devpts_fd: int) -> tuple[int, int]:
    """A new (master, peer) of the devpts whose root directory is `devpts_fd`, both close-on-exec.

    Neither becomes anybody's controlling terminal. Raises OSError: EXDEV where that is no devpts, ENODEV where
    its ptmx is no ptmx, ENOSPC at the limit of /proc/sys/kernel/pty/max.
    """
    require_magic(devpts_fd, DEVPTS_SUPER_MAGIC)
    master = os.open("ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW, dir_fd=devpts_fd)
    try:
        _require_ptmx(master)
        fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
        return master, fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        os.close(master)
        raise


def _require_ptmx(fd: int) -> None:
    status = os.fstat(fd)
    if (status.st_rdev, status.st_ino) != (PTMX_DEVICE, PTMX_INODE):
        raise call_failed(errno.ENODEV, f"fstat({fd}): not the ptmx of a devpts")


def pty_number(master: int) -> int:
    """The N of the peer's name /dev/pts/N."""
    answer = fcntl.ioctl(master, TIOCGPTN, bytes(4))
    number: int = struct.unpack("I", answer)[0]
    return number


def set_controlling_terminal(fd: int) -> None:
    """Make terminal `fd` the controlling one of the calling session leader. Raises OSError: EPERM for another."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
