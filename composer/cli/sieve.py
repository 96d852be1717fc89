"""Which lines of a log are printed: `--grep REGEX` and `--level`.

The level of a line is what it says itself, as a JSON object or in logfmt (level=warn). A line that says nothing has
the level of its stream: error where it came from standard error, as tracebacks and crashes do, info otherwise. Lines
of pycompose's own, about output that is missing or a container that was killed, pass every sieve.
"""

from __future__ import annotations

from composer import jsontext
from composer.errors import UsageError
from composer.frozen import frozen, replace
from composer.hints import Iterable, Iterator
from composer.store.logs.block import STDERR
from composer.store.logs.demux import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_INFO, _WARN, _ERROR = (LEVELS.index(name) for name in ("info", "warn", "error"))

_SYNONYMS = {
    "trace": ("trace", "trc", "verbose", "finest", "finer"),
    "debug": ("debug", "dbg", "dbug", "fine"),
    "info": ("info", "inf", "information", "informational", "notice", "default", "config"),
    "warn": ("warn", "wrn", "warning"),
    "error": ("error", "err", "eror", "severe"),
    "fatal": ("fatal", "ftl", "critical", "crit", "alert", "emergency", "emerg", "panic", "dpanic"),
}
_BY_NAME = {word: LEVELS.index(level) for level, words in _SYNONYMS.items() for word in words}
_KEYS = ("level", "severity", "lvl", "levelname", "loglevel", "log_level", "log.level", "severity_text", "@l")
_LOGFMT = rb'(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]+)'
_SYSLOG = (5, 5, 5, _ERROR, _WARN, _INFO, _INFO, 1)  # numbers below ten are syslog's priorities: GELF


@frozen
class Sieve:
    """What passes. `level` is the lowest."""

    pattern: re.Pattern[str] | None = None
    level: int | None = None

    def sift(self, lines: Lines) -> Lines | None:
        """Those lines that pass, None where none does."""
        if lines.notice or (self.pattern is None and self.level is None):
            return lines
        passing = [line for line in lines.each() if self._passes(line, lines.stream)]
        return replace(lines, data=b"".join(passing)) if passing else None

    def _passes(self, line: bytes, stream: int) -> bool:
        if self.level is not None and level_of(line, stream=stream) < self.level:
            return False
        return self.pattern is None or self.pattern.search(line.rstrip(b"\r\n").decode(errors="replace")) is not None


def sieve(*, grep: str | None, level: str | None) -> Sieve:
    """The sieve for these options. Raises UsageError."""
    pattern = None if grep is None else _pattern(grep)
    return Sieve(pattern, None if level is None else LEVELS.index(level))


def _pattern(grep: str) -> re.Pattern[str]:
    import re

    try:
        return re.compile(grep)
    except re.error as error:
        raise UsageError(
            f'--grep cannot be "{grep}": {error}', hint="it is a regular expression: write \\ before ( [ * + ? . | $"
        ) from None


def sifted(log: Iterable[Lines], by: Sieve, *, tail: int | None = None) -> Iterator[Lines]:
    """What passes of one log; of that the last `tail` lines."""
    passing = (lines for lines in map(by.sift, log) if lines is not None)
    return passing if tail is None else iter(_last(passing, tail))


def level_of(line: bytes, *, stream: int) -> int:
    """Index into LEVELS."""
    said = _said_in_json(line) if line.lstrip()[:1] == b"{" else _said_in_logfmt(line)
    if said is None:
        return _ERROR if stream == STDERR else _INFO
    return said


def _said_in_json(line: bytes) -> int | None:
    try:
        said = jsontext.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    inner = said.get("log")  # Elastic's {"log": {"level": ...}}
    for tree in (said, inner if isinstance(inner, dict) else {}):
        for key in _KEYS:
            if (level := _level(tree.get(key))) is not None:
                return level
    return None


def _said_in_logfmt(line: bytes) -> int | None:
    import re  # of the standard library's dearest: not for who shows everything

    found = re.search(_LOGFMT, line)
    return _BY_NAME.get(found[1].decode().lower()) if found else None


def _level(value: object) -> int | None:
    match value:
        case bool():
            return None
        case str():
            return _BY_NAME.get(value.lower())
        case int() if 0 <= value < len(_SYSLOG):
            return _SYSLOG[value]
        case int() if 10 <= value < 70:  # pino and bunyan: 10 is trace, 60 fatal
            return value // 10 - 1
        case _:
            return None


def _last(log: Iterable[Lines], count: int) -> Iterable[Lines]:
    from collections import deque

    kept: deque[Lines] = deque()
    amount = 0
    for lines in log if count else ():
        kept.append(lines)
        amount += lines.amount
        while amount - kept[0].amount >= count:
            amount -= kept.popleft().amount
    if kept and amount > count:
        kept[0] = kept[0].last(kept[0].amount - (amount - count))
    return kept
