"""What a plain (unquoted) YAML scalar means in a Compose file.

go-yaml's dialect, YAML 1.2 with some of 1.1: `no` and `22:22` are texts, 010 is 8, 1_000 is 1000. PyYAML's own
resolver is YAML 1.1 and reads the first two as False and 1342.
"""

from __future__ import annotations

import re

_FIRST = frozenset("0123456789+-.")
_WORDS: dict[str, bool | float | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".nan": float("nan"),
    ".NaN": float("nan"),
    ".NAN": float("nan"),
    **{f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")},
}
_INTEGERS = (
    (re.compile(r"[+-]?(0|[1-9][0-9_]*)"), 10),
    (re.compile(r"[+-]?0[0-7_]+"), 8),
    (re.compile(r"[+-]?0o[0-7_]+"), 8),
    (re.compile(r"[+-]?0x[0-9a-fA-F_]+"), 16),
    (re.compile(r"[+-]?0b[01_]+"), 2),
)
_FLOAT = re.compile(r"[+-]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][+-]?[0-9]+)?")
_LARGEST = 2**64  # beyond, go-yaml reads a float; nothing in a Compose file is that large


def resolve(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST:
        return text
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(text) and len(text) < 80:
            return _integer(text, base)
    if _FLOAT.fullmatch(text) and len(text) < 80:
        return float(text.replace("_", ""))
    return text


def _integer(text: str, base: int) -> str | int | float:
    digits = text.replace("_", "").lower()
    for prefix in ("0o", "0x", "0b"):
        digits = digits.replace(prefix, "", 1)
    try:
        number = int(digits, base)
    except ValueError:  # only underscores were left
        return text
    return number if abs(number) < _LARGEST else float(number)
