"""Appending to a container's log: write, rotate, repair.

Beyond this module: what to do when the disk is full (OSError goes to the caller), which output is dropped when the
container is faster than the disk (`LogPolicy.mode`), and compressing what was rotated (`packing`).

    1. pwrite   the block's record, its length left open, to `next`
    2. splice   from the pipe to the end of `output`: the kernel takes from the pipe what it has put into the file,
                so that wherever this process is killed, each byte is in one of the two
    3. write    the record to the end of `index`

A crash between 2 and 3 leaves bytes that no record speaks of: whose they are, and when they came, is in `next`.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from composer.frozen import mutable, replace
from composer.hints import Iterable
from composer.spec.container import LogPolicy
from composer.store.logs import files
from composer.store.logs.block import NOTICE, RECORD, STDOUT, Block, decode, encode, recovered

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_AT_ONCE = 256 * 1024  # bytes
_LEEWAY = 16  # pairs above the policy's number that are kept for followers who lag behind


@mutable
class LogWriter:
    """The one writer of a log."""

    directory: str
    policy: LogPolicy
    output: int  # descriptors; -1 where nothing is kept
    index: int
    size: int  # of `output`, in bytes
    last: Block | None = None  # of this pair, the last one
    rotations: int = 0
    next: int = -1  # descriptor of the record of what is being written
    obstacle: OSError | None = None  # why the last rotation could not be done; output goes on into the same files
    _unrecorded: bytes = b""  # the record of what is in `output` already

    @classmethod
    def open(cls, directory: str, policy: LogPolicy) -> LogWriter:
        """The log in `directory`, made where it is missing, repaired where a crash has left it. Raises OSError."""
        writer = cls(directory, policy, output=-1, index=-1, size=0)
        if not policy.discard:
            writer._open_or_make()
        return writer

    def write(self, stream: int, data: bytes, *, time_ns: int, notice: bool = False) -> int:
        """Append what arrived on `stream` (STDOUT or STDERR) at wall-clock time `time_ns`; how many bytes were not.

        Raises OSError, ENOSPC for one, where none was. Whatever was written is spoken of sooner or later.
        """
        if self.policy.discard or not data:
            return 0
        block = self._begin(stream, time_ns, NOTICE if notice else 0)
        written = 0
        try:
            while written < len(data):
                written += self._put(data[written:] if written else data, block.offset + written)
        except OSError:
            if not written:
                raise
        self._append(replace(block, length=written))
        return len(data) - written

    def _put(self, data: bytes, offset: int) -> int:
        try:
            return os.pwrite(self.output, data, offset)
        except OSError as error:
            if error.errno != errno.ESPIPE:
                raise
            return os.write(self.output, data)  # somebody has put a FIFO in its place

    def move(self, pipe: int, stream: int, *, time_ns: int) -> int:
        """Append what is in a pipe, as `write` does, and take it from there; how many bytes, 0 at its end.

        Raises OSError: BlockingIOError where there is nothing, EINVAL where the file system cannot do this.
        """
        block = self._begin(stream, time_ns, 0)
        moved = os.splice(pipe, self.output, _AT_ONCE, offset_dst=block.offset, flags=os.SPLICE_F_NONBLOCK)
        if moved:
            self._append(replace(block, length=moved))
        return moved

    def close(self) -> None:
        """Close the files; the log may be opened again."""
        for descriptor in (self.output, self.index, self.next):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.index = self.next = -1

    def _begin(self, stream: int, time_ns: int, flags: int) -> Block:
        """Say what is about to be written, and where; its length is not known yet. Raises OSError."""
        self._look_after_files()
        if self._unrecorded:
            self._record(self._unrecorded)
        block = Block(time_ns, self.size, 0, stream, flags)
        if self.next >= 0:
            with suppress(OSError):  # without it a crash would have us guess
                os.pwrite(self.next, encode(block), 0)
        return block

    def _look_after_files(self) -> None:
        """Rotate where it is time; and take note of what somebody else has done to the files.

        Emptying or removing a log by hand is what people do when a disk is full.
        """
        status = os.fstat(self.output) if self.output >= 0 else None
        if status is None or not status.st_nlink:
            self.close()
            self._open_or_make()
        elif status.st_size < self.size:
            os.ftruncate(self.index, 0)
            self.size, self.last, self._unrecorded = status.st_size, None, b""
        elif status.st_size > self.size:
            self.size = status.st_size  # somebody has added to it
        elif self.policy.max_size is not None and self.size >= self.policy.max_size:
            self._rotate()

    def _append(self, block: Block) -> None:
        self.last = block.in_order_after(self.last)
        self.size = block.end
        try:
            self._record(encode(self.last))
        except OSError:
            pass  # the disk is full: it is kept, and comes before anything else

    def _record(self, record: bytes) -> None:
        """Append one record, whole or not at all. Raises OSError."""
        self._unrecorded = record
        written = os.write(self.index, record)
        if written < len(record):
            os.ftruncate(self.index, os.fstat(self.index).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._unrecorded = b""

    def _open_or_make(self) -> None:
        os.makedirs(self.directory, mode=0o750, exist_ok=True)
        with files.locked(self.directory):
            files.mend(self.directory)
        self._open_files()
        with suppress(OSError):
            self.next = os.open(f"{self.directory}/{files.NEXT}", _FLAGS, 0o640)
        self._repair()

    def _open_files(self) -> None:
        # `output` first: a reader that finds a new `index` finds its `output` too
        output, index = files.pair(self.directory, 0)
        self.output = os.open(output, _FLAGS, 0o640)
        try:
            self.index = os.open(index, _FLAGS | os.O_APPEND, 0o640)
        except OSError:
            if not os.fstat(self.output).st_size:
                os.unlink(output)
            os.close(self.output)
            self.output = -1
            raise
        self.size, self.last, self._unrecorded = os.fstat(self.output).st_size, None, b""

    def _repair(self) -> None:
        """Make index and output agree: a crash came between the two writes, or the disk lost the end of one."""
        records = os.fstat(self.index).st_size // RECORD.size
        last: Block | None = None
        while records and last is None:
            last = next(decode(os.pread(self.index, RECORD.size, (records - 1) * RECORD.size), size=self.size), None)
            records -= last is None
        os.ftruncate(self.index, records * RECORD.size)
        self.last = last
        for block in self._unspoken(last.end if last else 0):
            self._append(block)

    def _unspoken(self, start: int) -> Iterable[Block]:
        """What is in `output` from `start` on and in no record. A half-written line of ours is taken out again."""
        said = self._said_next()
        if said is None or said.offset != start:
            time_ns = max(os.fstat(self.output).st_mtime_ns, self.last.time_ns if self.last else 0)
            return recovered(start, self.size, time_ns=time_ns, stream=STDOUT)
        if start < self.size and said.flags & NOTICE and os.pread(self.output, 1, self.size - 1) != b"\n":
            os.ftruncate(self.output, start)
            self.size = start
        return (replace(said, length=self.size - start),) if start < self.size else ()

    def _said_next(self) -> Block | None:
        if self.next < 0:
            return None
        return next(decode(os.pread(self.next, RECORD.size, 0), size=self.size), None)

    def _rotate(self) -> None:
        output, index = self.output, self.index
        try:
            with files.locked(self.directory):
                files.shift(self.directory)
                files.prune(self.directory, kept=self.policy.max_file - 1, at_most=self.policy.max_file - 1 + _LEEWAY)
            self._open_files()
        except OSError as error:
            # read-only, out of descriptors: better too large a file than none
            self.output, self.index, self.obstacle = output, index, error
            return
        os.close(output)
        os.close(index)
        self.rotations += 1
        self.obstacle = None
