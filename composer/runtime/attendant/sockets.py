"""The sockets that a container's names are asked at, opened in its network namespace.

A socket belongs to the namespace it was made in, whoever holds it: so the attendant, on the host, answers on sockets
that are inside. They are asked at 127.0.0.11, port 53, and are bound to another port, for a container may be a name
server itself and bind 0.0.0.0:53. In between stand four rules in the container's own namespace:

    asker ── to 127.0.0.11:53 ──► output: to port 4 ────► socket
    asker ◄── from 127.0.0.11:53 ── output: from port 53 ◄── socket

They change the number in the packet and know no connections (Docker's are of NAT): a namespace whose connections are
tracked pays for each packet of all of them.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack, contextmanager

from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.namespaces import CLONE_NEWNET, setns
from composer.linux.netdevice import set_interface_up
from composer.linux.nftables import Conversation

ADDRESS = "127.0.0.11"  # on every loopback interface, which has all of 127.0.0.0/8
PORT = 53
BEHIND = 4  # assigned to nobody by IANA; any other will do where a container has it all the same
BACKLOG = 32
TABLE = "pycompose_names"


@contextmanager
def network_of(pidfd: int) -> Iterator[None]:
    """Within the block, the caller is in the network namespace of the process behind `pidfd`. Raises OSError.

    A thread's matter: only for processes that have one.
    """
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(pidfd, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)


@frozen
class Opened:
    """What is open in a container's network. Whoever closes it while its rules are new waits: see Conversation."""

    descriptors: tuple[int, int]  # of the sockets, UDP and TCP
    rules: Conversation

    def close(self) -> None:
        """The namespace is there as long as anything of this."""
        for fd in self.descriptors:
            os.close(fd)
        self.rules.close()


def open_sockets(pidfd: int) -> Opened:
    """Sockets that are asked at 127.0.0.11, port 53, in the network of a process.

    Its loopback interface is brought up: before, that has no addresses. Raises OSError: ESRCH when the process is gone;
    MissingFeature: no nftables.
    """
    with network_of(pidfd), ExitStack() as undo:
        set_interface_up("lo")
        datagrams = undo.enter_context(_bound(socket.SOCK_DGRAM))
        listener = undo.enter_context(_bound(socket.SOCK_STREAM))
        listener.listen(BACKLOG)
        rules = undo.enter_context(Conversation())
        rules.run(_rules(udp=datagrams.getsockname()[1], tcp=listener.getsockname()[1]))
        undo.pop_all()
    return Opened((datagrams.detach(), listener.detach()), rules)


def _bound(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections to an attendant before may linger
        try:
            sock.bind((ADDRESS, BEHIND))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sock.bind((ADDRESS, 0))
    except OSError as error:
        sock.close()
        error.add_note(f"bind({ADDRESS}, {BEHIND})")
        raise
    return sock


def _rules(*, udp: int, tcp: int) -> str:
    """Those of an attendant before are replaced."""
    lines = "\n".join(
        f"ip daddr {ADDRESS} {protocol} dport {PORT} {protocol} dport set {port}\n"
        f"ip saddr {ADDRESS} {protocol} sport {port} {protocol} sport set {PORT}"
        for protocol, port in (("udp", udp), ("tcp", tcp))
    )
    return f"""\
add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
    chain ports {{
        type filter hook output priority raw; policy accept;
        {lines}
    }}
}}
"""
