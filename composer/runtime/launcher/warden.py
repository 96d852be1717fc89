"""Keeps a supervisor running: starts it, and starts it again with growing delays when it dies.

    launcher                                   supervisor
    socketpair ──── one end, inherited ──────► fd number is its last argument but "held"
    fork ────────────────────────────────────► the first one goes on with what is imported already; the others
                                               execute, as our files may have been replaced. It forks nothing
    pidfd readable: it has ended
      exit status 0: nothing is left to supervise
      anything else: again, after a delay; where that is not wanted, when somebody comes who may need one

What happens between two supervisors is not lost: containers write into FIFOs that the launcher holds open, and
their ends are told after each Hello.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import partial

from composer.frozen import frozen
from composer.hints import Callable
from composer.linux.pidfd import pidfd_open
from composer.linux.process import reset_signals
from composer.runtime import forks
from composer.runtime.launcher.backoff import Backoff
from composer.runtime.launcher.loop import Loop

NOT_EXECUTED = 127
INTERPRETER = (sys.executable, "-I", "-S")  # as we are run ourselves


HELD = "held"  # an argument more: it imports what it needs, and begins when there is something to receive


@frozen
class Supervisor:
    """Its process, and our end of its socket."""

    pid: int
    sock: socket.socket


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
        is_wanted: Callable[[], bool],
        first: Supervisor | None = None,
    ) -> None:
        """`connect` gets the launcher's end of each new supervisor's socket, `done` is called when one has ended
        saying that nothing is left to do, `is_wanted` says whether one that has died is started again. `first` is held:
        it is there already."""
        self._argv = argv
        self._loop = loop
        self._connect = connect
        self._log = log
        self._done = done
        self._is_wanted = is_wanted
        self._is_waiting = False  # for somebody who may need a supervisor
        self._backoff = Backoff()
        self._first = first
        self._is_first = True

    def start(self) -> None:
        """Start a supervisor."""
        there = self._first or fork(self._argv, goes_on=self._is_first)
        self._first, self._is_first = None, False
        self._backoff.began()
        pidfd = pidfd_open(there.pid)
        self._loop.watch(pidfd, lambda: self._bury(there.pid, pidfd))
        self._connect(there.sock)

    def wake(self) -> None:
        """Somebody has come who may need a supervisor."""
        if self._is_waiting:
            self._is_waiting = False
            self.start()

    def _bury(self, pid: int, pidfd: int) -> None:
        self._loop.unwatch(pidfd)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        if status == 0:
            self._done()
            return
        code = os.waitstatus_to_exitcode(status)
        if not self._is_wanted():
            self._log(f"supervisor {pid} ended with {code}; the next one starts when a command comes")
            self._is_waiting = True
            return
        delay = self._backoff.next()
        self._log(f"supervisor {pid} ended with {code}; the next one starts in {delay:.1f} s")
        self._loop.call_later(delay, self.start)


def fork(argv: tuple[str, ...], *, goes_on: bool, held: bool = False) -> Supervisor:
    """A supervisor: one that `goes_on` with what is imported already, where it is a script for our own interpreter."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _begin((*argv, str(theirs.fileno()), *((HELD,) if held else ())), theirs.fileno(), goes_on=goes_on)
    theirs.close()
    return Supervisor(pid, ours)


def _begin(argv: tuple[str, ...], fd: int, *, goes_on: bool) -> None:
    try:
        count = len(INTERPRETER)
        if goes_on and argv[:count] == INTERPRETER:
            forks.go_on(partial(_run, *argv[count:]), keep=(fd,), argv=argv)
        os.set_inheritable(fd, True)
        reset_signals()
        os.execv(argv[0], argv)
    finally:  # a second launcher must not live on
        os._exit(NOT_EXECUTED)


def _run(script: str, *arguments: str) -> None:
    """What the interpreter does with a script."""
    sys.argv = [script, *arguments]
    with open(script, "rb") as file:
        exec(compile(file.read(), script, "exec"), {"__name__": "__main__", "__file__": script})
