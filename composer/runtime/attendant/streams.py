"""DNS over TCP: messages with their length in front, both ways (RFC 1035 section 4.2.2)."""

from __future__ import annotations

import socket

LONGEST_BACKLOG = 1 << 18  # bytes of answers that an asker does not take


class Stream:
    """A connection: messages with their length in front, both ways."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.busy = True
        self.waiting = bytearray()
        self._read = bytearray()

    @property
    def is_open(self) -> bool:
        return self.sock.fileno() >= 0

    def receive(self) -> list[bytes]:
        """The messages that are complete. Raises OSError when the other side is gone."""
        part = self.sock.recv(65536)
        if not part:
            raise ConnectionResetError
        self.busy = True
        self._read += part
        messages = []
        while len(self._read) >= 2 and len(self._read) >= 2 + (size := int.from_bytes(self._read[:2], "big")):
            messages.append(bytes(self._read[2 : 2 + size]))
            del self._read[: 2 + size]
        return messages

    def send(self, message: bytes) -> None:
        """Raises OSError."""
        self.waiting += len(message).to_bytes(2, "big") + message
        if len(self.waiting) > LONGEST_BACKLOG:
            raise ConnectionAbortedError
        try:
            self.flush()
        except BlockingIOError:
            pass

    def flush(self) -> None:
        """Send what the socket takes. Raises OSError."""
        while self.waiting:
            del self.waiting[: self.sock.send(self.waiting)]
