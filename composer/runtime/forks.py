"""A fork that executes nothing and is a process of its own: it goes on with what its parent has imported.

That costs a tenth of a new interpreter, in time and in memory, and is for a parent of one thread that is small itself.
The parent's objects stay as they are, and are never let go of: one that closes itself would close whatever has its
number by then. So the way out is `os._exit`, and never back into what the parent was about to do.
"""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress

from composer.hints import Callable, Iterable, NoReturn, Sequence
from composer.linux.process import close_range, command_line_area, reset_signals, set_command_line

_STANDARD_ERROR = 2


def go_on(serve: Callable[[], object], *, keep: Iterable[int], argv: Sequence[str] = ()) -> NoReturn:
    """Call `serve`, then end: with its exit status if it leaves by SystemExit, with 1 if it fails.

    Of the parent's descriptors there are `keep` and standard error, which is told of a failure. `argv` is what ps(1) is
    to show in the place of the parent's command line, as far as it fits.
    """
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        reset_signals()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python has it: an error and no end
            signal.signal(number, signal.SIG_IGN)
        gc.enable()
        _keep_only(keep)
        if argv:
            set_command_line(command_line_area(), b"\0".join(map(os.fsencode, argv)))
        serve()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 0
    finally:
        if status:
            _tell()
        os._exit(status)
    raise AssertionError("_exit does not return")


def _tell() -> None:
    import traceback  # a launcher has no use for it

    with suppress(OSError):
        os.write(_STANDARD_ERROR, traceback.format_exc().encode(errors="backslashreplace"))


def _keep_only(fds: Iterable[int]) -> None:
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1):
        os.dup2(null, number)
    first = _STANDARD_ERROR + 1
    for fd in sorted(fds):
        if fd > first:
            close_range(first, fd - 1)
        first = fd + 1
    close_range(first)
