"""Programs of ours that outlive whoever starts them: nobody's children, in a session of their own."""

from __future__ import annotations

import os

from composer.hints import Callable, NoReturn, Sequence

NOT_EXECUTED = 127


def detach(become: Callable[[], NoReturn], *, log: int) -> None:
    """Have `become` execute a program in a process that init is the parent of. Raises OSError.

    Standard input is /dev/null, what it says goes to the descriptor `log`, and none but those that `become` makes
    inheritable come along.
    """
    _fork_twice(lambda: _execute(become), log)


def fork(serve: Callable[[], object], *, log: int, keep: tuple[int, ...], argv: Sequence[str]) -> None:
    """Have `serve` called in such a process, without a program of its own: see `forks`. Raises OSError."""
    from composer.runtime import forks

    _fork_twice(lambda: forks.go_on(serve, keep=keep, argv=argv), log)


def _fork_twice(go_on: Callable[[], NoReturn], log: int) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _settle(log)
                go_on()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _settle(log: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir("/")
    os.umask(0o022)


def _execute(become: Callable[[], NoReturn]) -> NoReturn:
    try:
        from composer.linux.process import CLOSE_RANGE_CLOEXEC, close_range, reset_signals  # not in who is in a hurry

        reset_signals()
        close_range(3, flags=CLOSE_RANGE_CLOEXEC)
        become()
    finally:
        os._exit(NOT_EXECUTED)
