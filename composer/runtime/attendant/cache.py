"""Replies of other name servers, kept as long as they say, and no more of them than so many."""

from __future__ import annotations

from collections import OrderedDict

from composer.frozen import frozen
from composer.runtime.attendant import wire

MOST = 1000  # replies
LARGEST = 4096  # bytes of a reply worth keeping: 4 MB in all at the very most


@frozen
class _Kept:
    reply: bytes
    lifetimes: wire.Lifetimes
    since: float


class Cache:
    """By whom it was asked and the whole query but its number: options, flags and case of letters count.

    Times are of a monotonic clock, in seconds, and given by the caller.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[object, bytes], _Kept] = OrderedDict()

    def find(self, source: object, query: bytes, *, now: float) -> bytes | None:
        """The reply to `query`, as if it had just come from `source`."""
        key = source, query[2:]
        kept = self._kept.get(key)
        if kept is None:
            return None
        age = now - kept.since
        if age >= kept.lifetimes.seconds:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return wire.aged(kept.reply, kept.lifetimes.places, id_=query[:2], age=int(age))

    def keep(self, source: object, query: bytes, reply: bytes, *, now: float) -> None:
        """Keep a reply if it may be kept; the one that was longest not asked for gives way."""
        lifetimes = wire.lifetimes(reply) if len(reply) <= LARGEST else None
        if lifetimes is None:
            return
        self._kept[source, query[2:]] = _Kept(reply, lifetimes, now)
        self._kept.move_to_end((source, query[2:]))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
