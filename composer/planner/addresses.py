"""Subnets for networks and addresses for containers: which ones, given what is taken.

Pure: the world comes in as texts ("10.1.0.0/16", "10.1.0.2"). Whoever asks holds the lock under which the answer is
still true when it is used.

    subnet      said in the file, or the first of the pools (IPv4) that overlaps nothing; IPv6: a /64 of a unique
                local prefix (RFC 4193) derived from the network's name, the same on every machine and every day
    gateway     said, or the first host address of the subnet
    address     said, or the one it had before, or the first of the range that is free
"""

from __future__ import annotations

import ipaddress
from itertools import chain

from composer.digest import sha256
from composer.errors import Conflict, UsageError
from composer.frozen import frozen, replace
from composer.hints import Collection, Mapping
from composer.spec.network import AddressPool, Driver, Endpoint, Network, Subnet
from composer.spec.place import at

Net = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_POOLS = (  # Docker's, without 172.16.0.0/16, which clouds like to use themselves
    *(AddressPool(f"172.{second}.0.0/16", 16) for second in range(17, 32)),
    AddressPool("192.168.0.0/16", 20),
)
_IPV6_TRIES = 256
CHOOSE = "choose another address, or leave it out to have a free one chosen"


def read_pools(text: str) -> tuple[AddressPool, ...]:
    """ "10.213.0.0/16:24,192.168.0.0/16:20": subnets of 24 bits of prefix from the first. Raises UsageError."""
    return tuple(_read_pool(part.strip()) for part in text.split(",") if part.strip())


def _read_pool(text: str) -> AddressPool:
    base, _, size = text.rpartition(":")
    try:
        net = ipaddress.IPv4Network(base)
        if not net.prefixlen <= int(size) <= 30:
            raise ValueError(f"/{size} does not fit into it")
    except ValueError as error:
        raise UsageError(
            f'cannot take addresses from the pool "{text}": {error}', hint="write one such as 10.213.0.0/16:24"
        ) from error
    return AddressPool(base, int(size))


# ---- networks ----------------------------------------------------------------------------------------------------


def resolve(network: Network, *, taken: Mapping[str, str], pools: tuple[AddressPool, ...] = ()) -> Network:
    """The network with all its subnets and gateways. `taken`: subnet → whose it is. Raises Conflict."""
    occupied = {ipaddress.ip_network(text, strict=False): whose for text, whose in taken.items()}
    subnets = [_said(network, subnet, occupied) for subnet in network.subnets]
    versions = {ipaddress.ip_network(subnet.subnet).version for subnet in subnets}
    if network.ipv4 and 4 not in versions:
        subnets.insert(0, _with_gateway(network, Subnet(str(_free_ipv4(network, occupied, pools or DEFAULT_POOLS)))))
    if network.ipv6 and 6 not in versions:
        subnets.append(_with_gateway(network, Subnet(str(_free_ipv6(network, occupied)))))
    return replace(network, subnets=tuple(subnets))


def _said(network: Network, subnet: Subnet, occupied: dict[Net, str]) -> Subnet:
    """A subnet of the user's own: checked. Macvlan's is that of the parent's network, and so known to the host."""
    net = ipaddress.ip_network(subnet.subnet)
    for other, whose in occupied.items() if network.driver is Driver.BRIDGE else ():
        if _overlap(net, other):
            raise Conflict(
                f"cannot create network {network.name}{at(subnet.place)}: its subnet {net} overlaps {other}, {whose}",
                hint="choose another subnet, or leave it out to have a free one chosen (see `ip route`)",
            )
    occupied[net] = f"the subnet of network {network.name}"
    return _with_gateway(network, subnet)


def _with_gateway(network: Network, subnet: Subnet) -> Subnet:
    """On a network without a way out macvlan needs none; a bridge always has an address of its own."""
    if subnet.gateway:
        return subnet
    net = ipaddress.ip_network(subnet.subnet)
    reserved = _unusable(subnet, net) | {ipaddress.ip_address(text) for text in network.reserved}
    gateway = next((address for address in net.hosts() if address not in reserved), None)
    if gateway is None:
        raise Conflict(
            f"cannot create network {network.name}{at(subnet.place)}: "
            f"its subnet {net} has no address left for the gateway",
            hint="give it a larger subnet",
        )
    return replace(subnet, gateway=str(gateway))


def _free_ipv4(network: Network, occupied: Collection[Net], pools: tuple[AddressPool, ...]) -> Net:
    for pool in pools:
        for net in ipaddress.ip_network(pool.base).subnets(new_prefix=pool.size):
            if not any(_overlap(net, other) for other in occupied):
                return net
    raise Conflict(
        f"cannot create network {network.name}{at(network.place)}: no subnet is free in any of the address pools",
        hint="remove networks that are not needed, or set PYCOMPOSE_ADDRESS_POOLS, e.g. to 10.213.0.0/16:24",
    )


def _free_ipv6(network: Network, occupied: Collection[Net]) -> Net:
    for attempt in range(_IPV6_TRIES):
        digest = sha256(f"{network.name}\n{attempt}".encode()).digest()
        net = ipaddress.IPv6Network((b"\xfd" + digest[:7] + bytes(8), 64))
        if not any(_overlap(net, other) for other in occupied):
            return net
    raise Conflict(f"cannot create network {network.name}: no IPv6 subnet is free")


def _overlap(one: Net, other: Net) -> bool:
    return one.version == other.version and one.overlaps(other)


# ---- addresses ---------------------------------------------------------------------------------------------------


@frozen
class Given:
    """What an endpoint has got: addresses with the subnets they are of; None where the network has no such family."""

    ipv4: tuple[str, Subnet] | None
    ipv6: tuple[str, Subnet] | None


def allocate(network: Network, endpoint: Endpoint, *, taken: Collection[str], preferred: Collection[str] = ()) -> Given:
    """Addresses for an endpoint. `network` is resolved; `taken` are its other containers'. Raises Conflict."""
    used = {ipaddress.ip_address(text) for text in taken}
    wished = {ipaddress.ip_address(text) for text in preferred}
    kept = {ipaddress.ip_address(text) for text in network.reserved}
    return Given(
        ipv4=_one(network, 4, endpoint.ipv4_address, used=used, kept=kept, wished=wished) if network.ipv4 else None,
        ipv6=_one(network, 6, endpoint.ipv6_address, used=used, kept=kept, wished=wished) if network.ipv6 else None,
    )


def _one(
    network: Network, version: int, said: str, *, used: set[Address], kept: set[Address], wished: set[Address]
) -> tuple[str, Subnet] | None:
    subnets = of_version(network, version)
    if not subnets:
        return None
    if said:
        subnet = require_possible(network, said)
        if ipaddress.ip_address(said) in used:
            raise Conflict(f"cannot use address {said} in network {network.name}: another container has it")
        return said, subnet
    for subnet in subnets:
        unusable = used | kept | _unusable(subnet, ipaddress.ip_network(subnet.subnet))
        again = (address for address in wished if address in _range(subnet))
        free = next((address for address in chain(again, _range(subnet)) if address not in unusable), None)
        if free is not None:
            return str(free), subnet
    raise Conflict(
        f"cannot find an address in network {network.name}: all of {', '.join(map(_range_text, subnets))} are taken",
        hint="give the network a larger subnet or ip_range",
    )


def room(network: Network, version: int, *, taken: Collection[str]) -> tuple[int, str]:
    """How many addresses are free for those that ask for none in particular, and of what. `network` is resolved."""
    kept = {ipaddress.ip_address(text) for text in (*network.reserved, *taken)}
    free = 0
    subnets = of_version(network, version)
    for subnet in subnets:
        among = _range(subnet)
        unusable = kept | _unusable(subnet, ipaddress.ip_network(subnet.subnet))
        free += among.num_addresses - sum(address in among for address in unusable)
    return free, ", ".join(map(_range_text, subnets))


def require_possible(network: Network, address: str) -> Subnet:
    """The subnet that an address of the user's choice is in. Raises Conflict: none, or it is not a container's."""
    wanted = ipaddress.ip_address(address)
    subnets = of_version(network, wanted.version)
    subnet = next((subnet for subnet in subnets if wanted in ipaddress.ip_network(subnet.subnet)), None)
    if subnet is None:
        known = ", ".join(subnet.subnet for subnet in subnets) or f"no IPv{wanted.version} subnet"
        raise Conflict(
            f"cannot use address {address} in network {network.name}: it is outside of its subnet, it has {known}",
            hint=CHOOSE,
        )
    if wanted == ipaddress.ip_address(subnet.gateway or "0.0.0.0"):
        raise Conflict(f"cannot use address {address} in network {network.name}: it is the gateway's", hint=CHOOSE)
    for name, aux in subnet.aux_addresses:
        if wanted == ipaddress.ip_address(aux):
            raise Conflict(
                f"cannot use address {address} in network {network.name}: aux_addresses keeps it for {name}",
                hint=CHOOSE,
            )
    if wanted in _unusable(subnet, ipaddress.ip_network(subnet.subnet)):
        raise Conflict(
            f"cannot use address {address} in network {network.name}: it is the first or last one of {subnet.subnet}",
            hint=CHOOSE,
        )
    return subnet


def of_version(network: Network, version: int) -> tuple[Subnet, ...]:
    """The network's subnets of one family."""
    return tuple(subnet for subnet in network.subnets if ipaddress.ip_network(subnet.subnet).version == version)


def _unusable(subnet: Subnet, net: Net) -> set[Address]:
    """What no container gets: the network's own addresses, the gateway, what the user keeps for others."""
    said = {ipaddress.ip_address(text) for text in (subnet.gateway, *dict(subnet.aux_addresses).values()) if text}
    narrow = net.num_addresses <= 2  # RFC 3021, RFC 6164: both are for use
    return said if narrow else said | {net.network_address, net.broadcast_address}


def _range(subnet: Subnet) -> Net:
    return ipaddress.ip_network(subnet.ip_range or subnet.subnet)


def _range_text(subnet: Subnet) -> str:
    return str(_range(subnet))


def mac_of(address: str) -> str:
    """A hardware address that follows from the IPv4 address: who had the address before is not remembered by it."""
    return "02:42:" + ipaddress.IPv4Address(address).packed.hex(":")


def mac_from(text: str) -> str:
    """A hardware address derived from a text: locally administered, unicast."""
    return "02:" + sha256(text.encode()).digest()[:5].hex(":")
