"""rtnetlink(7): links, addresses and routes of the network namespace that a socket was opened in.

Requests are values and go in batches: one send, an answer for each that failed and for the last. The kernel takes up
all of a batch in one call, so that a killed process leaves it whole or not begun; one larger than the socket's send
buffer (208 KiB) it does not take at all: EMSGSIZE. What a request looks like is in `links` of the caller's own making:
here are the messages and attributes, in the kernel's own spelling.

Beyond this module: which links there should be.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from contextlib import contextmanager

from composer.frozen import frozen
from composer.hints import Iterable, Iterator, Sequence
from composer.linux.netlink import (
    HEADER_SIZE,
    NLA_F_NESTED,
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
    picked,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_NEWLINKPROP = 108  # Linux 5.5

NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSGERR_ATTR_MSG = 1

SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 11, 12

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_LINKINFO, IFLA_NET_NS_PID, IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP = 18, 19, 20, 26, 27
IFLA_EXT_MASK, IFLA_PROP_LIST, IFLA_ALT_IFNAME = 29, 52, 53
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 4, 33
IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE = 8, 1
IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE = 1, 1
VETH_INFO_PEER = 1
RTEXT_FILTER_SKIP_STATS = 8

IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD = 0x02
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15
RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST = 254, 3, 0, 1
RT_SCOPE_LINK = 253

IFF_UP = 0x1

MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}

_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg


@frozen
class Request:
    """One message of a batch. `about` is said where it fails, unless it fails with one of `fine`."""

    kind: int
    flags: int
    body: bytes
    about: str
    fine: tuple[int, ...] = ()


@frozen
class Link:
    """A network interface."""

    index: int
    name: str
    up: bool
    kind: str = ""  # "bridge", "veth", …; "" for hardware
    alias: str = ""
    master: int = 0  # index of the bridge that it is a port of
    group: int = 0
    mtu: int = 0
    mac_address: str = ""


@frozen
class Address:
    """An address of an interface."""

    index: int
    address: str
    prefix: int


@frozen
class Route:
    """A route of any table. `destination` is a subnet, "" for a default route."""

    destination: str
    index: int = 0


# ---- requests ----------------------------------------------------------------------------------------------------


def new_link(name: str, kind: str, *attributes: Attribute, data: Sequence[Attribute] = ()) -> Request:
    """Make an interface of a kind. EEXIST where the name is taken."""
    info = [attribute(IFLA_INFO_KIND, kind.encode())]
    if data:
        info.append(nested(IFLA_INFO_DATA, *data))
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, name)
    return Request(
        RTM_NEWLINK,
        NLM_F_CREATE | NLM_F_EXCL,
        body + b"".join(attributes) + nested(IFLA_LINKINFO, *info),
        f"link add {name} type {kind}",
    )


def probe_kind(kind: str) -> Request:
    """Ask for an interface that cannot be: EINVAL, for its name, unless the kernel has no such kind: EOPNOTSUPP.

    The other end of a veth pair is made first, and with a name of the kernel's choice it would be there for a moment,
    seen by all who watch, and take 30 to 50 ms to go.
    """
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, "/")
    data = (nested(IFLA_INFO_DATA, veth_peer("/")),) if kind == "veth" else ()
    info = nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, kind.encode()), *data)
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body + info, f"link add type {kind}", fine=(errno.EINVAL,))


def veth_peer(name: str, *attributes: Attribute) -> Attribute:
    """The other end of a veth pair, for the `data` of new_link."""
    peer = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, name) + b"".join(attributes)
    return attribute(VETH_INFO_PEER | NLA_F_NESTED, peer)


def set_link(name: str, *attributes: Attribute, up: bool = True) -> Request:
    """Change an interface, and set it up."""
    flags = IFF_UP if up else 0
    body = _LINK.pack(0, 0, 0, flags, flags) + attribute(IFLA_IFNAME, name) + b"".join(attributes)
    return Request(RTM_NEWLINK, 0, body, f"link set {name}")


def add_altname(name: str, altname: str) -> Request:
    """A second, longer name for an interface (at most 127 bytes). EEXIST where it is taken, by whomever."""
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, name)
    body += nested(IFLA_PROP_LIST, attribute(IFLA_ALT_IFNAME, altname))
    return Request(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, body, f"link property add dev {name} altname {altname}")


def delete_link(name: str) -> Request:
    """Remove an interface; fine if it is gone. A veth's other end goes with it."""
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, name)
    return Request(RTM_DELLINK, 0, body, f"link del {name}", fine=(errno.ENODEV,))


def delete_group(group: int) -> Request:
    """Remove all interfaces of a group at once, which costs hardly more than one; fine if there is none."""
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_GROUP, group)
    return Request(RTM_DELLINK, 0, body, f"link del group {group}", fine=(errno.ENODEV,))


def without_link_local() -> Attribute:
    """For set_link: the interface makes itself no IPv6 address."""
    mode = attribute(IFLA_INET6_ADDR_GEN_MODE, bytes((IN6_ADDR_GEN_MODE_NONE,)))
    return nested(IFLA_AF_SPEC, nested(socket.AF_INET6, mode))


def bridge_port(*, isolated: bool, hairpin: bool) -> Attribute:
    """For set_link: a port of a bridge that other isolated ones do not reach; that gets back what it has sent."""
    data = nested(
        IFLA_INFO_SLAVE_DATA,
        attribute(IFLA_BRPORT_ISOLATED, bytes((isolated,))),
        attribute(IFLA_BRPORT_MODE, bytes((hairpin,))),
    )
    return nested(IFLA_LINKINFO, attribute(IFLA_INFO_SLAVE_KIND, b"bridge"), data)


def hardware_address(text: str) -> Attribute:
    """For new_link: an address such as 02:42:ac:11:00:02."""
    return attribute(IFLA_ADDRESS, bytes.fromhex(text.replace(":", "")))


def new_address(index: int, address: str, prefix: int) -> Request:
    """Give an interface an address, at once usable (IPv6 waits for no duplicate)."""
    packed = ipaddress.ip_address(address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    scope = RT_SCOPE_LINK if ipaddress.ip_address(address).is_link_local else RT_SCOPE_UNIVERSE
    body = (
        _ADDRESS.pack(family, prefix, 0, scope, index) + attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    )
    if family == socket.AF_INET6:
        body += attribute(IFA_FLAGS, IFA_F_NODAD)
    elif prefix < 31:
        broadcast = ipaddress.ip_network(f"{address}/{prefix}", strict=False).broadcast_address
        body += attribute(IFA_BROADCAST, broadcast.packed)
    return Request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, f"address add {address}/{prefix}")


def new_default_route(gateway: str, index: int) -> Request:
    """The default route of the gateway's family; `gateway` of "0.0.0.0" or "::" is the interface itself."""
    address = ipaddress.ip_address(gateway)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    scope = RT_SCOPE_LINK if address.is_unspecified else RT_SCOPE_UNIVERSE
    body = _ROUTE.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST, 0)
    body += attribute(RTA_OIF, index)
    if not address.is_unspecified:
        body += attribute(RTA_GATEWAY, address.packed)
    return Request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body, f"route add default via {gateway}")


# ---- the conversation --------------------------------------------------------------------------------------------


@contextmanager
def open_route() -> Iterator[RouteSocket]:
    """A socket in the caller's network namespace. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as raw:
        raw.bind((0, 0))
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            raw.setsockopt(SOL_NETLINK, option, 1)
        yield RouteSocket(raw)


class RouteSocket:
    """Batches of requests, and what there is."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._number = 0

    def perform(self, requests: Sequence[Request]) -> None:
        """Do all of them, in their order. Raises OSError for the first that failed; those after it were tried too."""
        if not requests:
            return
        first, last = self._number + 1, self._number + len(requests)
        self._number = last
        # Failures are always answered, what went well only if asked. Hundreds of answers, which all come before the
        # send has returned, would be more than the socket holds.
        batch = [
            message(
                request.kind, NLM_F_REQUEST | request.flags | (NLM_F_ACK if number == last else 0), number, request.body
            )
            for number, request in enumerate(requests, start=first)
        ]
        self._raw.send(b"".join(batch))
        failures: dict[int, OSError] = {}
        for flags, number, body in self._answers(last):
            if failure := _failure(requests[number - first], body, flags):
                failures[number] = failure
        if failures:
            raise failures[min(failures)]

    def _answers(self, last: int) -> Iterator[tuple[int, int, bytes]]:
        """All of a batch's. Of more failures than the socket holds, the first ones."""
        number, waiting = 0, 0
        while number != last:
            try:
                received = self._raw.recv(RECEIVE, waiting)
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    waiting = socket.MSG_DONTWAIT
                    continue
                if error.errno == errno.EAGAIN:
                    return
                raise
            for _, flags, number, body in messages(received):
                yield flags, number, body

    def links(self, *, master: int = 0) -> list[Link]:
        """All interfaces, or the ports of one bridge."""
        return [_link(body) for body in self._dump(RTM_GETLINK, _links_of(master))]

    def aliases(self, *, master: int) -> list[str]:
        """What is written on the ports of a bridge: a third of the work that `links` is."""
        bodies = self._dump(RTM_GETLINK, _links_of(master))
        found = (picked(body[_LINK.size :], (IFLA_IFALIAS,)) for body in bodies)
        return [_text(it[IFLA_IFALIAS]) for it in found if it]

    def addresses(self) -> list[Address]:
        """All addresses of all interfaces."""
        return [_address(body) for body in self._dump(RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0))]

    def routes(self) -> list[Route]:
        """All unicast routes of all tables."""
        bodies = self._dump(RTM_GETROUTE, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0))
        return [route for body in bodies if (route := _route(body))]

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        self._number += 1
        self._raw.send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, self._number, body))
        while True:
            for answer, _, _, found in messages(self._raw.recv(RECEIVE)):
                if answer == NLMSG_DONE:
                    return
                if answer == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", found)[0]
                    raise OSError(number, os.strerror(number))
                yield found


def _links_of(master: int) -> bytes:
    body = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    return body + attribute(IFLA_MASTER, master) if master else body


def _failure(request: Request, body: bytes, flags: int) -> OSError | None:
    number = -struct.unpack_from("=i", body)[0]
    if number == 0 or number in request.fine:
        return None
    error = OSError(number, os.strerror(number))
    error.add_note(f"rtnetlink: {request.about}")
    if flags & NLM_F_ACK_TLVS:
        for kind, value in attributes(body[4 + HEADER_SIZE :]):
            if kind == NLMSGERR_ATTR_MSG:
                error.add_note(_text(value))
    return error


# ---- answers -----------------------------------------------------------------------------------------------------


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = picked(body[_LINK.size :], _OF_LINK)
    info = picked(found.get(IFLA_LINKINFO, b""), (IFLA_INFO_KIND,))
    return Link(
        index=index,
        name=_text(found.get(IFLA_IFNAME, b"")),
        up=bool(flags & IFF_UP),
        kind=_text(info.get(IFLA_INFO_KIND, b"")),
        alias=_text(found.get(IFLA_IFALIAS, b"")),
        master=_number(found.get(IFLA_MASTER)),
        group=_number(found.get(IFLA_GROUP)),
        mtu=_number(found.get(IFLA_MTU)),
        mac_address=found.get(IFLA_ADDRESS, b"").hex(":"),
    )


_OF_LINK = frozenset((IFLA_IFNAME, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_MASTER, IFLA_GROUP, IFLA_MTU, IFLA_ADDRESS))


def _address(body: bytes) -> Address:
    _, prefix, _, _, index = _ADDRESS.unpack_from(body)
    found = dict(attributes(body[_ADDRESS.size :]))
    packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
    return Address(index, str(ipaddress.ip_address(packed)), prefix)


def _route(body: bytes) -> Route | None:
    _, length, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
    if kind != RTN_UNICAST:
        return None
    found = dict(attributes(body[_ROUTE.size :]))
    index = _number(found.get(RTA_OIF))
    if RTA_DST not in found:
        return Route("", index)
    return Route(f"{ipaddress.ip_address(found[RTA_DST])}/{length}", index)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes | None) -> int:
    return int.from_bytes(value, "little" if struct.pack("=H", 1)[0] else "big") if value else 0


def names(links: Iterable[Link]) -> dict[str, Link]:
    """Interfaces by their names."""
    return {link.name: link for link in links}
