"""Texts that mean ports."""

from __future__ import annotations

from dataclasses import dataclass

from composer.model.scalars import OutOfRange, TextValue, Unreadable, WrongType


@dataclass(frozen=True, slots=True, order=True)
class PortRange(TextValue):
    """Ports from `first` to `last`, both included; 0 alone means any free one."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> PortRange:
        low, dash, high = text.partition("-")
        first = _port(low, text)
        last = _port(high, text) if dash else first
        if last < first:
            raise Unreadable(f'the port range "{text}" ends before it begins', hint=f"write {last}-{first}")
        return cls(first, last)

    @classmethod
    def of(cls, value: object) -> PortRange:
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise WrongType(value, "a port", hint="write a port such as 8080")
        return cls.parse(str(value))

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def _port(text: str, whole: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise Unreadable(f'"{whole}" is not a port', hint="write a port such as 8080, or a range 8000-8010")
    if len(text) > 5 or int(text) > 65535:
        raise OutOfRange(f"the port {text} is out of range", hint="ports go from 0 to 65535")
    return int(text)
