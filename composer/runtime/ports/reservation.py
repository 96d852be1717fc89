"""Ports of the host, held by sockets.

A TCP socket listens and a UDP one is bound, so that nobody else can have the port and whatever the kernel does not
lead to the container arrives there. Kernels without SCTP of their own translate it all the same: there no socket can
hold a port, and nobody else can either.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

from composer.frozen import field, mutable
from composer.hints import Collection, Iterable, Iterator
from composer.spec.network import PortBinding, Protocol, PublishedPort

ANY_4, ANY_6 = "0.0.0.0", "::"
BACKLOG = 4096
ATTEMPTS = 50  # at a free port that is free at all addresses wanted
IPPROTO_SCTP = 132
KINDS = {
    Protocol.TCP: (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    Protocol.UDP: (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    Protocol.SCTP: (socket.SOCK_STREAM, IPPROTO_SCTP),
}


class PortTaken(OSError):
    """A port that was asked for cannot be had."""

    def __init__(self, error: OSError, *, port: int, address: str) -> None:
        super().__init__(error.errno, error.strerror)
        self.port = port
        self.address = address


@mutable
class Reservation:
    """One published port as it has become, with the sockets that hold it."""

    bindings: tuple[PortBinding, ...]
    sockets: list[tuple[PortBinding, socket.socket]] = field(default_factory=list)

    def close(self) -> None:
        """Let go of it."""
        for _, sock in self.sockets:
            sock.close()


def reserve(
    port: PublishedPort, *, addresses: tuple[str, ...], before: Iterable[int] = (), avoid: Collection[int] = ()
) -> Reservation:
    """Hold the first number that is free at all addresses. `before` are those to try first, `avoid` those to try last.

    Raises PortTaken for the last number tried.
    """
    numbers = _numbers(port, before, avoid)
    for number in numbers[:-1]:
        try:
            return _bind_all(port, number, addresses)
        except PortTaken as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind_all(port, numbers[-1], addresses)


def _numbers(port: PublishedPort, before: Iterable[int], avoid: Collection[int]) -> list[int]:
    """0 leaves the choice to the kernel."""
    if port.host is None:
        return [*before, *(0,) * ATTEMPTS]
    range_ = range(port.host.first, port.host.last + 1)
    known = [number for number in before if number in range_]
    rest = sorted((number for number in range_ if number not in known), key=lambda number: number in avoid)
    return known + rest


def _bind_all(port: PublishedPort, number: int, addresses: tuple[str, ...]) -> Reservation:
    """The kernel chooses for the first address, the others must have the same."""
    made = Reservation(())
    bindings: list[PortBinding] = []
    with ExitStack() as undo:
        undo.callback(made.close)
        for address in addresses:
            try:
                sock, number = bind(port.protocol, address, number)
            except OSError as error:
                if is_absent(error, address, addresses):
                    continue
                raise PortTaken(error, port=number, address=address) from error
            bindings.append(PortBinding(port.container, port.protocol, address, number))
            if sock is not None:
                made.sockets.append((bindings[-1], sock))
        undo.pop_all()
    made.bindings = tuple(bindings)
    return made


def is_absent(error: OSError, address: str, addresses: tuple[str, ...]) -> bool:
    """A host without IPv6 has no "every IPv6 address": no mistake as long as there is another one."""
    return address == ANY_6 and len(addresses) > 1 and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def bind(protocol: Protocol, address: str, number: int) -> tuple[socket.socket | None, int]:
    """A socket at an address, and its port. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind, proto = KINDS[protocol]
    try:
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, proto)
    except OSError as error:
        if protocol is Protocol.SCTP and error.errno == errno.EPROTONOSUPPORT:
            return None, number or _any_number(address)
        raise
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol is Protocol.TCP:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may linger
        sock.bind((address, number))
        if protocol is Protocol.TCP:
            sock.listen(BACKLOG)  # two listeners exclude each other, whatever they say of reuse
    except OSError:
        sock.close()
        raise
    return sock, sock.getsockname()[1]


def _any_number(address: str) -> int:
    """A number that the kernel would choose for another protocol is as good as any."""
    sock, number = bind(Protocol.UDP, address, 0)
    assert sock is not None
    sock.close()
    return number


def again(bindings: Iterable[PortBinding]) -> Iterator[tuple[PortBinding, socket.socket]]:
    """Sockets at ports that were had before. Raises PortTaken."""
    for binding in bindings:
        try:
            sock, _ = bind(binding.protocol, binding.address, binding.port)
        except OSError as error:
            raise PortTaken(error, port=binding.port, address=binding.address) from error
        if sock is not None:
            yield binding, sock
