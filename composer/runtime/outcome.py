"""How the start of a process went: what its child reported, or what killed it.

Beyond this module: what must be undone.
"""

from __future__ import annotations

import os
import signal

from composer.errors import PycomposeError
from composer.hints import Protocol
from composer.linux.pidfd import pidfd_send_signal
from composer.runtime import failures
from composer.runtime.cgroup import oom
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.road import read_outcome


class Newborn(Protocol):
    """A process that may or may not have come to its execve."""

    @property
    def pidfd(self) -> int: ...

    @property
    def cgroup(self) -> Cgroup: ...


def require_success(purpose: str, report_fd: int, newborn: Newborn, *, memory_limit: int | None) -> None:
    """Wait until the program runs. Raises the PycomposeError that says why it does not."""
    went, report = read_outcome(report_fd)
    if report is not None:
        raise failures.failure(purpose, report, memory_limit=memory_limit)
    if not went:
        _wait_for_end(newborn.pidfd)
    killer = _killer(newborn.pidfd)
    # Beyond its point of no return, execve cannot say that memory did not suffice: the process is killed.
    if killer is not None and oom.oom_kills(newborn.cgroup) > 0:
        raise failures.too_little_memory(purpose, memory_limit)
    if not went:
        raise failures.killed(purpose, killer)


def _wait_for_end(pidfd: int) -> None:
    """The pipe is closed a moment before the process is a zombie."""
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)


def _killer(pidfd: int) -> int | None:
    """The signal that has ended the process, None where it lives or ended otherwise. It stays unreaped."""
    ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended.si_status if ended is not None and ended.si_code != os.CLD_EXITED else None


def end(pid: int, pidfd: int) -> None:
    """Kill a child, reap it, close its pidfd."""
    pidfd_send_signal(pidfd, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(pidfd)


def error_named(purpose: str, error: PycomposeError) -> PycomposeError:
    """The same error with what was attempted in front."""
    return type(error)(failures.named(purpose, error.message), hint=error.hint)
