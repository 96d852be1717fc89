"""netlink(7) messages and their attributes, as bytes: what all families of it have in common.

Beyond this module: which messages there are (`rtnetlink`, `conntrack`).
"""

from __future__ import annotations

import struct

from composer.hints import Collection, Iterator

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSG_ALIGNTO = 4
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

RECEIVE = 1 << 18  # bytes: the kernel fills at most 32 KiB of a dump at once

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # rtattr, nlattr
HEADER_SIZE = _HEADER.size

Attribute = bytes


def attribute(kind: int, value: bytes | str | int) -> Attribute:
    """An attribute: bytes as they are, text with its NUL, numbers of 32 bits."""
    if isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    return _padded(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value)


def nested(kind: int, *parts: Attribute) -> Attribute:
    """An attribute made of attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(parts))


def message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    """A message. `number` comes back with its answer."""
    return _padded(_HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0) + body)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % NLMSG_ALIGNTO)


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, number, body) of each message received at once."""
    at = 0
    while at < len(data):
        length, kind, flags, number, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, number, data[at + _HEADER.size : at + length]
        at += length + -length % NLMSG_ALIGNTO


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each attribute."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & NLA_TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % NLMSG_ALIGNTO


def picked(data: bytes, wanted: Collection[int]) -> dict[int, bytes]:
    """The values of some attributes, by type: a link has forty, and hundreds of links are looked through at a time.

    The first of each; what comes after the last of them is not looked at.
    """
    found: dict[int, bytes] = {}
    at, end, unpack = 0, len(data) - _ATTRIBUTE.size, _ATTRIBUTE.unpack_from
    while at <= end:
        length, kind = unpack(data, at)
        if length < _ATTRIBUTE.size:
            break
        if (kind := kind & NLA_TYPE_MASK) in wanted:
            found.setdefault(kind, data[at + _ATTRIBUTE.size : at + length])
            if len(found) == len(wanted):
                break
        at += (length + NLMSG_ALIGNTO - 1) & -NLMSG_ALIGNTO
    return found
