"""Appending to a container's log: write, rotate, repair.

Beyond this module: what to do when the disk is full (OSError goes to the caller), which output is dropped when the
container is faster than the disk (`LogPolicy.mode`), and compressing what was rotated (`packing`).
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from composer.spec.container import LogPolicy
from composer.store.logs import files
from composer.store.logs.block import NOTICE, RECORD, STDOUT, Block, decode, encode, recovered

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_LEEWAY = 16  # pairs above the policy's number that are kept for followers who lag behind


@dataclass(slots=True)
class LogWriter:
    """The one writer of a log."""

    directory: str
    policy: LogPolicy
    output: int  # descriptors; -1 where nothing is kept
    index: int
    size: int  # of `output`, in bytes
    last: Block | None = None  # of this pair, the last one
    rotations: int = 0
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
        self._look_after_files()
        if self._unrecorded:
            self._record(self._unrecorded)
        written = 0
        try:
            while written < len(data):
                written += os.write(self.output, data[written:] if written else data)
        except OSError:
            if not written:
                raise
        self._append(Block(time_ns, self.size, written, stream, NOTICE if notice else 0))
        return len(data) - written

    def close(self) -> None:
        """Close the files; the log may be opened again."""
        for descriptor in (self.output, self.index):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.index = -1

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
        self._repair()

    def _open_files(self) -> None:
        # `output` first: a reader that finds a new `index` finds its `output` too
        output, index = files.pair(self.directory, 0)
        self.output = os.open(output, _FLAGS, 0o640)
        try:
            self.index = os.open(index, _FLAGS, 0o640)
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
        time_ns = max(os.fstat(self.output).st_mtime_ns, last.time_ns if last else 0)
        self.last = last
        for block in recovered(last.end if last else 0, self.size, time_ns=time_ns, stream=STDOUT):
            self._append(block)

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
