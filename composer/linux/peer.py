"""The process at the other end of a Unix socket: SO_PEERPIDFD and SO_PEERCRED, socket(7) and unix(7).

The end of file tells that nobody has the other end any more. A process that was killed may have left a fork that has
it still, and that does not run: in a frozen cgroup, or stopped. Only the process itself then tells.
"""

from __future__ import annotations

import errno
import select
import socket
import struct

from composer.linux.pidfd import pidfd_open

SO_PEERPIDFD = 77  # Linux 6.5
UCRED = struct.Struct("=iII")  # pid, uid, gid


def open_peer(sock: socket.socket) -> int | None:
    """A pidfd of who connected, who listens, or who made the pair; None once it is gone. Raises OSError.

    Before Linux 6.5 the pid may be another's by now.
    """
    try:
        return sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        if error.errno != errno.ENOPROTOOPT:
            raise
    pid, _, _ = UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    try:
        return pidfd_open(pid)
    except ProcessLookupError:
        return None


def has_ended(pidfd: int) -> bool:
    """Whether the process of a pidfd has ended, be it reaped or not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
