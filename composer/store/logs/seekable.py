"""Files that stand still, compressed, and yet read from any place: zstd's seekable format.

    frame   skippable, 0x184D2A50   whose content this is (device and inode of the plain index)
    frame   zstd                    the first FRAME bytes
    ...
    frame   skippable, 0x184D2A5E   seek table: compressed and plain size of each frame before; a footer tells it is one

`zstdcat` reads such a file, and a frame is all that has to be decompressed to get at a byte. zstd and not gzip, since
it takes a tenth of the time: compressing may not cost more than logging. zstandard is imported when it is needed.
The format: github.com/facebook/zstd, contrib/seekable_format/zstd_seekable_compression_format.md
"""

from __future__ import annotations

import bisect
import os
import struct

from composer.frozen import frozen

FRAME = 1 << 20  # bytes of content
_LEVEL = 3
_SKIPPABLE = struct.Struct("<II")  # magic, size of what follows
_OWNER = struct.Struct("<QQ")
_OWNER_MAGIC = 0x184D2A50
_TABLE_MAGIC = 0x184D2A5E
_ENTRY = struct.Struct("<II")  # compressed size, plain size
_FOOTER = struct.Struct("<IBI")  # number of frames, descriptor, magic
_FOOTER_MAGIC = 0x8F92EAB1
_HAS_CHECKSUMS = 0x80

Owner = tuple[int, int]


class DamagedFile(OSError):
    """It is not what `compress` has written."""


def compress(source: int, target: int, *, owner: Owner) -> None:
    """Write the content of the file `source` to `target`, which is empty, and have the disk keep it. Raises OSError."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    table = [_ENTRY.pack(_SKIPPABLE.size + _OWNER.size, 0)]
    _write_all(target, _SKIPPABLE.pack(_OWNER_MAGIC, _OWNER.size) + _OWNER.pack(*owner))
    offset = 0
    while content := os.pread(source, FRAME, offset):
        frame = compressor.compress(content)
        _write_all(target, frame)
        table.append(_ENTRY.pack(len(frame), len(content)))
        offset += len(content)
    body = b"".join(table) + _FOOTER.pack(len(table), 0, _FOOTER_MAGIC)
    _write_all(target, _SKIPPABLE.pack(_TABLE_MAGIC, len(body)) + body)
    os.fsync(target)  # the plain file is removed next


@frozen
class _Frame:
    start: int  # in the plain content
    size: int
    at: int  # in the file
    length: int


class SeekableFile:
    """One file that `compress` has written, open for reading."""

    def __init__(self, descriptor: int) -> None:
        """Owns `descriptor`. Raises DamagedFile, and then does not."""
        self.descriptor = descriptor
        size = os.fstat(descriptor).st_size
        self._frames = _frames(descriptor, size)
        self._starts = [frame.start for frame in self._frames]
        from functools import lru_cache  # not for logs that are not compressed

        self._content = lru_cache(maxsize=2)(self._decompress)
        last = self._frames[-1] if self._frames else _Frame(0, 0, 0, 0)
        self._size = last.start + last.size

    def size(self) -> int:
        """Bytes of plain content."""
        return self._size

    def pread(self, length: int, offset: int) -> bytes:
        """pread(2) on the plain content. Raises DamagedFile."""
        pieces = []
        number = bisect.bisect_right(self._starts, offset) - 1
        while length > 0 and 0 <= number < len(self._frames):
            begin = offset - self._starts[number]
            piece = self._content(number)[begin : begin + length]
            if not piece:
                break
            pieces.append(piece)
            length -= len(piece)
            offset += len(piece)
            number += 1
        return b"".join(pieces)

    def close(self) -> None:
        self._content.cache_clear()
        os.close(self.descriptor)

    def owner(self) -> Owner:
        """Whose content it is. Raises DamagedFile."""
        head = os.pread(self.descriptor, _SKIPPABLE.size + _OWNER.size, 0)
        if len(head) < _SKIPPABLE.size + _OWNER.size or _SKIPPABLE.unpack_from(head)[0] != _OWNER_MAGIC:
            raise DamagedFile("its beginning is damaged")
        device, inode = _OWNER.unpack_from(head, _SKIPPABLE.size)
        return device, inode

    def _decompress(self, number: int) -> bytes:
        import zstandard

        frame = self._frames[number]
        data = os.pread(self.descriptor, frame.length, frame.at)
        try:
            content: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=FRAME)
        except zstandard.ZstdError as error:
            raise DamagedFile(f"its compressed data is damaged ({error})") from error
        return content


def _frames(descriptor: int, size: int) -> list[_Frame]:
    """The frames that have content, from the table at the end."""
    footer = os.pread(descriptor, _FOOTER.size, max(0, size - _FOOTER.size))
    if len(footer) < _FOOTER.size:
        raise DamagedFile("it is too short")
    count, described, magic = _FOOTER.unpack(footer)
    length = _ENTRY.size * count
    if magic != _FOOTER_MAGIC or described & _HAS_CHECKSUMS or length + _FOOTER.size > size:
        raise DamagedFile("its seek table is damaged")
    frames, start, at = [], 0, 0
    for compressed, plain in _ENTRY.iter_unpack(os.pread(descriptor, length, size - _FOOTER.size - length)):
        if plain > FRAME or at + compressed > size:
            raise DamagedFile("its seek table is damaged")
        if plain:
            frames.append(_Frame(start, plain, at, compressed))
        start, at = start + plain, at + compressed
    return frames


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
