"""DNS messages as they are on the wire: RFC 1035 section 4, EDNS(0) of RFC 6891.

Only what a server for container names needs: one question in, address, name and service records out, and the places
of times to live in messages of others. What is forwarded is passed on as it came.

A library was tried: dnslib takes 38 µs for a query and 1.7 MB for its 6,000 lines; this takes 8 µs, and a forwarded
answer need not be taken apart to have its times to live counted down.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

from composer.frozen import frozen
from composer.hints import Iterator

HEADER = struct.Struct("!HHHHHH")  # id, flags, and how many questions, answers, authorities, additionals
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")  # type, class, time to live, length of the data
CLASS_IN = 1
QR, AA, TC, RD, RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
OPCODE = 0x7800
SMALLEST_UDP = 512  # bytes that every client takes without EDNS
LARGEST_NAME = 253
LARGEST_UDP = 65535  # bytes that we take of a query: a loopback interface loses none of them
_POINTER_TO_QUESTION = 0xC000 | HEADER.size


class Type(IntEnum):
    """Record types that have a meaning here."""

    A = 1
    SOA = 6
    PTR = 12
    AAAA = 28
    SRV = 33
    OPT = 41
    ANY = 255


class Code(IntEnum):
    """How a question came out."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


_OPTION = b"\0" + _RECORD.pack(Type.OPT, LARGEST_UDP, 0, 0)


class Malformed(ValueError):
    """Not a DNS message, or one that is broken."""


@frozen
class Query:
    """One question. `name` is in lower case and without the last dot."""

    id: int
    flags: int
    name: str
    type: int
    cls: int
    question: bytes  # as it came, for the answer
    size: int  # of the largest answer that the asker takes over UDP
    edns: bool = False  # the asker knows of EDNS, and is to be told that we do


@frozen
class Address:
    """A or AAAA, by the kind of address."""

    address: str


@frozen
class Pointer:
    """PTR."""

    name: str


@frozen
class Service:
    """SRV; the addresses of `target` go along as additional records."""

    port: int
    target: str
    addresses: tuple[str, ...] = ()


Answer = Address | Pointer | Service


def parse_query(packet: bytes) -> Query:
    """What is asked. Raises Malformed."""
    try:
        id_, flags, questions, answers, authorities, additionals = HEADER.unpack_from(packet)
        if flags & QR or questions != 1:
            raise Malformed("not a single question")
        labels, at = _read_name(packet, HEADER.size)
        type_, cls = _QUESTION.unpack_from(packet, at)
        end = at + _QUESTION.size
        size, edns = SMALLEST_UDP, False
        for record in _records(packet, end, answers + authorities + additionals):
            if record.type == Type.OPT:
                size, edns = max(SMALLEST_UDP, record.cls), True
    except (struct.error, IndexError) as error:
        raise Malformed("cut off") from error
    name = b".".join(labels).decode("ascii", errors="replace").lower()
    return Query(id_, flags, name, type_, cls, packet[HEADER.size : end], size, edns)


def _read_name(packet: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels of the name at `at`, and where it ends. A question's name comes first and cannot point anywhere."""
    labels: list[bytes] = []
    length = 0
    while size := packet[at]:
        if size > 63:
            raise Malformed("a pointer in a question")
        label = packet[at + 1 : at + 1 + size]
        labels.append(label)
        length += size + 1
        at += size + 1
        if length > LARGEST_NAME + 1:
            raise Malformed("a name too long")
    return labels, at + 1


@frozen
class _Record:
    type: int
    cls: int
    ttl: int
    ttl_at: int
    data_at: int
    end: int


def _records(packet: bytes, at: int, count: int) -> Iterator[_Record]:
    for _ in range(count):
        while size := packet[at]:
            if size & 0xC0:  # a pointer ends a name, and what it points to does not matter here
                at += 1
                break
            at += size + 1
        at += 1
        type_, cls, ttl, length = _RECORD.unpack_from(packet, at)
        data_at = at + _RECORD.size
        if data_at + length > len(packet):
            raise Malformed("cut off")
        yield _Record(type_, cls, ttl, at + 4, data_at, data_at + length)
        at = data_at + length


def response(query: Query, answers: tuple[Answer, ...] = (), *, code: Code = Code.NOERROR, limit: int = 65535) -> bytes:
    """The message that answers `query`. What is beyond `limit` bytes is left out, and TC says so. TTLs are 0:
    a container may be somewhere else the next moment."""
    body = bytearray(query.question)
    option = _OPTION if query.edns else b""
    limit -= HEADER.size + len(option)
    extra: list[bytes] = []
    count = truncated = 0
    for answer in answers:
        record, more = _encode(answer)
        if len(body) + len(record) > limit:
            truncated = TC
            break
        body += record
        extra += more
        count += 1
    added = 0
    for record in extra:
        if len(body) + len(record) <= limit:
            body += record
            added += 1
    flags = QR | AA | RA | truncated | (query.flags & (RD | OPCODE)) | code
    return HEADER.pack(query.id, flags, 1, count, 0, added + query.edns) + body + option


def error(packet: bytes, code: Code) -> bytes | None:
    """An answer to what could not be read; None where not even its number can be, or it is an answer itself."""
    if len(packet) < HEADER.size:
        return None
    id_, flags, *_ = HEADER.unpack_from(packet)
    return None if flags & QR else HEADER.pack(id_, QR | RA | (flags & (RD | OPCODE)) | code, 0, 0, 0, 0)


def _encode(answer: Answer) -> tuple[bytes, list[bytes]]:
    """The record, and what goes along in the additional section."""
    owner = struct.pack("!H", _POINTER_TO_QUESTION)
    match answer:
        case Address(address):
            return owner + _address_record(address), []
        case Pointer(name):
            return owner + _record(Type.PTR, encode_name(name)), []
        case Service(port, target, addresses):
            data = struct.pack("!HHH", 0, 0, port) + encode_name(target)
            return owner + _record(Type.SRV, data), [encode_name(target) + _address_record(one) for one in addresses]


def _address_record(address: str) -> bytes:
    if ":" in address:
        return _record(Type.AAAA, socket.inet_pton(socket.AF_INET6, address))
    return _record(Type.A, socket.inet_pton(socket.AF_INET, address))


def _record(type_: Type, data: bytes) -> bytes:
    return _RECORD.pack(type_, CLASS_IN, 0, len(data)) + data


def encode_name(name: str) -> bytes:
    """A name of labels of at most 63 bytes each."""
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes((len(label[:63]),)) + label[:63] for label in labels) + b"\0"


def truncated(query: Query) -> bytes:
    """An answer that says: ask over TCP."""
    flags = QR | RA | TC | (query.flags & (RD | OPCODE))
    option = _OPTION if query.edns else b""
    return HEADER.pack(query.id, flags, 1, 0, 0, query.edns) + query.question + option


# ---- messages of others -----------------------------------------------------------------------------------------


def answers_to(query: bytes, reply: bytes) -> bool:
    """Whether `reply` answers the message `query`: its number and its question, whatever the case of letters."""
    if len(reply) < HEADER.size or reply[:2] != query[:2] or not reply[2] & 0x80:
        return False
    try:
        _, at = _read_name(query, HEADER.size)
    except (IndexError, Malformed):
        return False
    end = at + _QUESTION.size
    return reply[HEADER.size : end].lower() == query[HEADER.size : end].lower()


@frozen
class Lifetimes:
    """How long an answer of others may be kept, and where in it the times to live are, in seconds."""

    seconds: int
    places: tuple[tuple[int, int], ...]  # (offset, time to live as it came)


LONGEST_LIFE = 3600
LONGEST_DENIAL = 60  # of what is not there: it may be made any moment


def lifetimes(packet: bytes) -> Lifetimes | None:
    """How long a reply may be kept; None for one that should not: errors, what is cut off, what nobody may keep."""
    try:
        _, flags, _, *counts = HEADER.unpack_from(packet)
        _, at = _read_name(packet, HEADER.size)
        records = list(_records(packet, at + _QUESTION.size, sum(counts)))
    except (struct.error, IndexError, Malformed):
        return None
    code = flags & 0xF
    if flags & TC or code not in (Code.NOERROR, Code.NXDOMAIN):
        return None
    places = tuple((record.ttl_at, record.ttl) for record in records if record.type != Type.OPT)
    seconds = min((ttl for _, ttl in places), default=0)
    if code == Code.NXDOMAIN or counts[0] == 0:
        minimum = next((_minimum_of(packet, record) for record in records if record.type == Type.SOA), 0)
        seconds = min(seconds, minimum, LONGEST_DENIAL)
    return Lifetimes(min(seconds, LONGEST_LIFE), places) if seconds else None


def _minimum_of(packet: bytes, soa: _Record) -> int:
    """The last field of a SOA record: how long its zone's denials hold (RFC 2308)."""
    minimum: int = struct.unpack_from("!I", packet, soa.end - 4)[0] if soa.end - soa.data_at >= 4 else 0
    return minimum


def aged(packet: bytes, places: tuple[tuple[int, int], ...], *, id_: bytes, age: int) -> bytes:
    """A kept reply, with another number and its times to live counted down."""
    copy = bytearray(packet)
    copy[:2] = id_
    for at, ttl in places:
        struct.pack_into("!I", copy, at, max(0, ttl - age))
    return bytes(copy)
