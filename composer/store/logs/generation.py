"""One pair of log files, held open: its blocks in order, by number, by time.

Blocks are numbered by their record in the index. What the index does not speak of, because records were damaged or
lost, is attributed to the stream and time of the block before, so that no byte of `output` is kept from the reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from composer.store.logs.block import RECORD, STDOUT, Block, decode, recovered

_RECORDS_AT_ONCE = 4096
_BYTES_AT_ONCE = 1 << 20


@dataclass(slots=True)
class Generation:
    """An `output` and its `index`. `position` and `offset` say how far `blocks` has come."""

    output: int
    index: int
    identity: tuple[int, int]  # device and inode of the index
    position: int = 0  # number of the next block
    offset: int = 0  # where in `output` that block should be

    @classmethod
    def open(cls, paths: tuple[str, str]) -> Generation | None:
        """The pair, None where it is not there (or just being rotated away). Raises OSError."""
        try:
            index = os.open(paths[1], os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            output = os.open(paths[0], os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            os.close(index)
            return None
        status = os.fstat(index)
        generation = cls(output, index, (status.st_dev, status.st_ino))
        if identity(paths[1]) == generation.identity:
            return generation
        generation.close()  # renamed between the two: the output may be another generation's
        return None

    def close(self) -> None:
        os.close(self.output)
        os.close(self.index)

    def count(self) -> int:
        """How many records there are."""
        return os.fstat(self.index).st_size // RECORD.size

    def seek(self, position: int) -> None:
        """Go on with block number `position`."""
        self.position = position
        self.offset = self.block_at(position).offset if position else 0

    def block_at(self, position: int) -> Block:
        """Block number `position`, or the nearest readable one after it; beyond the end an empty one."""
        size = os.fstat(self.output).st_size
        while records := os.pread(self.index, RECORD.size * _RECORDS_AT_ONCE, position * RECORD.size):
            if (block := next(decode(records, size=size), None)) is not None:
                return block
            position += _RECORDS_AT_ONCE
        return Block(1 << 63, size, 0, STDOUT)

    def first_since(self, time_ns: int) -> int:
        """Number of the first block that came at `time_ns` or later. Times ascend, but for steps of the clock."""
        low, high = 0, self.count()
        while low < high:
            middle = (low + high) // 2
            if self.block_at(middle).time_ns < time_ns:
                low = middle + 1
            else:
                high = middle
        return low

    def blocks(self) -> Iterator[tuple[Block, bytes]]:
        """The blocks from `position` on with their bytes, up to what is there now; may be called again for more."""
        while records := os.pread(self.index, RECORD.size * _RECORDS_AT_ONCE, self.position * RECORD.size):
            whole = len(records) // RECORD.size
            if not whole:
                return
            yield from self._read(self._gapless(records))
            self.position += whole

    def backwards(self) -> Iterator[tuple[int, Block]]:
        """(number, block) from the last to the first, without their bytes."""
        size = os.fstat(self.output).st_size
        end = self.count()
        while end:
            start = max(0, end - _RECORDS_AT_ONCE)
            records = os.pread(self.index, (end - start) * RECORD.size, start * RECORD.size)
            for number in range(end - 1, start - 1, -1):
                at = (number - start) * RECORD.size
                for block in decode(records[at : at + RECORD.size], size=size):
                    yield number, block
            end = start

    def read(self, block: Block) -> bytes:
        """The bytes of one block."""
        return os.pread(self.output, block.length, block.offset)

    def ends_line(self, block: Block) -> bool:
        """Whether its last byte is a newline."""
        return os.pread(self.output, 1, block.end - 1) == b"\n"

    def _gapless(self, records: bytes) -> Iterator[Block]:
        """The blocks of some records, with recovered ones where bytes are not spoken of."""
        size = os.fstat(self.output).st_size
        time_ns, stream = 0, STDOUT
        for block in decode(records, size=size):
            if block.offset < self.offset:
                continue  # speaks of what has been read: damaged
            if block.offset > self.offset:
                yield from recovered(self.offset, block.offset, time_ns=time_ns or block.time_ns, stream=stream)
            time_ns, stream, self.offset = block.time_ns, block.stream, block.end
            yield block

    def _read(self, blocks: Iterator[Block]) -> Iterator[tuple[Block, bytes]]:
        """Each block with its bytes, many blocks with one read(2)."""
        start, data = 0, b""
        for block in blocks:
            if not start <= block.offset <= block.end <= start + len(data):
                start, data = block.offset, os.pread(self.output, max(block.length, _BYTES_AT_ONCE), block.offset)
            yield block, data[block.offset - start : block.end - start]


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a file, None where it is not there."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
