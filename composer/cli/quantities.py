"""Sizes and shares of processors on the command line, read as docker reads them; files have their own readers."""

from __future__ import annotations

import re

from composer.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?", re.I)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def size(text: str, *, option: str) -> int:
    """Bytes of "100M", "1.5g", "4096". Raises UsageError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f'{option} cannot be "{text}"', hint="write a size like 100M or 1.5g")
    return int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])


def processors(text: str, *, option: str) -> float:
    """A number of processors, "0.5". Raises UsageError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise UsageError(f'{option} cannot be "{text}"', hint="write a number of processors like 0.5")
    return number
