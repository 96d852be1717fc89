"""Packets with descriptors on a Unix SOCK_SEQPACKET socket: unix(7), SCM_RIGHTS.

Beyond this module: what is in a packet (protocol).
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque

from composer.frozen import frozen

LARGEST_PACKET = 1 << 20  # bytes: a process with its whole environment fits
MOST_DESCRIPTORS = 8
LONGEST_QUEUE = 4096  # packets that a reader may be behind

Ancillary = list[tuple[int, int, bytes]]


@frozen
class Packet:
    """One packet. Its descriptors are the receiver's to close."""

    data: bytes
    fds: tuple[int, ...] = ()


def prepare(sock: socket.socket) -> None:
    """Let packets of LARGEST_PACKET through: the send buffer counts the packet and the kernel's own overhead."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 * LARGEST_PACKET)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGEST_PACKET)


SO_SNDBUFFORCE = 32  # socket(7): beyond net.core.wmem_max, with CAP_NET_ADMIN


def send(sock: socket.socket, data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Send one packet. Raises OSError: BlockingIOError on a full non-blocking socket, BrokenPipeError."""
    ancillary: list[tuple[int, int, array.array[int]]] = []
    if fds:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    sock.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> Packet | None:
    """The next packet, None when the other side has closed. Its descriptors are close-on-exec. Raises OSError."""
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
    try:
        data, ancillary, flags, _ = sock.recvmsg(LARGEST_PACKET, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it closed while packets of ours lay there unread
        return None
    fds = _descriptors(ancillary)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(fds)
        raise ConnectionError("packet too large")
    if not data:
        close_all(fds)
        return None
    return Packet(data, fds)


def _descriptors(ancillary: Ancillary) -> tuple[int, ...]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return tuple(fds)


def close_all(fds: tuple[int, ...]) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)


def _copies(fds: tuple[int, ...]) -> tuple[int, ...]:
    copies: list[int] = []
    try:
        copies.extend(map(os.dup, fds))
    except OSError:
        close_all(tuple(copies))
        raise
    return tuple(copies)


class Connection:
    """A socket that sends what it can at once and the rest when the reader has caught up."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._waiting: deque[Packet] = deque()

    @property
    def behind(self) -> bool:
        """Whether packets wait for the socket to be writable."""
        return bool(self._waiting)

    def send(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """Send a packet now or, with copies of `fds`, by a later `flush`. Raises OSError when that is hopeless."""
        if not self._waiting:
            try:
                send(self.sock, data, fds)
                return
            except BlockingIOError:
                pass
        if len(self._waiting) >= LONGEST_QUEUE:
            raise ConnectionError("the other side does not read")
        self._waiting.append(Packet(data, _copies(fds)))

    def flush(self) -> None:
        """Send what the socket takes. Raises OSError when the other side is gone."""
        while self._waiting:
            packet = self._waiting[0]
            try:
                send(self.sock, packet.data, packet.fds)
            except BlockingIOError:
                return
            self._waiting.popleft()
            close_all(packet.fds)

    def close(self) -> None:
        """Close the socket and forget what was not sent."""
        for packet in self._waiting:
            close_all(packet.fds)
        self._waiting.clear()
        self.sock.close()
