"""Text that means one value: booleans, numbers, durations, sizes.

Each is read here and nowhere else; what comes out is never parsed again. Texts that mean a signal stand in `signals`,
those that mean a choice (`restart`, `pid`, `user`) in `choices`, ports in `ports`, devices and mounts in `devices`.
Words for humans come out of `Unreadable`; where the text stood in a file is the loader's knowledge.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator
from pydantic_core import CoreSchema, core_schema

from composer.frozen import frozen


class Unreadable(ValueError):
    """A text does not mean what its place asks for. `hint` shows a good one."""

    def __init__(
        self, message: str, *, hint: str | None = None, near: str | None = None, known: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.near = near  # the misspelt part alone; one of `known` may be meant
        self.known = known


class WrongType(Unreadable):
    """Something of another kind is needed: `needed` says of which."""

    def __init__(self, found: object, needed: str, *, hint: str | None = None) -> None:
        super().__init__(f"found {shown(found)} where {needed} is needed", hint=hint)


class OutOfRange(Unreadable):
    """A value that is read well, and is too small or too large."""


class NoUnit(Unreadable):
    """A number alone, where only a unit makes it a length of time or a size."""


class TextValue(ABC):
    """A frozen value that is written as one text; `str()` of it is a text that reads back the same."""

    __slots__ = ()

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """The value that a text means. Raises Unreadable."""

    @classmethod
    def of(cls, value: object) -> Self:
        """Read what a YAML file or our own JSON holds."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise WrongType(value, "a text", hint=f'quote it: "{spelled(value)}"')

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.of, serialization=core_schema.to_string_ser_schema())


def spelled(value: object) -> str:
    """`value` as Compose spells it when a text is asked for: true, 8, 1.5."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if math.isfinite(value):
            return _spelled_float(value)
        case float():
            return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
        case _:
            return str(value)


def _spelled_float(value: float) -> str:
    """As Go's shortest `%g`: from a million on, and below a ten-thousandth, with an exponent."""
    if value and not 1e-4 <= abs(value) < 1e6:
        digits, exponent = f"{Decimal(repr(value)).normalize():e}".split("e")
        return f"{digits}e{exponent[0]}{exponent[1:]:0>2}"
    return str(int(value)) if value.is_integer() else repr(value)


def shown(value: object) -> str:
    """`value` as a message names it: the text "64x", the number 30, a list."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {spelled(value)}"
        case int() | float():
            return f"the number {spelled(value)}"
        case str():
            return f'the text "{_shortened(value)}"'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _shortened(text: str, limit: int = 60) -> str:
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= limit else text[: limit - 1] + "…"


# ---- text, booleans, numbers ------------------------------------------------------------------------------------


def read_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        raise WrongType(value, "a text", hint=f'quote it: "{spelled(value)}"')
    raise WrongType(value, "a text", hint="write one text")


def read_spelled(value: object) -> str:
    """A text, a number or a boolean, as a text: what labels, environment and sysctls allow."""
    if isinstance(value, (str, bool, int, float)):
        return value if isinstance(value, str) else spelled(value)
    raise WrongType(value, "a text or a number", hint="write one text or number")


_TRUE = frozenset(("true", "yes", "on", "y", "1"))
_FALSE = frozenset(("false", "no", "off", "n", "0"))


def read_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise WrongType(value, "a boolean", hint="write true or false")


_DECIMAL = re.compile(r"[+-]?[0-9]{1,19}")


def read_integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise WrongType(value, "a whole number", hint="write one such as 3")


_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def read_number(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    raise WrongType(value, "a number", hint="write one such as 3 or 0.5")


def read_cpus(value: object) -> float:
    """A number of CPUs, to the billionth; 0 means no limit."""
    try:
        cpus = read_number(value)
    except Unreadable:
        hint = "write a number of CPUs such as 0.5 or 2"
        if isinstance(value, str) and value.endswith("%"):
            hint = "write a number of CPUs: 0.5 is 50 % of one"
        raise WrongType(value, "a number of CPUs", hint=hint) from None
    if cpus < 0:
        raise OutOfRange(f"{spelled(cpus)} CPUs is less than none", hint="write a number such as 0.5 or 2")
    return round(cpus, 9)


@frozen
class Between:
    """Reads a whole number from `low` to `high`, both included."""

    low: int
    high: int | None = None

    def __call__(self, value: object) -> int:
        number = read_integer(value)
        if number < self.low or (self.high is not None and number > self.high):
            wanted = f"from {self.low} to {self.high}" if self.high is not None else f"of at least {self.low}"
            raise OutOfRange(f"{number} is out of range", hint=f"write a number {wanted}")
        return number


def between(low: int, high: int | None = None) -> BeforeValidator:
    return BeforeValidator(Between(low, high))


Text = Annotated[str, BeforeValidator(read_text)]
Spelled = Annotated[str, BeforeValidator(read_spelled)]
Boolean = Annotated[bool, BeforeValidator(read_boolean)]
Integer = Annotated[int, BeforeValidator(read_integer)]
Natural = Annotated[int, between(0)]
Number = Annotated[float, BeforeValidator(read_number)]
Cpus = Annotated[float, BeforeValidator(read_cpus)]
Limit = Annotated[int, between(-1)]  # -1: unlimited


# ---- durations --------------------------------------------------------------------------------------------------

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5 micro sign
    "μs": 1_000,  # U+03BC Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_LONG_UNITS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h", "day": "d", "week": "w"}
_COMPONENT = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_LONGEST = 2**63 - 1  # what Go's time.Duration holds: 292 years
_GOOD_DURATION = "write a number and a unit: 30s, 1m30s, 500ms"


@dataclass(frozen=True, slots=True, order=True)
class Duration(TextValue):
    """A length of time, exact, as Go writes it: 1h5m30s20ms, 1.5s; also d and w."""

    nanoseconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        if text.startswith("-"):
            raise OutOfRange(f'"{text}" is a negative duration', hint=_GOOD_DURATION)
        rest = text.removeprefix("+")
        if rest == "0":
            return cls(0)
        total, position = 0, 0
        while position < len(rest) or not rest:
            match = _COMPONENT.match(rest, position)
            nanoseconds = _component(text, match) if match else 0
            total, position = total + nanoseconds, match.end() if match else len(rest)
        if total > _LONGEST:
            raise OutOfRange(f'"{_shortened(text)}" is longer than 292 years', hint=_GOOD_DURATION)
        return cls(total)

    @classmethod
    def of(cls, value: object) -> Duration:
        if isinstance(value, cls):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value == 0 and isinstance(value, int):
                return cls(0)
            raise NoUnit(f"the duration {spelled(value)} has no unit", hint=f"write {spelled(value)}s")
        if not isinstance(value, str):
            raise WrongType(value, "a duration", hint=_GOOD_DURATION)
        return cls.parse(value)

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1_000_000_000

    def __str__(self) -> str:
        """As Go prints it: 1h0m0s, 1.5s, 20ms, 0s."""
        if self.nanoseconds < 1_000_000_000:
            return self._small()
        seconds, fraction = divmod(self.nanoseconds, 1_000_000_000)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{seconds}{_fraction(fraction, digits=9)}s"
        if hours:
            return f"{hours}h{minutes}m{text}"
        return f"{minutes}m{text}" if minutes else text

    def _small(self) -> str:
        if not self.nanoseconds:
            return "0s"
        for unit, digits in (("ms", 6), ("µs", 3)):
            whole, fraction = divmod(self.nanoseconds, 10**digits)
            if whole:
                return f"{whole}{_fraction(fraction, digits=digits)}{unit}"
        return f"{self.nanoseconds}ns"


def _component(text: str, match: re.Match[str]) -> int:
    whole, fraction, unit = match[1], match[2] or "", match[3]
    if not whole and not fraction:
        raise Unreadable(f'"{_shortened(text)}" is not a duration', hint=_GOOD_DURATION)
    if not unit:
        hint = f"write {text}s" if text == match[0] else _GOOD_DURATION
        raise NoUnit(f'the duration "{_shortened(text)}" has no unit', hint=hint)
    if len(whole) > 19:
        raise OutOfRange(f'"{_shortened(text)}" is longer than 292 years', hint=_GOOD_DURATION)
    factor = _NANOSECONDS.get(unit)
    if factor is None:
        message = f'unknown unit "{_shortened(unit)}" in the duration "{_shortened(text)}"'
        short = _LONG_UNITS.get(unit.strip().lower().removesuffix("s"))
        hint = f"write {match[0].removesuffix(unit)}{short}" if short and text == match[0] else _GOOD_DURATION
        raise Unreadable(message, hint=hint)
    digits = fraction[:18]
    nanoseconds: int = int(whole or "0") * factor + int(digits or "0") * factor // 10 ** len(digits)
    return nanoseconds


def _fraction(value: int, *, digits: int) -> str:
    return f".{value:0{digits}d}".rstrip("0") if value else ""


# ---- sizes ------------------------------------------------------------------------------------------------------

_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"([0-9]{1,24}(?:\.[0-9]{0,24})?|\.[0-9]{1,24}) ?([a-z]*)", re.ASCII)
_SUFFIX = re.compile(r"([kmgtp]?)(i?b)?")
_GOOD_SIZE = "write a number of bytes or use a unit: 512k, 64m, 1.5g"


def read_size(value: object, *, base: int = 1024) -> int:
    """A number of bytes. `1.5g` is fine; 1.5 alone is not, as half bytes are always a forgotten unit."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _not_negative(value)
    if isinstance(value, float) and value >= 2**63:
        raise OutOfRange(f"{spelled(value)} bytes are more than the kernel can count", hint=_GOOD_SIZE)
    if isinstance(value, float):
        better = spelled(value) if value.is_integer() else f"{value!r}g or a whole number of bytes"
        raise NoUnit(f"the size {value!r} has no unit", hint=f"write {better}")
    if not isinstance(value, str):
        raise WrongType(value, "a size", hint=_GOOD_SIZE)
    return _read_size_text(value.strip(), base)


def read_size_or_unlimited(value: object) -> int:
    """A number of bytes, or -1: unlimited."""
    return -1 if value in (-1, "-1") and not isinstance(value, bool) else read_size(value)


def read_decimal_size(value: object) -> int:
    """A number of bytes with decimal units (1k is 1000), as the json-file logging driver reads `max-size`."""
    return read_size(value, base=1000)


def _read_size_text(text: str, base: int) -> int:
    if text.startswith("-"):
        raise OutOfRange(f'"{_shortened(text)}" is a negative size', hint=_GOOD_SIZE)
    match = _SIZE.fullmatch(text.lower())
    if match is None:
        raise Unreadable(f'"{_shortened(text)}" is not a size', hint=_GOOD_SIZE)
    suffix = _SUFFIX.fullmatch(match[2])
    if suffix is None:
        raise Unreadable(f'unknown unit "{match[2]}" in the size "{_shortened(text)}"', hint=_GOOD_SIZE)
    whole, _, fraction = match[1].partition(".")
    if fraction and not suffix[1]:
        raise NoUnit(f'the size "{_shortened(text)}" has no unit', hint=f"write {match[1]}g or a whole number of bytes")
    factor = base ** _POWER[suffix[1]]
    return _not_negative(int(whole or "0") * factor + int(fraction or "0") * factor // 10 ** len(fraction))


def size_text(size: float) -> str:
    """Bytes with the largest unit that says them exactly: 64m, 1536k, 1000."""
    whole = int(size)
    for unit, power in reversed(_POWER.items()):
        if whole and power and whole % 1024**power == 0:
            return f"{whole // 1024**power}{unit}"
    return str(whole)


def _not_negative(size: int) -> int:
    if size < 0:
        raise OutOfRange(f"{size} is a negative size", hint=_GOOD_SIZE)
    if size >= 2**63:
        raise OutOfRange(f"{size} bytes are more than the kernel can count", hint=_GOOD_SIZE)
    return size


ByteSize = Annotated[int, BeforeValidator(read_size)]
ByteSizeOrUnlimited = Annotated[int, BeforeValidator(read_size_or_unlimited)]


def read_microseconds(value: object) -> int:
    """A whole number of microseconds, or a duration."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return Duration.parse(value).nanoseconds // 1000
    number = read_integer(value)
    if number < 0:
        raise OutOfRange(f"{number} is negative", hint="write microseconds (100000) or a duration (100ms)")
    return number


Microseconds = Annotated[int, BeforeValidator(read_microseconds)]


def read_file_mode(value: object) -> int:
    """Permission bits. A text is octal; a number is taken as YAML read it (0440 is octal there already)."""
    mode = _octal(value) if isinstance(value, str) else read_integer(value)
    if not 0 <= mode <= 0o7777:
        raise Unreadable(f"{mode} is not a file mode", hint='write it in octal: "0440"')
    return mode


def _octal(text: str) -> int:
    digits = text.removeprefix("0o")
    if not re.fullmatch(r"[0-7]{1,12}", digits):
        raise Unreadable(f'"{_shortened(text)}" is not a file mode', hint='write it in octal: "0440"')
    return int(digits, 8)


FileMode = Annotated[int, BeforeValidator(read_file_mode)]
