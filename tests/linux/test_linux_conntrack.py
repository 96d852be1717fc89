"""Connections that the kernel translates: found, and forgotten, in a network namespace of the test's own."""

from __future__ import annotations

import socket

import pytest

from composer.linux import conntrack, nftables
from tests.outside import ELSEWHERE, HOST, outside

pytestmark = pytest.mark.root
TABLE = "pycompose-test-conntrack"
SAY = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], int(sys.argv[2])))"


@pytest.fixture(autouse=True)
def _a_table() -> object:
    """Tracking begins with the first rule that needs it."""
    nftables.run(
        f"add table inet {TABLE}\n"
        f"add chain inet {TABLE} out {{ type nat hook prerouting priority -100; }}\n"
        f"add rule inet {TABLE} out udp dport 7001 redirect to :7003"
    )
    yield
    nftables.run(f"delete table inet {TABLE}")


def test_connections_are_found_by_port_and_by_who_answers_and_forgotten() -> None:
    with outside() as there, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.settimeout(10)
        ports = (7001, sock.getsockname()[1])
        for port in ports:
            there.run("python3", "-c", SAY, HOST, str(port))
        sock.recv(10)
        found = conntrack.to_port(socket.IPPROTO_UDP, 7001, family=socket.AF_INET)
        assert [(one.source, one.destination) for one in found] == [(ELSEWHERE, HOST)]
        assert conntrack.to_port(socket.IPPROTO_TCP, 7001, family=socket.AF_INET) == []
        assert conntrack.to_port(socket.IPPROTO_UDP, 7001, family=socket.AF_INET6) == []
        assert len(conntrack.answered_by(HOST)) == 2
        conntrack.forget(found)
        conntrack.forget(found)
        assert conntrack.to_port(socket.IPPROTO_UDP, 7001, family=socket.AF_INET) == []
        assert len(conntrack.answered_by(HOST)) == 1
        conntrack.forget(conntrack.answered_by(HOST))
