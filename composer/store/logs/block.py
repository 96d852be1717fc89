"""One record of the index: where in `output` a block is, when it came, from which stream.

    offset  size
         0     8   time_ns, wall clock, nanoseconds since the epoch
         8     8   offset of the block in `output`
        16     4   length in bytes
        20     1   stream: 1 standard output, 2 standard error
        21     1   flags; the upper four bits count how often the clock went back, 15 is "so often or oftener"
        22     2   magic, so that a reader finds its way again after damage

Little-endian. Offsets are redundant while all is well; they are what makes one record readable without the others.
Between two steps of the clock backwards times ascend, so that a search for a time can go by halves.
"""

from __future__ import annotations

import struct

from composer.frozen import frozen, replace
from composer.hints import Iterator

RECORD = struct.Struct("<QQIBBH")
MAGIC = 0xC10C

STDOUT = 1
STDERR = 2

NOTICE = 1  # a line of ours about the container, not its own output
RECOVERED = 2  # no record spoke of it, after a crash or damage: time and stream are a guess
LAST_ERA = 15  # within it times may be in any order
_ERA_SHIFT = 4
_RECOVERED_AT_ONCE = 1 << 20  # bytes


@frozen
class Block:
    """Bytes of one stream that arrived together."""

    time_ns: int
    offset: int
    length: int
    stream: int
    flags: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def era(self) -> int:
        """How often the clock had been set back when it came, since the file was begun."""
        return self.flags >> _ERA_SHIFT

    def in_order_after(self, last: Block | None) -> Block:
        """The block with its era, which is that of `last` or the next."""
        if last is None:
            return self
        era = min(last.era + (self.time_ns < last.time_ns), LAST_ERA)
        return replace(self, flags=self.flags | era << _ERA_SHIFT)

    def without(self, size: int) -> Block:
        """What is left of it behind its first `size` bytes."""
        return replace(self, offset=self.offset + size, length=self.length - size)


def encode(block: Block) -> bytes:
    """The block's record."""
    return RECORD.pack(block.time_ns, block.offset, block.length, block.stream, block.flags, MAGIC)


def decode(records: bytes, *, size: int) -> Iterator[Block]:
    """The blocks that make sense in an `output` of `size` bytes; damaged and incomplete records are left out."""
    whole = len(records) - len(records) % RECORD.size
    for time_ns, offset, length, stream, flags, magic in RECORD.iter_unpack(memoryview(records)[:whole]):
        if magic == MAGIC and stream in (STDOUT, STDERR) and offset + length <= size:
            yield Block(time_ns, offset, length, stream, flags)


def recovered(start: int, end: int, *, time_ns: int, stream: int) -> Iterator[Block]:
    """Blocks for what no record speaks of, from offset `start` to `end`."""
    for offset in range(start, end, _RECOVERED_AT_ONCE):
        yield Block(time_ns, offset, min(_RECOVERED_AT_ONCE, end - offset), stream, RECOVERED)
