"""The bytes of an archive on their way from the file to the parser: hashed, counted, cut to size.

    ArchiveFile   the file as it is: large reads, its digest, the progress made
    Stream        the same after decompression: exact reads, and the limits that a bomb runs into

Beyond this module: what the bytes mean (tar) and how they were compressed (compression).
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from composer.frozen import frozen
from composer.hints import Iterator, Protocol

BLOCK = 256 << 10  # fits the second-level cache: a block is hashed and written while it is still there


class BadArchive(Exception):
    """An archive is damaged, hostile or no archive at all. The text says which, and follows a colon."""

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class Truncated(BadArchive):
    """An archive ends before it should."""


def quoted(name: bytes) -> str:
    """A name out of an archive, fit for a message: short, and nothing in it that a terminal obeys."""
    text = name[:200].decode(errors="backslashreplace")
    return f"'{text}'" if text.isprintable() else ascii(text)


class Progress(Protocol):
    """Told after each block of the archive that was read. What it raises ends the unpacking."""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` bytes of the archive file have been read."""


@frozen
class Limits:
    """What an archive may ask of this host. The defaults are several times what the largest images hold."""

    unpacked: int = 64 << 30  # bytes after decompression, and apparent bytes of all files together
    ratio: int = 200  # bytes after decompression for one before; deflate ends at 1032, zstd beyond 30,000
    ratio_applies_from: int = 1 << 30  # bytes after decompression: below it no ratio hurts
    members: int = 1_000_000  # files, directories, links; each costs an inode


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of an archive, for reading. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # nonblock: it may be a FIFO by now
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class ArchiveFile:
    """An open archive file: a reader of its blocks that knows its digest when all are read."""

    def __init__(self, descriptor: int, *, size: int, progress: Progress | None = None) -> None:
        self._descriptor = descriptor
        self._size = size
        self._progress = progress
        import hashlib  # loads OpenSSL, which is fast with long things

        self._digest = hashlib.sha256()
        self._ahead = b""
        self.done = 0  # bytes read so far

    def peek(self) -> bytes:
        """The first block, which the next read gives again."""
        self._ahead = self._ahead or self._read_block()
        return self._ahead

    def read(self, size: int = BLOCK) -> bytes:
        """At most `size` bytes; empty at the end of the file."""
        block = self._ahead or self._read_block()
        self._ahead = block[size:]
        return block[:size]

    def _read_block(self) -> bytes:
        block = os.read(self._descriptor, BLOCK)
        self._digest.update(block)
        self.done += len(block)
        if self._progress is not None and block:
            self._progress(self.done, self._size)
        return block

    def digest(self) -> str:
        """SHA-256 of the whole file, in hexadecimal. Reads what is left of it."""
        while self.read():
            pass
        return self._digest.hexdigest()


class Stream:
    """Blocks of any size as a stream of exact reads."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")
        self._start = 0  # position of the current block in the stream
        self._offset = 0  # what has been taken from it

    @property
    def position(self) -> int:
        """How many bytes have been taken."""
        return self._start + self._offset

    def read(self, size: int) -> bytes:
        """The next `size` bytes. Raises BadArchive where the stream ends before."""
        end = self._offset + size
        if end <= len(self._block):
            data = bytes(self._block[self._offset : end])
            self._offset = end
            return data
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes without copying them. Each piece is good until the next is asked for."""
        while size:
            if self._offset == len(self._block) and not self._next_block():
                raise Truncated(f"it ends too early, at byte {self.position}: it is truncated")
            piece = self._block[self._offset : self._offset + size]
            self._offset += len(piece)
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        """Leave out the next `size` bytes. Raises BadArchive where the stream ends before."""
        if self._offset + size <= len(self._block):
            self._offset += size
            return
        for _ in self.pieces(size):
            pass

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._offset == len(self._block) and not self._next_block()

    def drain(self) -> None:
        """Read to the end, so that checksums at the end of compressed data are compared."""
        while self._next_block():
            pass

    def _next_block(self) -> bool:
        block = next(self._blocks, b"")
        self._start += len(self._block)
        self._block = memoryview(block)
        self._offset = 0
        return bool(block)


def within(limits: Limits, blocks: Iterator[bytes], *, file: ArchiveFile) -> Iterator[bytes]:
    """Pass on decompressed `blocks` of `file` until they are more than `limits` allow. Raises BadArchive."""
    unpacked = 0
    for block in blocks:
        unpacked += len(block)
        if unpacked > limits.unpacked:
            raise BadArchive(f"it holds more than {limits.unpacked:,} bytes: a decompression bomb?")
        if unpacked > limits.ratio_applies_from and unpacked > limits.ratio * file.done:
            raise BadArchive(
                f"it unpacks to more than {limits.ratio} times its size: a decompression bomb?",
                hint="archive files that are mostly holes with `tar --sparse`",
            )
        yield block
