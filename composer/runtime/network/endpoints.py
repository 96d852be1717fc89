"""A container's places in its networks, the host's side: chosen before its process is there, made right after.

    launcher                                              child, in its own network namespace
    ──────────────────────────────────────────────        ─────────────────────────────────────────────
    lock; which addresses are free
    its files written: /etc/hosts has them
    clone3 ─────────────────────────────────────────────► waits at the gate
    veth pairs, one end born in its namespace, the
      other a port of the bridge, with its label
    unlock; opens the gate ─────────────────────────────► addresses, routes, up (inside)

The labels of a bridge's ports tell which addresses are taken: whoever dies in between leaves nothing behind, since a
veth pair ends with the namespace of its inner end. Macvlan and ipvlan have no outer end: there are leases.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import contextmanager

from composer.errors import HostError
from composer.frozen import frozen, mutable, replace
from composer.hints import Iterator
from composer.linux import rtnetlink
from composer.linux.netlink import attribute
from composer.linux.rtnetlink import Request, RouteSocket, open_route
from composer.planner import addresses
from composer.planner.addresses import Given
from composer.runtime.network import host, labels, leases
from composer.runtime.network.labels import EndpointLabel
from composer.spec.container import ContainerSpec
from composer.spec.network import Attachment, Driver, Endpoint, Network, Subnet


@frozen
class Place:
    """One endpoint: what was asked for, where it goes, what becomes of it."""

    endpoint: Endpoint
    network: Network
    attachment: Attachment
    on: int  # index of the bridge or the parent


@mutable
class Places:
    """All endpoints of one start. Whoever makes the process calls `attach`, then `open_gate`."""

    places: tuple[Place, ...]
    spec: ContainerSpec
    lease_directory: str
    route: RouteSocket | None = None
    gate: tuple[int, int] | None = None  # a pipe; nothing to wait for without endpoints

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What the container has got, in the order of its interfaces."""
        return tuple(place.attachment for place in self.places)

    @property
    def ways_out(self) -> tuple[Place | None, Place | None]:
        """Where the default routes of IPv4 and IPv6 go: the highest gw_priority, then the first by name, as Docker."""
        ranked = sorted(self.places, key=lambda place: (-place.endpoint.gw_priority, place.network.name))
        return (
            next((place for place in ranked if place.attachment.ipv4_gateway), None),
            next((place for place in ranked if place.attachment.ipv6_gateway), None),
        )

    def attach(self, pid: int) -> None:
        """Make the interfaces, with the inner ends in the namespace of a child of the caller, and open the gate."""
        if self.route is None or self.gate is None:
            return
        self.route.perform([request for place in self.places for request in _requests(place, self.spec, pid)])
        for place in self.places:
            if place.network.driver is not Driver.BRIDGE:
                leases.take(
                    self.lease_directory, place.attachment, pid=pid, project=self.spec.project, container=self.spec.name
                )
        os.write(self.gate[1], b"\0")


@contextmanager
def open_places(
    spec: ContainerSpec, networks: tuple[Network, ...], *, lease_directory: str, before: tuple[Attachment, ...] = ()
) -> Iterator[Places]:
    """Addresses for all endpoints of a container, nobody else's until the end of the block.

    `networks` are resolved; `before` is what the container had in its last run. Raises Conflict, HostError, OSError.
    """
    if not spec.endpoints:
        yield Places((), spec, lease_directory)
        return
    by_name = {network.name: network for network in networks}
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        with host.locked(), open_route() as route:
            leases.tidy(lease_directory)
            preferred = [address for it in before for address in (it.ipv4_address, it.ipv6_address) if address]
            names = _interface_names(spec.endpoints)
            places = tuple(
                _place(
                    spec,
                    endpoint,
                    by_name,
                    route=route,
                    lease_directory=lease_directory,
                    preferred=preferred,
                    interface=name,
                )
                for endpoint, name in zip(spec.endpoints, names, strict=True)
            )
            yield Places(places, spec, lease_directory, route, (reader, writer))
    finally:
        os.close(reader)
        os.close(writer)


def release(spec: ContainerSpec, attachments: tuple[Attachment, ...]) -> None:
    """Free the addresses of a container that has ended. Raises OSError.

    Its links go with its namespace, but only once the kernel gets to it and nobody has a socket in there any more.
    """
    with open_route() as route:
        for it in attachments:
            if it.link:
                label = EndpointLabel(it.network, spec.project, spec.name)
                without = rtnetlink.set_link(it.link, attribute(rtnetlink.IFLA_IFALIAS, label.encode()), up=False)
                route.perform([replace(without, fine=(errno.ENODEV,))])


def _interface_names(endpoints: tuple[Endpoint, ...]) -> list[str]:
    """eth0, eth1, … for those that say nothing, in their order."""
    said = {endpoint.interface_name for endpoint in endpoints}
    free = (name for number in range(len(endpoints) * 2) if (name := f"eth{number}") not in said)
    return [endpoint.interface_name or next(free) for endpoint in endpoints]


def _place(
    spec: ContainerSpec,
    endpoint: Endpoint,
    networks: dict[str, Network],
    *,
    route: RouteSocket,
    lease_directory: str,
    preferred: list[str],
    interface: str,
) -> Place:
    network = networks.get(endpoint.network)
    link = labels.network_link(network) if network else ""
    on = _index(network.parent if network.parent and network.driver is not Driver.BRIDGE else link) if network else 0
    if network is None or not on:
        raise HostError(f"network {endpoint.network} is gone", hint="`pycompose up` makes it again")
    taken = _taken(
        _labels(route, on) if network.driver is Driver.BRIDGE else leases.held(lease_directory, network.name), spec
    )
    given = addresses.allocate(network, endpoint, taken=taken, preferred=preferred)
    return Place(endpoint, network, _attachment(spec, endpoint, network, given, interface=interface, on=link), on)


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _labels(route: RouteSocket, bridge: int) -> list[EndpointLabel]:
    """Of a bridge's ports."""
    return [label for alias in route.aliases(master=bridge) if (label := labels.read_endpoint(alias))]


def _taken(found: list[EndpointLabel], spec: ContainerSpec) -> set[str]:
    """The addresses of others. One's own of an earlier run may take a moment to go."""
    return {
        address
        for label in found
        if (label.project, label.container) != (spec.project, spec.name)
        for address in label.addresses
    }


def _attachment(
    spec: ContainerSpec, endpoint: Endpoint, network: Network, given: Given, *, interface: str, on: str
) -> Attachment:
    ipv4, ipv6 = given.ipv4, given.ipv6
    whose = f"{network.name}/{spec.project}/{spec.name}"
    derived = addresses.mac_of(ipv4[0]) if ipv4 else addresses.mac_from(whose)
    return Attachment(
        network=network.name,
        interface=interface,
        mac_address=endpoint.mac_address or derived,
        ipv4_address=ipv4[0] if ipv4 else "",
        ipv4_prefix=_prefix(ipv4),
        ipv4_gateway=_gateway(network, ipv4),
        ipv6_address=ipv6[0] if ipv6 else "",
        ipv6_prefix=_prefix(ipv6),
        ipv6_gateway=_gateway(network, ipv6),
        aliases=endpoint.aliases,
        host_interface=on,
        link=labels.endpoint_link(network.name, project=spec.project, container=spec.name)
        if network.driver is Driver.BRIDGE
        else "",
    )


def _prefix(given: tuple[str, Subnet] | None) -> int:
    return int(given[1].subnet.rpartition("/")[2]) if given else 0


def _gateway(network: Network, given: tuple[str, Subnet] | None) -> str:
    """Where the default route would go; on an internal network nowhere."""
    return given[1].gateway if given and not network.internal else ""


def _requests(place: Place, spec: ContainerSpec, pid: int) -> Iterator[Request]:
    if place.network.driver is Driver.BRIDGE:
        yield from _veth(place, spec, pid)
    else:
        yield _vlan(place, pid)


def _veth(place: Place, spec: ContainerSpec, pid: int) -> Iterator[Request]:
    it, network = place.attachment, place.network
    mtu = place.endpoint.mtu or network.mtu
    sized = (attribute(rtnetlink.IFLA_MTU, mtu),) if mtu else ()
    known = tuple(address for address in (it.ipv4_address, it.ipv6_address) if address)
    label = EndpointLabel(network.name, spec.project, spec.name, known)
    yield rtnetlink.delete_link(it.link)  # of an earlier run whose namespace is on its way out
    peer = rtnetlink.veth_peer(
        it.interface,
        attribute(rtnetlink.IFLA_NET_NS_PID, pid),
        rtnetlink.hardware_address(it.mac_address),
        *sized,
    )
    group = attribute(rtnetlink.IFLA_GROUP, labels.group_of(network.name))
    yield rtnetlink.new_link(it.link, "veth", attribute(rtnetlink.IFLA_MASTER, place.on), group, *sized, data=(peer,))
    # two messages: of one, the kernel does "up" first, and gives the interface an address that it is not to have
    silent = [rtnetlink.without_link_local()] if HAS_IPV6 else []
    yield rtnetlink.set_link(it.link, attribute(rtnetlink.IFLA_IFALIAS, label.encode()), *silent, up=False)
    # Where br_netfilter is loaded, the bridge itself translates, and what a container sends to its own published port
    # has to leave through the port of the bridge that it came in by.
    yield rtnetlink.set_link(it.link, rtnetlink.bridge_port(isolated=not network.icc, hairpin=bool(spec.ports)))


def _vlan(place: Place, pid: int) -> Request:
    it, network = place.attachment, place.network
    attributes = [attribute(rtnetlink.IFLA_LINK, place.on), attribute(rtnetlink.IFLA_NET_NS_PID, pid)]
    if mtu := place.endpoint.mtu or network.mtu:
        attributes.append(attribute(rtnetlink.IFLA_MTU, mtu))
    if network.driver is Driver.MACVLAN:
        mode = attribute(rtnetlink.IFLA_MACVLAN_MODE, rtnetlink.MACVLAN_MODES[network.mode or "bridge"])
        attributes.append(rtnetlink.hardware_address(it.mac_address))
        return rtnetlink.new_link(it.interface, "macvlan", *attributes, data=(mode,))
    number = rtnetlink.IPVLAN_MODES[network.mode or "l2"]
    mode = attribute(rtnetlink.IFLA_IPVLAN_MODE, number.to_bytes(2, "little"))
    return rtnetlink.new_link(it.interface, "ipvlan", *attributes, data=(mode,))


HAS_IPV6 = os.path.isdir("/proc/sys/net/ipv6")
