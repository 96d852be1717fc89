"""Ports held by sockets, and what comes to these sockets, carried on: over the loopback interface."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

import pytest

from composer.runtime.launcher.loop import Loop
from composer.runtime.ports import holders, reservation
from composer.runtime.ports.proxy import Proxy
from composer.runtime.ports.reservation import PortTaken, reserve
from composer.runtime.ports.rules import translations
from composer.spec.network import PortBinding, PortRange, Protocol, PublishedPort

PLENTY = 32 << 20  # bytes, more than all buffers on the way
PATIENCE = 20.0
BOTH = ("0.0.0.0", "::")


# ---- reservations ------------------------------------------------------------------------------------------------


def busy() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_port_is_held_and_let_go() -> None:
    held = reserve(PublishedPort(80), addresses=BOTH)
    number = held.bindings[0].port
    assert held.bindings == tuple(PortBinding(80, Protocol.TCP, address, number) for address in BOTH)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", number))
    held.close()
    with socket.create_server(("127.0.0.1", number)):
        pass


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
def test_a_port_that_is_taken(protocol: Protocol) -> None:
    kind, _ = reservation.KINDS[protocol]
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if protocol is Protocol.TCP:
            sock.listen()
        number = sock.getsockname()[1]
        with pytest.raises(PortTaken) as taken:
            reserve(PublishedPort(80, protocol, PortRange(number, number)), addresses=BOTH)
        assert (taken.value.errno, taken.value.port, taken.value.address) == (errno.EADDRINUSE, number, "0.0.0.0")
        why = holders.why(protocol, "0.0.0.0", number, error=taken.value, run="/nonexistent", project="shop")
    assert why.startswith(f"address already in use by pid {os.getpid()} (")


def test_of_a_range_the_first_free_one_is_taken() -> None:
    with busy() as first:
        number = first.getsockname()[1]
        port = PublishedPort(80, host=PortRange(number, min(number + 20, 65535)))
        with ExitStack() as held:
            found = reserve(port, addresses=("127.0.0.1",))
            held.callback(found.close)
            assert found.bindings[0].port > number
            # others may need it, or one had another before
            other = reserve(port, addresses=("127.0.0.1",), avoid={found.bindings[0].port + 1})
            held.callback(other.close)
            assert other.bindings[0].port > found.bindings[0].port + 1
            before = other.bindings[0].port + 1
            again = reserve(port, addresses=("127.0.0.1",), before=(before,))
            held.callback(again.close)
            assert again.bindings[0].port == before


def test_any_port_is_the_same_for_all_addresses_and_the_one_of_before() -> None:
    first = reserve(PublishedPort(80), addresses=("127.0.0.1", "::1"))
    number = first.bindings[0].port
    assert {it.port for it in first.bindings} == {number}
    first.close()
    again = reserve(PublishedPort(80), addresses=("127.0.0.1", "::1"), before=(number,))
    assert again.bindings == first.bindings
    again.close()


def test_an_address_that_the_host_does_not_have() -> None:
    with pytest.raises(PortTaken) as taken:
        reserve(PublishedPort(80, host=PortRange(8080, 8081)), addresses=("10.99.98.97",))
    assert taken.value.errno == errno.EADDRNOTAVAIL


def test_sctp_is_reserved_where_the_kernel_does_not_speak_it() -> None:
    made = reserve(PublishedPort(80, Protocol.SCTP), addresses=("127.0.0.1",))
    assert 0 < made.bindings[0].port < 65536
    made.close()


def test_what_cannot_be_had_leaves_nothing_held() -> None:
    """All addresses or none: the fixture that counts descriptors sees to it."""
    with busy() as sock:
        number = sock.getsockname()[1]
        with pytest.raises(PortTaken):
            reserve(PublishedPort(80, host=PortRange(number, number)), addresses=("::1", "127.0.0.1"))


# ---- rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("binding", "rule"),
    [
        (
            PortBinding(80, Protocol.TCP, "0.0.0.0", 8080),
            "ip daddr != 127.0.0.0/8 tcp dport 8080 dnat ip to 10.1.0.2:80",
        ),
        (
            PortBinding(80, Protocol.TCP, "::", 8080),
            "ip6 daddr != { ::1, fe80::/10 } ip6 saddr != fe80::/10 tcp dport 8080 dnat ip6 to [fd00::2]:80",
        ),
        (PortBinding(53, Protocol.UDP, "10.0.0.5", 53), "ip daddr 10.0.0.5 udp dport 53 dnat ip to 10.1.0.2:53"),
        (PortBinding(9, Protocol.SCTP, "10.0.0.5", 9), "ip daddr 10.0.0.5 sctp dport 9 dnat ip to 10.1.0.2:9"),
        (PortBinding(80, Protocol.TCP, "127.0.0.1", 8080), None),
        (PortBinding(80, Protocol.TCP, "127.4.4.4", 8080), None),
        (PortBinding(80, Protocol.TCP, "::1", 8080), None),
    ],
)
def test_what_the_kernel_leads_to_the_container(binding: PortBinding, rule: str | None) -> None:
    assert list(translations((binding,), ipv4="10.1.0.2", ipv6="fd00::2")) == ([rule] if rule else [])


def test_what_a_container_has_no_address_for_is_left_to_the_sockets() -> None:
    assert list(translations((PortBinding(80, Protocol.TCP, "::", 8080),), ipv4="10.1.0.2", ipv6="")) == []


# ---- the proxy ---------------------------------------------------------------------------------------------------


@contextmanager
def proxied(
    protocol: Protocol, target: int, *, address: str = "127.0.0.1", backend: str = "127.0.0.1"
) -> Iterator[int]:
    """The port of a proxy in front of a port of the loopback interface."""
    held = reserve(PublishedPort(target, protocol), addresses=(address,))
    loop = Loop()
    proxy = Proxy(loop, (backend,))
    for binding, sock in held.sockets:
        proxy.open(binding, sock)
    reader, writer = os.pipe()
    loop.watch(reader, loop.stop)
    thread = Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        yield held.bindings[0].port
    finally:
        os.write(writer, b"\0")
        thread.join(PATIENCE)
        proxy.close()
        held.close()
        os.close(reader)
        os.close(writer)
    assert not thread.is_alive()


@contextmanager
def server(answer: str) -> Iterator[int]:
    """A server for one connection: "digest" of all that was said once it has been said, or "plenty" at once."""
    with busy() as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                if answer == "plenty":
                    sock.sendall(bytes(PLENTY))
                    return
                digest = hashlib.sha256()
                while data := sock.recv(1 << 16):
                    digest.update(data)
                sock.sendall(digest.hexdigest().encode())

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)
    assert not thread.is_alive()


@contextmanager
def connected(target: int, *, address: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection to the proxy of a port."""
    with (
        proxied(Protocol.TCP, target, address=address) as port,
        socket.create_connection((address, port), PATIENCE) as sock,
    ):
        yield sock


def everything(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def test_much_is_carried_and_an_end_is_an_end() -> None:
    data = os.urandom(1 << 20) * 8
    with server("digest") as target, connected(target) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock).decode() == hashlib.sha256(data).hexdigest()


def test_much_comes_back_however_full_the_way_is() -> None:
    with server("plenty") as target, connected(target) as sock:
        assert len(everything(sock)) == PLENTY


def test_ipv6_in_front_of_ipv4() -> None:
    with server("digest") as target, connected(target, address="::1") as sock:
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock).decode() == hashlib.sha256().hexdigest()


def test_where_nobody_listens_is_told_as_such() -> None:
    with busy() as gone:
        target = gone.getsockname()[1]
    with pytest.raises(ConnectionResetError), connected(target) as sock:
        sock.recv(1)


def test_a_reset_is_passed_on() -> None:
    with busy() as listener, connected(listener.getsockname()[1]) as sock:
        there, _ = listener.accept()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        there.close()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize(("address", "asked"), [("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.8.7.6"), ("::", "::1")])
def test_datagrams_are_answered_from_where_they_were_asked(address: str, asked: str) -> None:
    family = socket.AF_INET6 if ":" in asked else socket.AF_INET
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind(("127.0.0.1", 0))
        echo.settimeout(PATIENCE)
        with proxied(Protocol.UDP, echo.getsockname()[1], address=address) as port, ExitStack() as clients:
            for number in range(3):
                sock = clients.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                sock.settimeout(PATIENCE)
                sock.connect((asked, port))  # takes answers from nowhere else
                for text in (f"{number}", "again"):
                    sock.send(text.encode())
                    data, sender = echo.recvfrom(100)
                    echo.sendto(data.upper(), sender)
                    assert sock.recv(100) == text.upper().encode()
