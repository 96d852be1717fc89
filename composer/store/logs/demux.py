"""Blocks to lines: each stream is put together on its own. Pure.

A line has the time of its first byte. Several whole lines of one block stay together: they have one time and one
stream, and nobody has to look at each of a million lines.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from composer.store.logs.block import NOTICE, Block

MAX_LINE = 1 << 20  # bytes; a longer line comes in pieces


class Lines(NamedTuple):
    """One or more lines of one stream, with their newlines; only a piece of a line ends without one."""

    time_ns: int
    stream: int
    data: bytes
    notice: bool = False

    @property
    def amount(self) -> int:
        """How many lines."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))

    def last(self, count: int) -> Lines:
        """The last `count` of them."""
        surplus = self.amount - count
        return self._replace(data=b"".join(self.data.splitlines(keepends=True)[surplus:])) if surplus > 0 else self


class Division(Protocol):
    """How blocks become what a reader gives out."""

    def feed(self, block: Block, data: bytes) -> list[Lines]:
        """What `block`, whose bytes are `data`, completes."""
        ...

    def flush(self) -> list[Lines]:
        """What is not complete yet."""
        ...


class Undivided:
    """Everything as it comes: for a terminal, which wants prompts too."""

    def feed(self, block: Block, data: bytes) -> list[Lines]:
        return [Lines(block.time_ns, block.stream, data, notice=bool(block.flags & NOTICE))]

    def flush(self) -> list[Lines]:
        return []


class Demultiplexer:
    """Holds, for each stream, the beginning of a line whose end has not come yet."""

    def __init__(self) -> None:
        self._held: dict[int, Lines] = {}

    def feed(self, block: Block, data: bytes) -> list[Lines]:
        """The lines that `block`, whose bytes are `data`, completes."""
        if block.flags & NOTICE:
            return [Lines(block.time_ns, block.stream, data, notice=True)]
        lines = []
        held = self._held.pop(block.stream, None)
        if held is not None:
            end = data.find(b"\n") + 1
            if not end:
                return self._hold(held._replace(data=held.data + data))
            lines.append(held._replace(data=held.data + data[:end]))
            data = data[end:]
        end = data.rfind(b"\n") + 1
        if end:
            lines.append(Lines(block.time_ns, block.stream, data[:end]))
        if end < len(data):
            lines += self._hold(Lines(block.time_ns, block.stream, data[end:]))
        return lines

    def flush(self) -> list[Lines]:
        """What is there of lines that have no end, in the order of their beginning."""
        rest = sorted(self._held.values())
        self._held.clear()
        return rest

    def _hold(self, lines: Lines) -> list[Lines]:
        if len(lines.data) >= MAX_LINE:
            return [lines]
        self._held[lines.stream] = lines
        return []
