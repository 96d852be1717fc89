"""One pair of log files, held open: its blocks in order, by number, by time.

Blocks are numbered by their record in the index. What the index does not speak of, because records were damaged or
lost, is attributed to the stream and time of the block before, so that no byte of `output` is kept from the reader.
"""

from __future__ import annotations

import os
import time

from composer.frozen import frozen, mutable
from composer.hints import Callable, Iterator, Protocol
from composer.store.logs import files
from composer.store.logs.block import LAST_ERA, NOTICE, RECORD, STDERR, STDOUT, Block, decode, encode, recovered
from composer.store.logs.seekable import DamagedFile, SeekableFile

_RECORDS_AT_ONCE = 4096
_BYTES_AT_ONCE = 1 << 20
_IN_FLIGHT_NS = 100_000_000  # a writer needs microseconds between the end of `output` and its record

Span = tuple[int, int]  # numbers of blocks, the second exclusive


class Content(Protocol):
    """A file, open for reading; what is in it may be compressed."""

    @property
    def descriptor(self) -> int: ...
    def size(self) -> int: ...
    def pread(self, length: int, offset: int) -> bytes: ...
    def close(self) -> None: ...


@frozen
class PlainFile:
    """A file as it is. Owns the descriptor."""

    descriptor: int

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def pread(self, length: int, offset: int) -> bytes:
        return os.pread(self.descriptor, length, offset)

    def close(self) -> None:
        os.close(self.descriptor)


@frozen
class Told:
    """What is said in the place of a file that cannot be read."""

    text: bytes
    descriptor: int

    def size(self) -> int:
        return len(self.text)

    def pread(self, length: int, offset: int) -> bytes:
        return self.text[offset : offset + length]

    def close(self) -> None:
        os.close(self.descriptor)


@mutable
class Generation:
    """An `output` and its `index`. `position` and `offset` say how far `blocks` has come."""

    output: Content
    index: Content
    identity: tuple[int, int]  # device and inode of the index, of the plain one where it is compressed
    number: int = 0  # of rotations it had seen when it was opened
    position: int = 0  # number of the next block
    offset: int = 0  # where in `output` that block should be
    spans: list[Span] | None = None  # the only blocks that are wanted of the first `bound`
    bound: int = 0

    @classmethod
    def open(cls, directory: str, number: int) -> Generation | None:
        """The pair, None where it is not there (or just being moved away). Raises OSError.

        In the place of a compressed one that is damaged there is a line that says so.
        """
        if (plain := _open_plain(files.pair(directory, number))) is not None:
            return plain
        paths = files.pair(directory, number, compressed=True)
        try:
            return _open_compressed(paths)
        except DamagedFile as error:
            return _told(error, os.stat(paths[0]))

    @classmethod
    def open_torn(cls, directory: str, number: int, *, stranded: bool) -> Generation | None:
        """An `output` whose index is missing: `stranded` where a move of both was cut short, or gone. Raises OSError.

        Without an index, time and stream of what is in it are a guess.
        """
        try:
            output = os.open(files.pair(directory, number)[0], os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            path = files.pair(directory, number - 1)[1] if stranded and number else os.devnull
            index = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            index = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(output)
        return cls(PlainFile(output), PlainFile(index), (-status.st_dev, -status.st_ino))

    def close(self) -> None:
        self.output.close()
        self.index.close()

    @property
    def is_plain(self) -> bool:
        return isinstance(self.output, PlainFile)

    def count(self) -> int:
        """How many records there are."""
        return self.index.size() // RECORD.size

    def seek(self, position: int) -> None:
        """Go on with block number `position`."""
        self.position = position
        self.offset = self.block_at(position).offset if position else 0

    def seek_end(self) -> None:
        """Leave out what there is."""
        self.position, self.offset, self.spans = self.count(), self.output.size(), None

    def want(self, spans: list[Span], *, count: int) -> None:
        """Have `blocks` leave out all but these of the first `count`; what comes later is for the next time."""
        self.spans, self.bound = spans, count

    def block_at(self, position: int) -> Block:
        """Block number `position`, or the nearest readable one after it; beyond the end an empty one."""
        size, amount = self.output.size(), 1
        while records := self.index.pread(RECORD.size * amount, position * RECORD.size):
            if (block := next(decode(records, size=size), None)) is not None:
                return block
            position += amount
            amount = _RECORDS_AT_ONCE
        return Block(1 << 63, self._spoken_end(self.count(), size), 0, STDOUT, LAST_ERA << 4)

    def within(self, since_ns: int | None, until_ns: int | None) -> list[Span]:
        """Where the blocks are that came within this time, both ends included: a span for each era at most.

        Only the blocks of an era beyond counting, which has seen many steps of the clock, are looked at one by one.
        """
        low, high = since_ns or 0, 1 << 64 if until_ns is None else until_ns
        spans: list[Span] = []
        start, count = 0, self.count()
        while start < count:
            era = self.block_at(start).era
            end = self._bisect(start, count, lambda block, era=era: block.era > era)  # type: ignore[misc]  # a default
            if era == LAST_ERA:
                spans += self._one_by_one(start, end, low, high)
            else:
                first = self._bisect(start, end, lambda block: block.time_ns >= low)
                last = self._bisect(first, end, lambda block: block.time_ns > high)
                if first < last:
                    spans.append((first, last))
            start = end
        return spans

    def blocks(self, *, waits: bool = False) -> Iterator[tuple[Block, bytes]]:
        """The blocks from `position` on with their bytes, up to what is there now; may be called again for more.

        Bytes that no record speaks of, as a crash and an emptied index leave them, come last; `waits`: if they
        are so new that their record may be under way, it is given the time that takes.
        """
        limit = self.count()
        if self.position > limit:  # somebody has emptied the index: what it says anew is told apart by its offsets
            self.position = 0
        if self.offset > self.output.size():  # ... or the output
            self.offset = 0
        if self.spans is not None:
            spans, self.spans, limit = self.spans, None, min(self.bound, limit)
            for first, end in spans:
                self.seek(first)
                yield from self._spoken(end)
            self.seek(limit)
        yield from self._spoken(limit)
        yield from self._unspoken(waits=waits)

    def backwards(self) -> Iterator[tuple[int, Block]]:
        """(number, block) from the last to the first, without their bytes; at first what no record speaks of."""
        size, count = self.output.size(), self.count()
        spoken = self._spoken_end(count, size)
        if spoken < size:
            yield count, Block(0, spoken, size - spoken, STDOUT)
        yield from self._records_backwards(count, size)

    def newlines(self, block: Block) -> int:
        """How many lines end in a block."""
        pieces = range(block.offset, block.end, _BYTES_AT_ONCE)
        return sum(self.output.pread(min(_BYTES_AT_ONCE, block.end - start), start).count(b"\n") for start in pieces)

    def ends_line(self, block: Block) -> bool:
        """Whether its last byte is a newline."""
        return self.output.pread(1, block.end - 1) == b"\n"

    def _bisect(self, low: int, high: int, is_beyond: Callable[[Block], bool]) -> int:
        """The first block of some that is beyond, where all after it are."""
        while low < high:
            middle = (low + high) // 2
            if is_beyond(self.block_at(middle)):
                high = middle
            else:
                low = middle + 1
        return low

    def _one_by_one(self, start: int, end: int, low: int, high: int) -> Iterator[Span]:
        size = self.output.size()
        for position in range(start, end):
            record = self.index.pread(RECORD.size, position * RECORD.size)
            if any(low <= block.time_ns <= high for block in decode(record, size=size)):
                yield position, position + 1

    def _spoken(self, limit: int) -> Iterator[tuple[Block, bytes]]:
        while self.position < limit:
            amount = min(_RECORDS_AT_ONCE, limit - self.position)
            records = self.index.pread(RECORD.size * amount, self.position * RECORD.size)
            whole = len(records) // RECORD.size
            if not whole:
                return
            yield from self._read(self._gapless(records))
            self.position += whole

    def _unspoken(self, *, waits: bool) -> Iterator[tuple[Block, bytes]]:
        size = self.output.size()
        if self.offset >= size or self.count() > self.position:
            return
        age_ns = abs(time.time_ns() - self.modified_ns())
        if age_ns < _IN_FLIGHT_NS and self.is_plain:
            if not waits:
                return
            time.sleep((_IN_FLIGHT_NS - age_ns) / 1e9)
            yield from self._spoken(self.count())
        blocks = list(recovered(self.offset, size, time_ns=self.modified_ns(), stream=STDOUT))
        self.offset = max(self.offset, size)
        yield from self._read(iter(blocks))

    def modified_ns(self) -> int:
        """When `output` was written to last, wall clock."""
        return os.fstat(self.output.descriptor).st_mtime_ns

    def _spoken_end(self, count: int, size: int) -> int:
        return next((block.end for _, block in self._records_backwards(count, size)), 0)

    def _records_backwards(self, end: int, size: int) -> Iterator[tuple[int, Block]]:
        while end:
            start = max(0, end - _RECORDS_AT_ONCE)
            records = self.index.pread((end - start) * RECORD.size, start * RECORD.size)
            for number in range(end - 1, start - 1, -1):
                at = (number - start) * RECORD.size
                for block in decode(records[at : at + RECORD.size], size=size):
                    yield number, block
            end = start

    def _gapless(self, records: bytes) -> Iterator[Block]:
        """The blocks of some records, with recovered ones where bytes are not spoken of."""
        size = self.output.size()
        time_ns, stream = 0, STDOUT
        for spoken in decode(records, size=size):
            if spoken.end <= self.offset:
                continue  # speaks of what has been read: damaged
            block = spoken.without(max(0, self.offset - spoken.offset))
            if block.offset > self.offset:
                yield from recovered(self.offset, block.offset, time_ns=time_ns or block.time_ns, stream=stream)
            time_ns, stream, self.offset = block.time_ns, block.stream, block.end
            yield block

    def _read(self, blocks: Iterator[Block]) -> Iterator[tuple[Block, bytes]]:
        """Each block with its bytes, many blocks with one read(2)."""
        start, data = 0, b""
        for block in blocks:
            if not start <= block.offset <= block.end <= start + len(data):
                start, data = block.offset, self.output.pread(max(block.length, _BYTES_AT_ONCE), block.offset)
            yield block, data[block.offset - start : block.end - start]


def _open_plain(paths: files.Pair) -> Generation | None:
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
    generation = Generation(PlainFile(output), PlainFile(index), (status.st_dev, status.st_ino))
    if files.identity(paths[1]) == generation.identity:
        return generation
    generation.close()  # renamed between the two: the output may be another generation's
    return None


def _open_compressed(paths: files.Pair) -> Generation | None:
    opened: list[SeekableFile] = []
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            break
        try:
            opened.append(SeekableFile(descriptor))
        except DamagedFile as error:
            os.close(descriptor)
            _close(opened)
            raise DamagedFile(f"cannot read {os.path.basename(path)}: {error}") from error
    if len(opened) == 2 and opened[0].owner() == opened[1].owner():
        return Generation(opened[0], opened[1], opened[0].owner())
    _close(opened)
    return None


def _told(error: DamagedFile, status: os.stat_result) -> Generation:
    text = notice(error)
    record = encode(Block(status.st_mtime_ns, 0, len(text), STDERR, NOTICE))
    output, index = (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(2))
    return Generation(Told(text, output), Told(record, index), (-status.st_dev, status.st_ino))


def notice(error: DamagedFile) -> bytes:
    """What is printed where something cannot be read."""
    return f"pycompose: {error}\n".encode(errors="surrogateescape")


def _close(opened: list[SeekableFile]) -> None:
    for file in opened:
        file.close()
