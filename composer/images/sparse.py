"""Sparse members: which parts of a file the archive holds; the rest is holes.

Four formats are in use, all of GNU tar ("Storing Sparse Files" in its manual): the old one with the map in the
header, and pax 0.0, 0.1 (the map in a record) and 1.0 (the map before the data).
Beyond this module: writing the file.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.images import pax
from composer.images.stream import BadArchive, Stream

MAX_EXTENTS = 1 << 18  # a gigabyte in which every other page is a hole has half of this

_MAJOR = b"GNU.sparse.major"
_MAP = b"GNU.sparse.map"


@frozen
class Sparse:
    """A file of `size` bytes of which the (offset, length) `extents` are stored, one after the other."""

    size: int
    extents: tuple[tuple[int, int], ...]

    @property
    def stored(self) -> int:
        """Bytes that the archive holds."""
        return sum([length for _, length in self.extents])


def from_records(records: pax.Records, stream: Stream) -> Sparse | None:
    """The map of a member with these pax records, None for an ordinary one. Format 1.0 reads it from `stream`."""
    if records.get(_MAJOR) == b"1":
        return _checked(pax.number(records.get(b"GNU.sparse.realsize", b"")), _map_before_data(stream))
    if _MAP in records:
        numbers = [pax.number(text) for text in records[_MAP].split(b",") if text]
        return _checked(pax.number(records.get(b"GNU.sparse.size", b"")), numbers)
    return None


def _map_before_data(stream: Stream) -> list[int]:
    """Decimal numbers, one a line: how many extents, then each one's offset and length; padded to 512 bytes."""
    lines = _Lines(stream)
    count = lines.number()
    if count > MAX_EXTENTS:
        raise BadArchive(f"a sparse file has more than {MAX_EXTENTS:,} extents")
    return [lines.number() for _ in range(2 * count)]


class _Lines:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._held = b""

    def number(self) -> int:
        while b"\n" not in self._held:
            if len(self._held) > 32:
                raise BadArchive("the map of a sparse file is damaged")
            self._held += self._stream.read(512)
        line, _, self._held = self._held.partition(b"\n")
        return pax.number(line)


def from_old_header(numbers: list[int], *, size: int) -> Sparse:
    """The map of an old GNU header: offset, length, offset, length ... of the used slots."""
    return _checked(size, numbers)


def _checked(size: int, numbers: list[int]) -> Sparse:
    if len(numbers) % 2 or len(numbers) > 2 * MAX_EXTENTS:
        raise BadArchive("the map of a sparse file is damaged")
    extents = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    end = 0
    for offset, length in extents:
        if offset < end or offset + length > size:
            raise BadArchive("the map of a sparse file is damaged")
        end = offset + length
    return Sparse(size, extents)
