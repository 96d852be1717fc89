"""Frames on a stream socket: u32 little-endian payload length, u8 kind, payload. Bytes in, frames out; no I/O."""

from __future__ import annotations

import struct

from composer.enums import Enum
from composer.frozen import frozen
from composer.hints import Iterator

_HEADER = struct.Struct("<IB")
LIMIT = 64 << 20  # bytes; a desired state with a thousand containers is about two million


class Kind(Enum):
    """What a frame carries."""

    MESSAGE = ord("J")  # one JSON message
    INPUT = ord("I")  # bytes for the standard input of the attached container; client to server only


@frozen
class Frame:
    """One frame."""

    kind: Kind
    payload: bytes


class FramingError(ValueError):
    """The peer does not speak this protocol."""


def encode(frame: Frame) -> bytes:
    """A frame as it goes over the wire."""
    return _HEADER.pack(len(frame.payload), frame.kind.value) + frame.payload


class Decoder:
    """Cuts a stream of bytes, however it arrives, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no half frame is waiting for the rest: the stream may end here."""
        return not self._buffer

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises FramingError."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            length, kind = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + _checked(length)
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Frame(_kind(kind), payload)


def _checked(length: int) -> int:
    if length > LIMIT:
        raise FramingError(f"a frame of {length} bytes; at most {LIMIT} are allowed")
    return length


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise FramingError(f"a frame of unknown kind {number}") from None
