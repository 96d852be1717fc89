"""Blocks to lines: each stream is put together on its own. Pure.

A line has the time of its first byte. Several whole lines of one block stay together: they have one time and one
stream, and nobody has to look at each of a million lines.
"""

from __future__ import annotations

from composer.frozen import frozen, replace
from composer.hints import Protocol
from composer.store.logs.block import NOTICE, Block

MAX_LINE = 1 << 20  # bytes; a longer line comes in pieces


@frozen
class Lines:
    """One or more lines of one stream, with their newlines; a piece of a line, and the last of all, may have none."""

    time_ns: int
    stream: int
    data: bytes
    notice: bool = False
    continues: bool = False  # a piece of a line; the next one follows

    @property
    def amount(self) -> int:
        """How many lines."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))

    def last(self, count: int) -> Lines:
        """The last `count` of them."""
        surplus = self.amount - count
        return replace(self, data=b"".join(self.each()[surplus:])) if surplus > 0 else self

    def each(self) -> list[bytes]:
        """One by one, with their newlines. A carriage return ends no line."""
        parts = self.data.split(b"\n")
        rest = [parts[-1]] if parts[-1] else []
        return [part + b"\n" for part in parts[:-1]] + rest


class Division(Protocol):
    """How blocks become what a reader gives out."""

    def feed(self, block: Block, data: bytes) -> list[Lines]:
        """What `block`, whose bytes are `data`, completes."""

    def flush(self) -> list[Lines]:
        """What is not complete yet."""


class Undivided:
    """Everything as it comes: for a terminal, which wants prompts too."""

    def feed(self, block: Block, data: bytes) -> list[Lines]:
        return [Lines(block.time_ns, block.stream, data, notice=bool(block.flags & NOTICE))]

    def flush(self) -> list[Lines]:
        return []


class Demultiplexer:
    """Holds, for each stream, the beginning of a line whose end has not come yet."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[int, bytearray]] = {}  # by stream: its time and bytes; it may come byte by byte

    def feed(self, block: Block, data: bytes) -> list[Lines]:
        """The lines that `block`, whose bytes are `data`, completes."""
        if block.flags & NOTICE:
            return [Lines(block.time_ns, block.stream, data, notice=True)]
        lines = []
        begin = 0
        if block.stream in self._held:
            time_ns, held = self._held[block.stream]
            begin = data.find(b"\n") + 1
            held += data[:begin] if begin else data
            if not begin:
                return self._give_up_holding(block.stream)
            del self._held[block.stream]
            lines.append(Lines(time_ns, block.stream, bytes(held)))
        end = data.rfind(b"\n") + 1
        if end > begin:
            lines.append(Lines(block.time_ns, block.stream, data[begin:end]))
        if end < len(data):
            self._held[block.stream] = (block.time_ns, bytearray(data[end:]))
            lines += self._give_up_holding(block.stream)
        return lines

    def flush(self) -> list[Lines]:
        """What is there of lines that have no end, in the order of their beginning."""
        held = sorted((time_ns, stream, data) for stream, (time_ns, data) in self._held.items())
        rest = [Lines(time_ns, stream, bytes(data)) for time_ns, stream, data in held]
        self._held.clear()
        return rest

    def _give_up_holding(self, stream: int) -> list[Lines]:
        time_ns, held = self._held[stream]
        if len(held) < MAX_LINE:
            return []
        del self._held[stream]
        return [Lines(time_ns, stream, bytes(held), continues=True)]
