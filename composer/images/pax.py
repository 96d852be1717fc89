"""The records of pax extended headers: what a tar header has no room for.

Numbers, times and names of pax(1), "pax Extended Header"; extended attributes as star and GNU tar write them
(SCHILY.xattr.*); GNU's sparse files (GNU.sparse.*, "Storing Sparse Files" in the GNU tar manual).
Beyond this module: the headers that they extend.
"""

from __future__ import annotations

from composer.images.stream import BadArchive

Records = dict[bytes, bytes]

XATTR = b"SCHILY.xattr."
MAX_TIME = 1 << 40  # seconds: the year 36,812
NANO = 1_000_000_000

_KNOWN = frozenset((b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"atime"))
_SPARSE = b"GNU.sparse."
_SPARSE_PAIR = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")  # format 0.0 repeats them, 0.1 has them in one list


def decode(data: bytes) -> Records:
    """The records of one extended header that mean something to us. Raises BadArchive."""
    records: Records = {}
    map_: list[bytes] = []
    start = 0
    while start < len(data) and data[start]:
        key, value, start = _record_at(start, data)
        if key in _SPARSE_PAIR:
            map_.append(value)
        elif key in _KNOWN or key.startswith((XATTR, _SPARSE)):
            records[key] = value
    if map_:
        records[b"GNU.sparse.map"] = b",".join(map_)
    return records


def _record_at(start: int, data: bytes) -> tuple[bytes, bytes, int]:
    """(key, value, where the next one starts). A record is "LENGTH KEY=VALUE\\n", the length that of all of it."""
    digits, space, _ = data[start : start + 12].partition(b" ")
    if not space or not digits.isdigit():
        raise BadArchive("a pax header is damaged")
    end = start + int(digits)
    key, equals, value = data[start + len(digits) + 1 : end].partition(b"=")
    if end > len(data) or not equals or not value.endswith(b"\n"):
        raise BadArchive("a pax header is damaged")
    return key, value[:-1], end


def without_attributes(records: Records) -> Records:
    """What a global header may say: attributes of single files make no sense there, and would pile up."""
    return {key: value for key, value in records.items() if key in _KNOWN}


def xattrs(records: Records) -> tuple[tuple[bytes, bytes], ...]:
    """(name, value) of each extended attribute."""
    return tuple([(key[len(XATTR) :], value) for key, value in records.items() if key.startswith(XATTR)])


def number(text: bytes) -> int:
    """A decimal number. Raises BadArchive."""
    if not text.isdigit() or len(text) > 20:
        raise BadArchive(f"a pax header has {text[:40]!r} for a number")
    return int(text)


def time_ns(text: bytes) -> int:
    """Seconds since the epoch with an optional fraction as nanoseconds, without the rounding of a float."""
    seconds, _, fraction = text.partition(b".")
    negative = seconds.startswith(b"-")
    digits = seconds[negative:]
    if not digits.isdigit() or len(digits) > 20 or (fraction and not fraction.isdigit()):
        raise BadArchive(f"a pax header has {text[:40]!r} for a time")
    nanoseconds = int(digits) * NANO + int(fraction[:9].ljust(9, b"0"))
    return checked_time(-nanoseconds if negative else nanoseconds)


def checked_time(nanoseconds: int) -> int:
    """`nanoseconds`, where utimensat(2) can take it. Raises BadArchive."""
    if abs(nanoseconds) > MAX_TIME * NANO:
        raise BadArchive("a member has an impossible time")
    return nanoseconds
