"""The other end of the attendant's socket, blocking: one message, one answer.

Beyond this module: starting the attendant (spawn).
"""

from __future__ import annotations

import socket

from composer.errors import HostError
from composer.runtime.attendant import protocol
from composer.runtime.attendant.protocol import Done, Hello, Message, Serve, SetHealthy
from composer.runtime.attendant.zone import Resident
from composer.runtime.launcher import packets
from composer.spec import codec

PATIENCE = 5.0  # seconds


class Attendant:
    """A conversation, as a context manager. All methods raise HostError when it ends untimely."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._number = 0
        self.pid = 0  # of the attendant, once it has greeted
        self.version = 0
        sock.settimeout(PATIENCE)

    def __enter__(self) -> Attendant:
        return self if self.pid else self.greet()

    def greet(self) -> Attendant:
        """Hear who it is, before anything else. Raises HostError; then the conversation is over."""
        try:
            hello = self._receive()
            if not isinstance(hello, Hello):
                raise HostError("cannot talk to the attendant: it does not begin with a greeting")
        except HostError:
            self._sock.close()
            raise
        self.pid, self.version = hello.pid, hello.version
        return self

    def __exit__(self, *_error: object) -> None:
        self._sock.close()

    def fileno(self) -> int:
        """Readable without a question: it has ended."""
        return self._sock.fileno()

    def close(self) -> None:
        """End the conversation."""
        self._sock.close()

    def serve(self, resident: Resident, pidfd: int, *, sockets: tuple[int, ...] = ()) -> None:
        """A container runs, the process behind `pidfd`; its names are asked at `sockets`, if they are open already."""
        self._number += 1
        self._tell(Serve(self._number, resident), fds=(pidfd, *sockets))

    def set_healthy(self, container: str, *, healthy: bool) -> None:
        """What a container's health checks say."""
        self._number += 1
        self._tell(SetHealthy(self._number, container, healthy))

    def _tell(self, request: protocol.Request, *, fds: tuple[int, ...] = ()) -> None:
        try:
            packets.send(self._sock, protocol.encode(request), fds)
        except OSError as error:
            raise HostError(f"cannot talk to the attendant: {error.strerror}") from error
        answer = self._receive()
        if not isinstance(answer, Done) or answer.request != request.request:
            raise HostError("cannot talk to the attendant: it answers something else")

    def _receive(self) -> Message:
        try:
            packet = packets.receive(self._sock)
            if packet is None:
                raise HostError("cannot talk to the attendant: it has ended")
            return protocol.decode_message(packet.data)
        except TimeoutError as error:
            raise HostError(f"cannot talk to the attendant: no answer within {PATIENCE:g} s") from error
        except (OSError, codec.DecodeError) as error:
            raise HostError(f"cannot talk to the attendant: {error}") from error
