"""Messages of D-Bus as bytes: as much of the specification as a call to systemd needs. Pure.

Beyond this module: the socket they travel on, and what they say (systemd). Not here: descriptors, peers of the
other byte order, floating point, and containers in answers: nothing that is asked for has them.

    header   endianness 'l', kind, flags, version 1, body length, serial, then the fields: an array of (code, variant)
    body     values one after the other, each aligned to its own size, structures to 8

A signature says the types: b boolean, y byte, u and t unsigned of 32 and 64 bits, s text, o object path, g signature,
v variant, aT array of T, (T...) structure.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from composer.frozen import frozen
from composer.hints import Iterator, Sequence

LARGEST_MESSAGE = 1 << 20  # bytes; systemd's answers have some hundreds
FIXED_HEADER = 16  # bytes, the length of the field array included


class Kind(IntEnum):
    CALL = 1
    RETURN = 2
    ERROR = 3
    SIGNAL = 4


class Field(IntEnum):
    """Header fields."""

    PATH = 1
    INTERFACE = 2
    MEMBER = 3
    ERROR_NAME = 4
    REPLY_SERIAL = 5
    SIGNATURE = 8


class ProtocolError(ValueError):
    """The peer sent what is not D-Bus, or more of D-Bus than is known here."""


@frozen
class Variant:
    """A value that brings its type along."""

    signature: str
    value: object


@frozen
class Message:
    """One message as it came; its body is decoded when somebody asks."""

    kind: int
    fields: dict[int, object]
    body: bytes

    def values(self) -> tuple[object, ...]:
        """The body. Raises ProtocolError for types that are not known here."""
        reader = _Reader(self.body)
        return tuple(reader.value(kind) for kind in str(self.fields.get(Field.SIGNATURE, "")))


def encode_call(member: str, signature: str, *values: object, path: str, interface: str, serial: int) -> bytes:
    """A method call between two peers without a bus, hence without a destination."""
    body = _Writer()
    for kind, value in zip(complete_types(signature), values, strict=True):
        body.put(kind, value)
    fields = [
        (Field.PATH, Variant("o", path)),
        (Field.INTERFACE, Variant("s", interface)),
        (Field.MEMBER, Variant("s", member)),
        (Field.SIGNATURE, Variant("g", signature)),
    ]
    header = _Writer(bytearray(struct.pack("<cBBBII", b"l", Kind.CALL, 0, 1, len(body.data), serial)))
    header.put("a(yv)", fields)
    header.align(8)
    return bytes(header.data + body.data)


def message_length(start: bytes) -> int:
    """How long the message that begins with these FIXED_HEADER bytes is. Raises ProtocolError."""
    endianness, _, _, version, body_length, _, fields_length = struct.unpack("<cBBBIII", start[:FIXED_HEADER])
    length: int = FIXED_HEADER + fields_length + -fields_length % 8 + body_length
    if endianness != b"l" or version != 1 or length > LARGEST_MESSAGE:
        raise ProtocolError(f"not a D-Bus message: {start[:FIXED_HEADER]!r}")
    return length


def decode(message: bytes) -> Message:
    """One whole message. Raises ProtocolError."""
    _, kind, _, _, body_length, _, fields_length = struct.unpack("<cBBBIII", message[:FIXED_HEADER])
    reader = _Reader(message, position=FIXED_HEADER)
    fields: dict[int, object] = {}
    while reader.position < FIXED_HEADER + fields_length:
        reader.align(8)
        code = reader.number("<B")
        fields[code] = reader.value("v")
    return Message(kind, fields, message[len(message) - body_length :])


def complete_types(signature: str) -> Iterator[str]:
    """A signature's types one by one: "sa(sv)u" has s, a(sv) and u."""
    start = 0
    while start < len(signature):
        end = _end_of_type(signature, start)
        yield signature[start:end]
        start = end


def _end_of_type(signature: str, start: int) -> int:
    while signature[start] == "a":
        start += 1
    depth = 0
    for end in range(start, len(signature)):
        depth += {"(": 1, ")": -1}.get(signature[end], 0)
        if depth == 0:
            return end + 1
    raise ProtocolError(f"signature {signature!r} does not end")


_NUMBERS = {"y": "<B", "b": "<I", "u": "<I", "t": "<Q"}
_ALIGNMENT = {"y": 1, "g": 1, "v": 1, "b": 4, "u": 4, "s": 4, "o": 4, "a": 4, "t": 8, "(": 8}


class _Writer:
    """Values appended to `data`."""

    def __init__(self, data: bytearray | None = None) -> None:
        self.data = bytearray() if data is None else data

    def align(self, size: int) -> None:
        self.data += bytes(-len(self.data) % size)

    def put(self, signature: str, value: object) -> None:
        """Append `value`, of the one complete type `signature`."""
        kind = signature[0]
        self.align(_ALIGNMENT[kind])
        match kind, value:
            case "y" | "b" | "u" | "t", int():
                self.data += struct.pack(_NUMBERS[kind], value)
            case "s" | "o", str():
                encoded = value.encode()
                self.data += struct.pack("<I", len(encoded)) + encoded + b"\0"
            case "g", str():
                self.data += bytes([len(value)]) + value.encode() + b"\0"
            case "v", Variant():
                self.put("g", value.signature)
                self.put(value.signature, value.value)
            case "a", list():
                self._put_array(signature[1:], value)
            case "(", tuple():
                for member, item in zip(complete_types(signature[1:-1]), value, strict=True):
                    self.put(member, item)
            case _:
                raise TypeError(f"{value!r} is not of D-Bus type {signature!r}")

    def _put_array(self, signature: str, items: Sequence[object]) -> None:
        """The length counts neither itself nor the padding before the first item."""
        position = len(self.data)
        self.data += bytes(4)
        self.align(_ALIGNMENT[signature[0]])
        start = len(self.data)
        for item in items:
            self.put(signature, item)
        struct.pack_into("<I", self.data, position, len(self.data) - start)


class _Reader:
    """Values taken from `data` at `position`."""

    def __init__(self, data: bytes, *, position: int = 0) -> None:
        self.data = data
        self.position = position

    def align(self, size: int) -> None:
        self.position += -self.position % size

    def value(self, kind: str) -> object:
        """The next value. Raises ProtocolError."""
        if kind not in _ALIGNMENT or kind in "a(":
            raise ProtocolError(f"a value of D-Bus type {kind!r}")
        self.align(_ALIGNMENT[kind])
        try:
            match kind:
                case "s" | "o":
                    return self._text(self.number("<I"))
                case "g":
                    return self._text(self.number("<B"))
                case "v":
                    return self.value(str(self.value("g")))
                case "b":
                    return bool(self.number("<I"))
            return self.number(_NUMBERS[kind])
        except (struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"a message that ends within a value of type {kind!r}") from error

    def number(self, layout: str) -> int:
        """The next bytes as struct sees them. Raises struct.error."""
        (value,) = struct.unpack_from(layout, self.data, self.position)
        self.position += struct.calcsize(layout)
        return int(value)

    def _text(self, length: int) -> str:
        text = self.data[self.position : self.position + length]
        self.position += length + 1
        return text.decode()
