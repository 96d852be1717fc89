"""This terminal, handed to a program elsewhere: raw mode, and back on every way out.

Whatever ends us (an exception, SIGTERM, SIGHUP) must leave a terminal that echoes; SIGSTOP cannot be caught, so raw
mode is set again when we are continued. Signals come through `Signals`, as events of the loop that uses this.
"""

from __future__ import annotations

import os
import signal
import termios
import tty
from types import TracebackType

from composer.hints import Any


class RawTerminal:
    """Standard input in raw mode from `with` to its end."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._before: list[Any] = []  # as termios.tcgetattr gives it

    def __enter__(self) -> RawTerminal:
        self._before = termios.tcgetattr(self._descriptor)
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def resume(self) -> None:
        """Raw again: after we were stopped and continued. What was typed ahead is kept."""
        tty.setraw(self._descriptor, termios.TCSADRAIN)

    def restore(self) -> None:
        """As it was. What was typed meanwhile is left for whoever reads next."""
        try:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
        except termios.error:
            pass  # the terminal is gone

    def stop(self) -> None:
        """Stop as SIGTSTP would have stopped us; return when continued."""
        self.restore()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.resume()


def window_size(descriptor: int = 0) -> tuple[int, int] | None:
    """Rows and columns, None where there is no terminal."""
    try:
        rows, columns = termios.tcgetwinsize(descriptor)
    except (termios.error, OSError):
        return None
    return rows, columns


def set_window_size(master: int, size: tuple[int, int] | None) -> None:
    """Give the other side of a terminal a size; nothing for None or zero, which terminals say that do not know."""
    if size and all(size):
        try:
            termios.tcsetwinsize(master, size)
        except termios.error:
            pass  # the other side is gone


class DetachKeys:
    """Finds the sequence that detaches in what is typed; keys that only began it are passed on."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """(what to pass on, whether the sequence is complete)."""
        if not self._sequence:
            return typed, False
        data, self._held = self._held + typed, b""
        if (at := data.find(self._sequence)) >= 0:
            return data[:at], True
        for length in range(min(len(data), len(self._sequence) - 1), 0, -1):
            if self._sequence.startswith(data[-length:]):
                self._held = data[-length:]
                return data[:-length], False
        return data, False


def detach_sequence(text: str) -> bytes:
    """ "ctrl-p,ctrl-q" as bytes, as docker spells keys. Raises ValueError."""
    keys = b""
    for key in filter(None, text.split(",")):
        if len(key) == 1:
            keys += key.encode()
        elif key.startswith("ctrl-") and len(key) == 6 and "@" <= key[5].upper() <= "_":
            keys += bytes([ord(key[5].upper()) - 64])
        else:
            raise ValueError(key)
    return keys
