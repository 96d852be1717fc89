"""Signals by name and by number, as Linux counts them (signal(7)): alike everywhere but on MIPS, SPARC and Alpha.

The standard library's `signal` belongs to the running process; this is a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from composer.model.scalars import TextValue, Unreadable, WrongType

_BY_NUMBER = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU "
    "URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)
_NAMES = tuple(_BY_NUMBER.split())
_NUMBERS = {name: number for number, name in enumerate(_NAMES, start=1)}
_SYNONYMS = {"IOT": 6, "CLD": 17, "POLL": 29, "INFO": 30, "UNUSED": 31}
_RTMIN, _RTMAX = 34, 64  # glibc and musl keep 32 and 33 for threads
_REALTIME = re.compile(r"RT(MIN|MAX)(?:([+-])([0-9]{1,2}))?")
_HINT = "write a name such as SIGTERM or SIGINT, or a number from 1 to 64"

SIGNAL_NAMES = tuple(f"SIG{name}" for name in _NAMES)


@dataclass(frozen=True, slots=True, order=True)
class Signal(TextValue):
    """A signal that `kill` can send. `name` is SIGTERM, SIGRTMIN+3 and the like."""

    number: int

    @classmethod
    def parse(cls, text: str) -> Signal:
        if text.isascii() and text.isdecimal() and len(text) < 3:
            return cls._numbered(int(text))
        number = _number(text.upper().removeprefix("SIG"))
        if number is None:
            raise Unreadable(f'"{text}" is not a signal', hint=_HINT, near=text.upper(), known=SIGNAL_NAMES)
        return cls(number)

    @classmethod
    def of(cls, value: object) -> Signal:
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return cls._numbered(value)
        if not isinstance(value, str):
            raise WrongType(value, "a signal", hint=_HINT)
        return cls.parse(value)

    @classmethod
    def _numbered(cls, number: int) -> Signal:
        if not 1 <= number <= _RTMAX:
            raise Unreadable(f"{number} is not a signal", hint=_HINT)
        return cls(number)

    @property
    def name(self) -> str:
        if self.number <= len(_NAMES):
            return f"SIG{_NAMES[self.number - 1]}"
        if self.number < _RTMIN:
            return str(self.number)
        return "SIGRTMIN" + (f"+{self.number - _RTMIN}" if self.number > _RTMIN else "")

    def __str__(self) -> str:
        return self.name


def _number(name: str) -> int | None:
    realtime = _REALTIME.fullmatch(name)
    if realtime is None:
        return _NUMBERS.get(name) or _SYNONYMS.get(name)
    start = _RTMIN if realtime[1] == "MIN" else _RTMAX
    number = start + int(f"{realtime[2] or '+'}{realtime[3] or 0}")
    return number if _RTMIN <= number <= _RTMAX else None
