"""Compressed files told apart by their first bytes, and decompressed block by block.

A name is not asked: `docker export | gzip > rootfs.tar` is common. Beyond this module: what is in the blocks.

All decoders are bounded: no call gives more than a block, and a window or dictionary that would take more than
MEMORY is refused, since it is the file that asks for it. zstandard and the others are imported when needed.
"""

from __future__ import annotations

from typing import Protocol

from composer.errors import MissingFeature
from composer.hints import Callable, Iterator
from composer.images.stream import BLOCK, ArchiveFile, BadArchive

MEMORY = 256 << 20  # `xz -9` needs 65 MiB, `zstd -19 --long` 128 MiB

USTAR_MAGIC = slice(257, 262)


def decompressed(file: ArchiveFile) -> Iterator[bytes]:
    """The content of `file` in blocks, whatever it is compressed with. Raises BadArchive, OSError, MissingFeature."""
    start = file.peek()
    if start[USTAR_MAGIC] != b"ustar":  # else the first member's name may look like anything
        for magic, what in _UNREADABLE.items():
            if start.startswith(magic):
                raise BadArchive(f"it is {what}, not a tar archive")
        for magic, decode in _FORMATS.items():
            if start.startswith(magic):
                return decode(file)
    return _plain(file)


class _Decoder(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def _plain(file: ArchiveFile) -> Iterator[bytes]:
    while block := file.read():
        yield block


def _gzip(file: ArchiveFile) -> Iterator[bytes]:
    import zlib

    return _decoded(file, _GzipDecoder, damage=(zlib.error,))


def _bzip2(file: ArchiveFile) -> Iterator[bytes]:
    import bz2

    return _decoded(file, bz2.BZ2Decompressor, damage=(OSError, ValueError))


def _xz(file: ArchiveFile) -> Iterator[bytes]:
    import lzma

    def new_decoder() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)

    return _decoded(file, new_decoder, damage=(lzma.LZMAError,))


def _zstd(file: ArchiveFile) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise MissingFeature(
            "cannot read zstd: the Python package zstandard is not installed", hint="pip install zstandard"
        ) from error
    decoder = zstandard.ZstdDecompressor(max_window_size=MEMORY)
    reader = decoder.stream_reader(
        file,  # type: ignore[arg-type]  # read() is all of a file that it uses
        read_size=BLOCK,
        read_across_frames=True,
    )
    try:
        while block := reader.read(BLOCK):
            yield block
    except zstandard.ZstdError as error:
        raise _damaged(error) from error


def _decoded(
    file: ArchiveFile, new_decoder: Callable[[], _Decoder], *, damage: tuple[type[Exception], ...]
) -> Iterator[bytes]:
    """All streams of `file`, one after the other: pigz, pbzip2 and `xz -T` write many, `cat` joins some."""
    decoder = new_decoder()
    data = file.read()
    while True:
        try:
            block = decoder.decompress(data, BLOCK)
        except damage as error:
            raise _damaged(error) from error
        if block:
            yield block
        data = b""
        if decoder.eof:
            data = _next_stream(file, decoder.unused_data)
            if not data:
                return
            decoder = new_decoder()
        elif decoder.needs_input:
            data = file.read()
            if not data:
                raise BadArchive("its compressed data ends too early: it is truncated")


def _next_stream(file: ArchiveFile, rest: bytes) -> bytes:
    """What follows a complete stream, without the zeros that pad it to a tape's block; empty at the end."""
    rest = rest.lstrip(b"\0")
    while not rest and (block := file.read()):
        rest = block.lstrip(b"\0")
    return rest


def _damaged(error: Exception) -> BadArchive:
    return BadArchive(f"its compressed data is damaged ({error})")


class _GzipDecoder:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # a gzip header, its checksum compared
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = BLOCK) -> bytes:
        block = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail
        return block


_FORMATS: dict[bytes, Callable[[ArchiveFile], Iterator[bytes]]] = {
    b"\x1f\x8b\x08": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\0": _xz,
    b"\x28\xb5\x2f\xfd": _zstd,
    **{bytes((0x50 + n,)) + b"\x2a\x4d\x18": _zstd for n in range(16)},  # pzstd begins with a skippable frame
}

_UNREADABLE = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"hsqs": "a squashfs image",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"\x1f\x9d": "compressed with compress(1)",
    b"\x7fELF": "an executable",
    b"!<arch>\n": "an ar archive or a Debian package",
    b"QFI\xfb": "a qcow2 disk image",
}
