"""Tar archives as a stream of members: ustar, pax, GNU and the v7 format, read once from front to back.

The standard library's tarfile reads extended headers of any length into memory, gives names as text and takes
twice as long per header; what it is good at beyond that, extraction, is done by `unpack` by other means.
Sources: ustar and pax as pax(1) of POSIX, GNU's own headers as tar.h of GNU tar ("Basic Tar Format").

    stream:  [x header][pax records] [L header][long name] [header][data, padded to 512] ... [0 * 512][0 * 512]

Beyond this module: whether a name is safe, and what a member becomes on disk.
"""

from __future__ import annotations

import re

from composer.enums import Enum
from composer.frozen import frozen
from composer.hints import Iterator
from composer.images import pax, sparse
from composer.images.stream import BadArchive, Stream, Truncated, quoted

BLOCK_SIZE = 512
MAX_EXTENDED_HEADER = 1 << 20  # bytes; Linux allows 64 KiB for one attribute's value
MAX_ID = (1 << 32) - 2  # 4294967295 is -1, which chown(2) reads as "leave it"


class Kind(Enum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARD_LINK = "hard link"
    FIFO = "FIFO"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"


@frozen
class Member:
    """One member. Names are as they are in the archive: not yet known to be safe."""

    kind: Kind
    name: bytes
    link: bytes  # where a symbolic link points, which member a hard link is
    mode: int  # permission bits with set-user-id, set-group-id, sticky
    uid: int
    gid: int
    mtime_ns: int
    atime_ns: int  # mtime_ns where the archive does not say
    size: int  # bytes of data that follow in the stream
    device: tuple[int, int]  # major, minor
    xattrs: tuple[tuple[bytes, bytes], ...]
    sparse: sparse.Sparse | None

    @property
    def apparent_size(self) -> int:
        """The size of the file on disk, holes included."""
        return self.size if self.sparse is None else self.sparse.size


def members(stream: Stream) -> Iterator[Member]:
    """The members of an archive. Data of a file is taken from `stream` before the next one is asked for.

    Raises BadArchive, also where the archive has no end mark: GNU tar takes that for a complete archive, and
    then half a root file system would pass for a whole one.
    """
    inherited: pax.Records = {}  # of global headers: good for all that follow
    records: pax.Records = {}  # of extended headers: good for the next member
    while (header := _next_header(stream)) is not None:
        match header.type:
            case b"g":
                inherited |= pax.without_attributes(pax.decode(_extended(header, stream)))
            case b"x" | b"X":  # X: the same of Solaris
                records |= pax.decode(_extended(header, stream))
            case b"L":
                records[b"path"] = _text(_extended(header, stream))
            case b"K":
                records[b"linkpath"] = _text(_extended(header, stream))
            case b"V":  # a label
                _skip_padded(stream, header.size)
            case _:
                yield from _one_member(header, inherited | records, stream)
                records = {}
    if records:
        raise BadArchive("it ends after an extended header: it is truncated")


def _one_member(header: _Header, records: pax.Records, stream: Stream) -> Iterator[Member]:
    """The member with the following data, which is skipped as far as the consumer leaves it."""
    map_ = _old_gnu_map(header, stream) if header.type == b"S" else None  # before the data, not part of its size
    start = stream.position
    size = pax.number(records[b"size"]) if records.get(b"size") else header.size
    member = _member(header, records, stream, size=size, old_map=map_)
    if member.kind is not Kind.FILE and header.type != b"D":
        size = 0  # what it says there is a hint for restoring, and no data
    yield member
    _skip_padded(stream, size, since=start)


@frozen
class _Header:
    """A header block, decoded as far as every kind needs it."""

    type: bytes
    name: bytes
    size: int
    block: bytes


_NAME = slice(0, 100)
_MODE = slice(100, 108)
_UID = slice(108, 116)
_GID = slice(116, 124)
_SIZE = slice(124, 136)
_MTIME = slice(136, 148)
_CHECKSUM = slice(148, 156)
_TYPE = slice(156, 157)
_LINK = slice(157, 257)
_MAGIC = slice(257, 265)
_MAJOR = slice(329, 337)
_MINOR = slice(337, 345)
_PREFIX = slice(345, 500)  # of a long name; GNU's own format has other things there

_OCTAL = re.compile(rb" *([0-7]*)(?:[ \0]|$)")
_ZERO_BLOCK = bytes(BLOCK_SIZE)
_GNU_MAGIC = b"ustar  \0"


def _next_header(stream: Stream) -> _Header | None:
    """The next header block; None at the end mark. Raises BadArchive."""
    position = stream.position
    if stream.at_end():
        raise BadArchive("it has no end mark: it is truncated" if position else "it is empty")
    try:
        block = stream.read(BLOCK_SIZE)
    except Truncated:
        if position:
            raise
        raise BadArchive("it is not a tar archive") from None  # not even one block: a text, a typing error
    if block == _ZERO_BLOCK:  # the second one that should follow is missing in some archives
        return None
    if not _has_checksum(block):
        raise BadArchive(f"it is damaged at byte {position}" if position else "it is not a tar archive")
    name = _text(block[_NAME])
    magic = block[_MAGIC]
    if magic != _GNU_MAGIC and magic.startswith(b"ustar") and block[_PREFIX.start]:
        name = _text(block[_PREFIX]) + b"/" + name
    size = _number(block[_SIZE])
    if size < 0:
        raise BadArchive(f"{quoted(name)} has a negative size")
    return _Header(block[_TYPE], name, size, block)


def _has_checksum(block: bytes) -> bool:
    """Whether the sum of all bytes, the checksum's own taken for spaces, is right; SunOS added signed bytes."""
    octal = _OCTAL.match(block[_CHECKSUM])
    checksum = int(octal[1] or b"0", 8) if octal else -1
    rest = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    unsigned = sum(rest)
    return checksum == unsigned or checksum == unsigned - 256 * sum([byte >> 7 for byte in rest])


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Octal digits, or GNU's way for more than they can say. Raises BadArchive."""
    if field[0] & 0x80:
        return _base_256(field)
    octal = _OCTAL.match(field)
    if octal is None:
        raise BadArchive(f"a header has {quoted(field)} for an octal number")
    return int(octal[1] or b"0", 8)


def _base_256(field: bytes) -> int:
    """Big-endian two's complement, but for the first bit, which is the mark of this format."""
    bits = 8 * len(field) - 1
    value = int.from_bytes(field, "big") - (1 << bits)
    return value - (1 << bits) if field[0] & 0x40 else value


def _extended(header: _Header, stream: Stream) -> bytes:
    if header.size > MAX_EXTENDED_HEADER:
        raise BadArchive(f"an extended header has more than {MAX_EXTENDED_HEADER:,} bytes")
    data = stream.read(header.size)
    stream.skip(-header.size % BLOCK_SIZE)
    return data


def _skip_padded(stream: Stream, size: int, *, since: int | None = None) -> None:
    """Skip what is left of `size` bytes that began at `since`, and the padding after them."""
    taken = 0 if since is None else stream.position - since
    stream.skip(size + -size % BLOCK_SIZE - taken)


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,  # contiguous
    b"S": Kind.FILE,  # sparse
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER_DEVICE,
    b"4": Kind.BLOCK_DEVICE,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
    b"D": Kind.DIRECTORY,  # with a listing as its data
}


def _member(
    header: _Header, records: pax.Records, stream: Stream, *, size: int, old_map: sparse.Sparse | None
) -> Member:
    block = header.block
    name = records.get(b"GNU.sparse.name") or records.get(b"path") or header.name
    kind = _kind(header.type, name)
    map_, stored = old_map, size
    if kind is Kind.FILE and old_map is None:
        start = stream.position
        map_ = sparse.from_records(records, stream)
        stored -= stream.position - start
    if map_ is not None and map_.stored != stored:
        raise BadArchive(f"the map of the sparse file {quoted(name)} is damaged")
    mtime_ns = pax.time_ns(records[b"mtime"]) if records.get(b"mtime") else _number(block[_MTIME]) * pax.NANO
    return Member(
        kind=kind,
        name=_without_nul(name),
        link=_without_nul(records.get(b"linkpath") or _text(block[_LINK])),
        mode=_number(block[_MODE]) & 0o7777,
        uid=_id(records.get(b"uid"), block[_UID]),
        gid=_id(records.get(b"gid"), block[_GID]),
        mtime_ns=pax.checked_time(mtime_ns),
        atime_ns=pax.time_ns(records[b"atime"]) if records.get(b"atime") else mtime_ns,
        size=stored if kind is Kind.FILE else 0,
        device=(_number(block[_MAJOR]), _number(block[_MINOR])) if kind in _DEVICES else (0, 0),
        xattrs=pax.xattrs(records),
        sparse=map_,
    )


_DEVICES = (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE)


def _kind(type_: bytes, name: bytes) -> Kind:
    kind = _KINDS.get(type_)
    if kind is None:
        raise BadArchive(f"{quoted(name)} is of the unknown type {type_!r}")
    if kind is Kind.FILE and name.endswith(b"/"):
        return Kind.DIRECTORY  # before ustar, a slash at the end was all there was
    return kind


def _without_nul(name: bytes) -> bytes:
    if b"\0" in name:
        raise BadArchive(f"{quoted(name)} is no name: it has a NUL in it")
    return name


def _id(record: bytes | None, field: bytes) -> int:
    number = pax.number(record) if record else _number(field)
    if not 0 <= number <= MAX_ID:
        raise BadArchive(f"{number} is no user or group")
    return number


# struct oldgnu_header and struct sparse_header of GNU tar: slots of (offset, length), then whether a block with
# more of them follows.
_SLOT = 24
_OLD_SLOTS = slice(386, 386 + 4 * _SLOT)
_OLD_MORE = 482
_OLD_REAL_SIZE = slice(483, 495)
_MORE_SLOTS = slice(0, 21 * _SLOT)
_MORE_MORE = 504


def _old_gnu_map(header: _Header, stream: Stream) -> sparse.Sparse:
    numbers = _slots(header.block[_OLD_SLOTS])
    more = header.block[_OLD_MORE]
    while more and len(numbers) <= 2 * sparse.MAX_EXTENTS:
        block = stream.read(BLOCK_SIZE)
        numbers += _slots(block[_MORE_SLOTS])
        more = block[_MORE_MORE]
    return sparse.from_old_header(numbers, size=_number(header.block[_OLD_REAL_SIZE]))


def _slots(data: bytes) -> list[int]:
    used = [data[start : start + _SLOT] for start in range(0, len(data), _SLOT) if data[start + 12]]
    return [_number(slot[part]) for slot in used for part in (slice(0, 12), slice(12, 24))]
