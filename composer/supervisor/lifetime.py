"""A project's supervisors one at a time: a lock that its process has from before it adopts until it ends.

    launcher           supervisor                    next launcher        next supervisor
    fork ────────────► has the lock
    killed             adopts, by the Hello that     fork ──────────────► the lock is taken: waits
                       was sent before the kill
                       sees the end of file, leaves:
                       the lock is free ────────────────────────────────► adopts

Of two at once both would read the pipes, write the records and start again what has ended; and the one that leaves
would take the other's socket with it, so that no command finds it.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket

import anyio

from composer.linux import peer
from composer.linux.prctl import set_pdeathsig
from composer.log import Log


def is_called(descriptor: int) -> bool:
    """Wait for the launcher's first word; whether there is one. For a supervisor that is there before it is needed."""
    anyio.run(anyio.sleep, 0)  # has its event loop imported
    with socket.socket(fileno=os.dup(descriptor)) as launcher:
        return bool(launcher.recv(1, socket.MSG_PEEK))


def acquire(path: str, *, launcher: socket.socket, log: Log) -> int | None:
    """Wait until the supervisor before this one has ended; the lock's descriptor, to be left open.

    None if the launcher is gone, and with it the reason to be the next one. Raises FileNotFoundError: so is the
    project's directory.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waits until the supervisor before this one has left")
        set_pdeathsig(signal.SIGKILL)  # of the launcher: its successor has a supervisor of its own wait here
        if not _is_gone(launcher):
            fcntl.flock(lock, fcntl.LOCK_EX)
        set_pdeathsig(0)
    if not os.fstat(lock).st_nlink:
        raise FileNotFoundError(path)  # it was swept away with everything else: this is the lock of nothing
    return None if _is_gone(launcher) else lock


def _is_gone(launcher: socket.socket) -> bool:
    """Whether it has ended, or closed its end, whatever can still be read from before that."""
    poll = select.poll()
    poll.register(launcher, 0)
    if poll.poll(0):  # POLLHUP, which need not be asked for
        return True
    pidfd = peer.open_peer(launcher)
    if pidfd is None:
        return True
    try:
        return peer.has_ended(pidfd)
    finally:
        os.close(pidfd)
