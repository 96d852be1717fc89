"""The other end of the launcher's socket: blocking, and small enough to be wrapped by an event loop.

Beyond this module: which answer belongs to which question.
"""

from __future__ import annotations

import os
import socket

from composer.errors import HostError, PycomposeError
from composer.frozen import frozen
from composer.runtime import failures
from composer.runtime.launcher import packets, protocol
from composer.runtime.launcher.protocol import Failed, Message, Request


@frozen
class Received:
    """A message with the descriptors that came along, which are the receiver's to close."""

    message: Message
    fds: tuple[int, ...] = ()


def connect(path: str) -> socket.socket:
    """A blocking connection to the launcher that listens at `path`. Raises HostError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise HostError(f"cannot reach the launcher at {path}: {error.strerror}") from error
    packets.prepare(sock)
    return sock


def adopt_descriptor(fd: int) -> socket.socket:
    """The supervisor's end of the socketpair that its launcher gave it as descriptor `fd`."""
    os.set_inheritable(fd, False)
    sock = socket.socket(fileno=fd)
    packets.prepare(sock)
    return sock


def send(sock: socket.socket, request: Request, fds: tuple[int, ...] = ()) -> None:
    """Send one request; `fds` stay the caller's. Raises OSError, BlockingIOError on a non-blocking socket."""
    packets.send(sock, protocol.encode(request), fds)


def receive(sock: socket.socket) -> Received | None:
    """The next message, None when the launcher is gone. Raises OSError, BlockingIOError, codec.DecodeError."""
    packet = packets.receive(sock)
    return None if packet is None else Received(protocol.decode_message(packet.data), packet.fds)


def error_of(failed: Failed) -> PycomposeError:
    """What the launcher could not do, as the error it was there."""
    error = failures.ERRORS.get(failed.error, HostError)(failed.message, hint=failed.hint)
    error.exit_status = failed.exit_status
    return error
