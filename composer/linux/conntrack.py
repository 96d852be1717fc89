"""ctnetlink: the connections that the kernel translates and remembers, of the caller's network namespace.

The kernel picks those of a protocol, port or address itself (CTA_FILTER, Linux 5.8): tables of routers are long.
Beyond this module: which connections are to be forgotten.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct

from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    RECEIVE,
    Attribute,
    attribute,
    attributes,
    message,
    messages,
    nested,
)

NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 1, 2

CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE, CTA_FILTER = 1, 2, 18, 25
CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS = 1, 2
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3

# nf_conntrack_netlink.c: what of a tuple must be the same
F_IP_SRC, F_PROTO_NUM, F_PROTO_DST_PORT = 1 << 0, 1 << 3, 1 << 5

_FAMILY = struct.Struct("!BBH")  # nfgenmsg


@frozen
class Connection:
    """A connection as its first packet asked for it, with what it takes to name it to the kernel."""

    source: str
    destination: str
    key: bytes  # attributes
    family: int


def to_port(protocol: int, port: int, *, family: int) -> list[Connection]:
    """Connections whose first packet went to a port, wherever they were led then. Raises OSError."""
    proto = nested(
        CTA_TUPLE_PROTO,
        attribute(CTA_PROTO_NUM, bytes((protocol,))),
        attribute(CTA_PROTO_DST_PORT, struct.pack("!H", port)),
    )
    return _listed(family, CTA_TUPLE_ORIG, (proto,), F_PROTO_NUM | F_PROTO_DST_PORT)


def answered_by(address: str) -> list[Connection]:
    """Connections that lead to an address, translated or not. Raises OSError."""
    packed = ipaddress.ip_address(address).packed
    family, kind = (socket.AF_INET, CTA_IP_V4_SRC) if len(packed) == 4 else (socket.AF_INET6, CTA_IP_V6_SRC)
    ip = nested(CTA_TUPLE_IP, attribute(kind, packed))
    return _listed(family, CTA_TUPLE_REPLY, (ip,), F_IP_SRC)


def forget(connections: list[Connection]) -> None:
    """Remove them: the next packet of each begins anew. Fine if they are gone. Raises OSError."""
    with _open() as sock:
        for one in connections:
            _send(sock, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, one.family, one.key)
            for _ in _answers(sock):
                pass


def _listed(family: int, side: int, tuple_: tuple[Attribute, ...], wanted: int) -> list[Connection]:
    flags = CTA_FILTER_ORIG_FLAGS if side == CTA_TUPLE_ORIG else CTA_FILTER_REPLY_FLAGS
    body = nested(side, *tuple_) + nested(CTA_FILTER, attribute(flags, wanted))
    with _open() as sock:
        _send(sock, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, body)
        return [_connection(answer) for answer in _answers(sock)]


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def _send(sock: socket.socket, kind: int, flags: int, family: int, body: bytes) -> None:
    header = _FAMILY.pack(family, 0, 0)
    sock.send(message(NFNL_SUBSYS_CTNETLINK << 8 | kind, NLM_F_REQUEST | flags, 1, header + body))


def _answers(sock: socket.socket) -> Iterator[bytes]:
    """Until the last one, or an acknowledgement."""
    while True:
        for kind, _, _, body in messages(sock.recv(RECEIVE)):
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                number = -struct.unpack_from("=i", body)[0]
                if number not in (0, errno.ENOENT):
                    raise OSError(number, os.strerror(number))
                return
            yield body


def _connection(body: bytes) -> Connection:
    family, _, _ = _FAMILY.unpack_from(body)
    found = dict(attributes(body[_FAMILY.size :]))
    asked = found[CTA_TUPLE_ORIG]
    ip = dict(attributes(dict(attributes(asked))[CTA_TUPLE_IP]))
    source = ip.get(CTA_IP_V4_SRC) or ip[CTA_IP_V6_SRC]
    destination = ip.get(CTA_IP_V4_DST) or ip[CTA_IP_V6_DST]
    key = nested(CTA_TUPLE_ORIG, asked)
    if CTA_ZONE in found:
        key += attribute(CTA_ZONE, found[CTA_ZONE])
    return Connection(str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination)), key, family)
