"""Signals as something to wait for along with descriptors (signalfd(2)'s idea, with the interpreter's means).

A Python handler only runs between two byte codes and cannot interrupt a wait that retries; the wake-up descriptor
(signal.set_wakeup_fd) gets the signal's number as a byte at once, which makes a `select` return.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from composer.hints import Any, Iterable


class Signals:
    """Catches some signals from `with` to its end; then their handling is as it was before."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = tuple(numbers)
        self._before: dict[signal.Signals, Any] = {}  # what signal.signal answers: a function, a number or None
        self._read = self._write = -1
        self._wakeup_before = -1

    def __enter__(self) -> Signals:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, _ignore)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._read

    def received(self) -> list[signal.Signals]:
        """Those that have come since, in order."""
        try:
            return [signal.Signals(number) for number in os.read(self._read, 4096)]
        except BlockingIOError:
            return []


def _ignore(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor tells it; a handler there must be, or the default action would be taken."""
