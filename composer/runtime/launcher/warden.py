"""Keeps a supervisor running: starts it, and starts it again with growing delays when it dies.

    launcher                                   supervisor
    socketpair ──── one end, inherited ──────► fd number is its last argument
    fork, execve ────────────────────────────► a fresh interpreter, which forks nothing
    pidfd readable: it has ended
      exit status 0: nothing is left to supervise
      anything else: again, after a delay

What happens between two supervisors is not lost: containers write into FIFOs that the launcher holds open, and
their ends are told after each Hello.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from composer.linux.pidfd import pidfd_open
from composer.linux.process import reset_signals
from composer.runtime.launcher.backoff import Backoff
from composer.runtime.launcher.loop import Loop

NOT_EXECUTED = 127


class Warden:
    """One supervisor at a time."""

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        loop: Loop,
        connect: Callable[[socket.socket], None],
        log: Callable[[str], None],
        done: Callable[[], None],
    ) -> None:
        """`connect` gets the launcher's end of each new supervisor's socket, `done` is called when one has ended
        saying that nothing is left to do."""
        self._argv = argv
        self._loop = loop
        self._connect = connect
        self._log = log
        self._done = done
        self._backoff = Backoff()

    def start(self) -> None:
        """Start a supervisor."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            self._execute(theirs.fileno())
        theirs.close()
        self._backoff.began()
        pidfd = pidfd_open(pid)
        self._loop.watch(pidfd, lambda: self._bury(pid, pidfd))
        self._connect(ours)

    def _execute(self, fd: int) -> None:
        try:
            os.set_inheritable(fd, True)
            reset_signals()
            os.execv(self._argv[0], [*self._argv, str(fd)])
        finally:  # a second launcher must not live on
            os._exit(NOT_EXECUTED)

    def _bury(self, pid: int, pidfd: int) -> None:
        self._loop.unwatch(pidfd)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        if status == 0:
            self._done()
            return
        code, delay = os.waitstatus_to_exitcode(status), self._backoff.next()
        self._log(f"supervisor {pid} ended with {code}; the next one starts in {delay:.1f} s")
        self._loop.call_later(delay, self.start)
