"""Moments as people give them to --since and --until: a time, a date, seconds since the epoch, or how long ago."""

from __future__ import annotations

import re
import time

from composer.errors import UsageError

_NS = 1_000_000_000
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": _NS,
    "m": 60 * _NS,
    "h": 3600 * _NS,
    "d": 86400 * _NS,
}
_PART = r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)"  # both letters that look like a micro are in use
_SPAN = re.compile(rf"\+?(?:{_PART})+")
_SPAN_PART = re.compile(_PART)
_EPOCH = re.compile(r"(\d+)(?:\.(\d{1,9}))?")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:?\d\d)?",
)


def moment(text: str, *, now_ns: int) -> int:
    """Nanoseconds since the epoch. Raises UsageError."""
    if _SPAN.fullmatch(text):
        return now_ns - span(text)
    if epoch := _EPOCH.fullmatch(text):
        return int(epoch[1]) * _NS + int((epoch[2] or "").ljust(9, "0"))
    if match := _MOMENT.fullmatch(text):
        date, hour, minute, second, fraction, zone = match.groups()
        whole = f"{date} {hour or '00'}:{minute or '00'}:{second or '00'}"
        return _seconds(whole, zone, text) * _NS + int((fraction or "").ljust(9, "0"))
    raise _unreadable(text)


def span(text: str) -> int:
    """Nanoseconds of a span such as 1h30m. Raises UsageError."""
    if not _SPAN.fullmatch(text):
        raise UsageError(f'cannot read "{text}" as a span of time', hint="write something like 90s or 1h30m")
    return sum(int(float(amount) * _UNITS[unit]) for amount, unit in _SPAN_PART.findall(text))


def _seconds(whole: str, zone: str | None, text: str) -> int:
    import calendar

    try:
        parts = time.strptime(whole, "%Y-%m-%d %H:%M:%S")
        if zone is None:
            return int(time.mktime(parts))
        return calendar.timegm(parts) - _offset(zone)
    except (ValueError, OverflowError):
        raise _unreadable(text) from None


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    return (-1 if zone[0] == "-" else 1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def _unreadable(text: str) -> UsageError:
    return UsageError(f'cannot read "{text}" as a time', hint="write 2024-01-02T13:23:37Z, or 42m for 42 minutes ago")
