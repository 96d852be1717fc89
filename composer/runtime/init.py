"""The minimal PID 1 of `init: true`: forwards signals to its one child, reaps orphans, ends as the child ended.

    PID 1 (this)                                  PID 2
    1. drop_privileges: as any program has them
    2. fork ────────────────────────────────────► 3. own process group, in the foreground of the terminal
    closes everything, the report pipe too           execve: the report pipe closes
    4. all signals blocked; sigwaitinfo           runs
       SIGCHLD: reap; the child's end is ours
       any other: kill(2) it

It is the forked Python process itself, so that no file of the host need be shown in the container, as tini must
be; it shares its memory with the launcher. /proc/1/exe is therefore the host's interpreter, and a container that
could open it could overwrite it once it no longer runs (CVE-2019-5736). Against that:
  * it never executes anything and is not dumpable, so /proc/1/exe, /proc/1/fd and /proc/1/mem are closed to all without
    CAP_SYS_PTRACE, which only privileged containers and those that ask for it have;
  * the launcher itself runs the interpreter from a read-only mount (launcher.spawn), so that even they cannot write.

It has the user, capabilities and system call filter of the program: from inside it is no way to more.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from composer.hints import NoReturn
from composer.linux.prctl import set_name
from composer.linux.process import close_range, set_command_line

NAME = "init"
FAILED = 125


def become_init(*, tty: bool, command_line: tuple[int, int]) -> None:
    """Fork; the caller goes on as PID 2, and PID 1 stays here until PID 2 has ended.

    `command_line` is what linux.process.command_line_area said in the parent.
    """
    # Blocked before the fork, so that a signal that comes early waits for PID 1 and is not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = os.fork()
    if child == 0:
        _take_foreground(tty=tty)
        return
    try:
        set_command_line(command_line, NAME.encode())  # our own is nobody's business in there
        _serve(child)
    finally:  # a defect must not return into the road of the program
        os._exit(FAILED)


def _take_foreground(*, tty: bool) -> None:
    os.setpgid(0, 0)
    if tty:
        os.tcsetpgrp(0, os.getpid())  # SIGTTOU is blocked, or this would stop us


def _serve(child: int) -> NoReturn:
    close_range(0)
    set_name(NAME)
    everything = signal.valid_signals()
    while True:
        received = signal.sigwaitinfo(everything)
        if received.si_signo == signal.SIGCHLD:
            _reap(child)
        else:
            with suppress(PermissionError):  # it runs as another user by now
                os.kill(child, received.si_signo)


def _reap(child: int) -> None:
    """Collect all who have ended; end as `child` did."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            # As a shell says it: PID 1 cannot end itself by a signal.
            os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
        if pid == 0:
            return
