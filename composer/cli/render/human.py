"""Times and sizes in the words and figures that docker prints."""

from __future__ import annotations

import time

from composer.hints import Iterable

_NS = 1_000_000_000
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def duration(seconds: float) -> str:
    """A span of time: "About a minute", "3 hours"."""
    if seconds < 1:
        return "Less than a second"
    minutes, hours = int(seconds) // 60, int(seconds / 3600 + 0.5)
    steps = (
        (seconds < 2, "1 second"),
        (minutes < 1, f"{int(seconds)} seconds"),
        (minutes < 2, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours < 2, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 14, f"{hours // 24} days"),
        (hours < 24 * 60, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    )
    return next((words for fits, words in steps if fits), f"{hours // 24 // 365} years")


def since(then_ns: int, *, now_ns: int) -> str:
    """How long ago something was; a clock set back gives "Less than a second"."""
    return duration((now_ns - then_ns) / _NS)


def binary_size(size: float) -> str:
    """Bytes in powers of 1024, four figures: "500MiB"."""
    return _scaled(size, base=1024, units=_BINARY, figures=4)


def decimal_size(size: float) -> str:
    """Bytes in powers of 1000, three figures: "1.23kB"."""
    return _scaled(size, base=1000, units=_DECIMAL, figures=3)


def _scaled(size: float, *, base: int, units: tuple[str, ...], figures: int) -> str:
    unit = 0
    while size >= base and unit < len(units) - 1:
        size /= base
        unit += 1
    return f"{size:.{figures}g}{units[unit]}"


def local_time(time_ns: int) -> str:
    """A moment as docker's CreatedAt has it: "2024-01-02 15:04:05 +0100 CET"."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(time_ns // _NS))


def seconds(ns: int) -> str:
    """A short span for progress: "0.3s", "12.0s"."""
    return f"{ns / _NS:.1f}s"


def command_line(words: Iterable[str]) -> str:
    """As `shlex.join`, without `shlex`, which imports a third of what `ps` does."""
    return " ".join(word if word and _PLAIN.issuperset(word) else _quoted(word) for word in words)


def _quoted(word: str) -> str:
    inner = word.replace("'", "'\"'\"'")
    return f"'{inner}'"
