"""Texts that mean ports."""

from __future__ import annotations

from dataclasses import dataclass

from composer.model.scalars import OutOfRange, TextValue, Unreadable, WrongType, spelled

PROTOCOLS = ("tcp", "udp", "sctp")


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


@dataclass(frozen=True, slots=True)
class Exposed(TextValue):
    """Ports that a container listens on, whether or not they are published: 6379, 3000-3005/udp. `text` as written."""

    text: str
    ports: PortRange
    protocol: str

    @classmethod
    def parse(cls, text: str) -> Exposed:
        numbers, slash, word = text.partition("/")
        ports = PortRange.parse(numbers)
        if not ports.first:
            raise OutOfRange("the port 0 is out of range", hint="ports that can be exposed go from 1 to 65535")
        return cls(text, ports, read_protocol(word) if slash else "tcp")

    @classmethod
    def of(cls, value: object) -> Exposed:
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise WrongType(value, "a port", hint='write a port such as 6379 or "53/udp"')
        return cls.parse(spelled(value))

    def __str__(self) -> str:
        return self.text


def read_protocol(word: str) -> str:
    """One of PROTOCOLS, however it is written. Raises Unreadable."""
    protocol = word.lower()
    if protocol not in PROTOCOLS:
        hint = f"write {', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}"
        raise Unreadable(f'"{protocol}" is not a protocol', hint=hint, near=protocol, known=PROTOCOLS)
    return protocol


def _port(text: str, whole: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise Unreadable(f'"{whole}" is not a port', hint="write a port such as 8080, or a range 8000-8010")
    if len(text) > 5 or int(text) > 65535:
        raise OutOfRange(f"the port {text} is out of range", hint="ports go from 0 to 65535")
    return int(text)
