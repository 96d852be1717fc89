"""Appending to a container's log: write, rotate, repair.

Beyond this module: what to do when the disk is full (OSError goes to the caller) and which output is dropped when
the container is faster than the disk (`LogPolicy.mode`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from composer.spec.container import LogPolicy
from composer.store.logs.block import NOTICE, RECORD, STDOUT, Block, decode, encode, recovered

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class LogWriter:
    """The one writer of a log."""

    directory: str
    policy: LogPolicy
    output: int  # descriptors; -1 where nothing is kept
    index: int
    size: int  # of `output`, in bytes

    @classmethod
    def open(cls, directory: str, policy: LogPolicy) -> LogWriter:
        """The log in `directory`, made where it is missing, repaired where a crash has left it. Raises OSError."""
        writer = cls(directory, policy, output=-1, index=-1, size=0)
        if not policy.discard:
            os.makedirs(directory, mode=0o750, exist_ok=True)
            _finish_rotation(directory)
            writer._open_files()
            writer._repair()
        return writer

    def write(self, stream: int, data: bytes, *, time_ns: int, notice: bool = False) -> None:
        """Append what arrived on `stream` (STDOUT or STDERR) at wall-clock time `time_ns`.

        Raises OSError, ENOSPC for one; what was written until then is in the log.
        """
        if self.policy.discard or not data:
            return
        if self.policy.max_size is not None and self.size >= self.policy.max_size:
            self._rotate()
        written = 0
        try:
            while written < len(data):
                written += os.write(self.output, data[written:] if written else data)
        finally:
            if written:
                self._append(Block(time_ns, self.size, written, stream, NOTICE if notice else 0))

    def close(self) -> None:
        """Close the files; the log may be opened again."""
        for descriptor in (self.output, self.index):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.index = -1

    def _append(self, block: Block) -> None:
        self.size = block.end
        os.write(self.index, encode(block))

    def _open_files(self) -> None:
        # `output` first: a reader that finds a new `index` finds its `output` too
        self.output = os.open(f"{self.directory}/output", _FLAGS, 0o640)
        self.index = os.open(f"{self.directory}/index", _FLAGS, 0o640)
        self.size = os.fstat(self.output).st_size

    def _repair(self) -> None:
        """Make index and output agree: a crash came between the two writes, or the disk lost the end of one."""
        records = os.fstat(self.index).st_size // RECORD.size
        last: Block | None = None
        while records and last is None:
            last = next(decode(os.pread(self.index, RECORD.size, (records - 1) * RECORD.size), size=self.size), None)
            records -= last is None
        os.ftruncate(self.index, records * RECORD.size)
        time_ns = os.fstat(self.output).st_mtime_ns
        for block in recovered(last.end if last else 0, self.size, time_ns=time_ns, stream=STDOUT):
            self._append(block)

    def _rotate(self) -> None:
        self.close()
        kept = self.policy.max_file
        _remove_pair(self.directory, kept - 1)
        for number in range(kept - 2, -1, -1):
            _move_pair(self.directory, number)
        self._open_files()


def pair(directory: str, number: int) -> tuple[str, str]:
    """The paths of `output` and `index` after `number` rotations."""
    suffix = f".{number}" if number else ""
    return f"{directory}/output{suffix}", f"{directory}/index{suffix}"


def _remove_pair(directory: str, number: int) -> None:
    # removed and not truncated: readers hold these files
    for path in pair(directory, max(number, 0)):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def _move_pair(directory: str, number: int) -> None:
    for path, older in zip(pair(directory, number), pair(directory, number + 1), strict=True):
        try:
            os.rename(path, older)
        except FileNotFoundError:
            pass


def _finish_rotation(directory: str) -> None:
    """A crash between the two renames of the newest pair leaves an `index` whose `output` is `output.1`."""
    output, index = pair(directory, 0)
    if os.path.exists(index) and not os.path.exists(output):
        os.rename(index, pair(directory, 1)[1])
