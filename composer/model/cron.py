"""When a job is due, as crontab(5) writes it."""

from __future__ import annotations

import re

from composer.frozen import frozen
from composer.model.scalars import TextValue, Unreadable

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# what a field is called, its least and greatest value, and the names of its values from the least on
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_NICKNAMES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@reboot")
_EVERY = re.compile(r"@every ([0-9]+(h|m|s|ms))+")
_ZONE = re.compile(r"(CRON_)?TZ=\S+ +")
_ITEM = re.compile(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]*))?")
_GOOD = 'write five fields such as "0 3 * * *", or @daily'


@frozen
class Cron(TextValue):
    """Five fields, a nickname such as @daily, or @every and a duration. Nothing runs by it."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Cron:
        words = _ZONE.sub("", text, count=1).lower()
        if words in _NICKNAMES or _EVERY.fullmatch(words):
            return cls(text)
        fields = words.split()
        if len(fields) != len(_FIELDS):
            raise Unreadable(f'"{text}" is not a schedule', hint=_GOOD, near=words, known=_NICKNAMES)
        for field, (name, least, greatest, names) in zip(fields, _FIELDS, strict=True):
            if not all(_is_good(item, least, greatest, names) for item in field.split(",")):
                raise Unreadable(
                    f'"{field}" cannot be the {name}', hint=f"write * or numbers from {least} to {greatest}"
                )
        return cls(text)

    def __str__(self) -> str:
        return self.text


def _is_good(item: str, least: int, greatest: int, names: tuple[str, ...]) -> bool:
    match = _ITEM.fullmatch(item)
    if match is None:
        return False
    ends = [_value(end, least, names) for end in match.group(1, 2) if end is not None]
    return all(least <= end <= greatest for end in ends) and ends == sorted(ends)


def _value(text: str, least: int, names: tuple[str, ...]) -> int:
    if text in names:
        return least + names.index(text)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else -1
