"""The subnets that a network says it has, and addresses in them: what cannot be, for all that the files say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from composer.errors import InvalidFile
from composer.lowering.mistake import Misfit, Path, Place, refused
from composer.model import network as model
from composer.spec.network import Driver, Network, Subnet

_FREE_HINT = "choose another one, or leave it out to have a free one chosen"


def lower(key: str, said: model.Network, *, place: Place) -> tuple[Subnet, ...]:
    """In the order of the file. Raises Misfit."""
    if said.ipam is None:
        return ()
    if said.ipam.driver not in (None, "default"):
        message = f"cannot have its addresses from ipam driver {said.ipam.driver}: only default is known"
        raise Misfit("unknown-choice", message, ("ipam", "driver"))
    return tuple(_lower(key, said.ipam, place))


def _lower(key: str, said: model.Ipam, place: Place) -> Iterator[Subnet]:
    for number, pool in enumerate(said.config):
        path: Path = ("ipam", "config", number)
        if pool.subnet is None:
            if pool.ip_range or pool.gateway or pool.aux_addresses:
                message = "has an ip_range, gateway or aux_addresses without a subnet"
                raise Misfit("missing-key", message, path, hint="write subnet: as well")
            continue
        net = _net(pool.subnet, (*path, "subnet"))
        ip_range = _net(pool.ip_range, (*path, "ip_range")) if pool.ip_range else None
        if ip_range and not (ip_range.version == net.version and ip_range.subnet_of(net)):  # type: ignore[arg-type]  # of one version
            raise Misfit("conflict", f"has ip_range {ip_range} outside of its subnet {net}", (*path, "ip_range"))
        within: dict[Path, str | None] = {("gateway",): pool.gateway}
        within |= {("aux_addresses", name): address for name, address in pool.aux_addresses.items()}
        for steps, address in within.items():
            where = (*path, *steps)
            if address and _address(address, where) not in net:
                raise Misfit("conflict", f"has {steps[-1]} {address} outside of its subnet {net}", where)
        yield Subnet(
            str(net),
            gateway=pool.gateway or "",
            ip_range=str(ip_range or ""),
            aux_addresses=tuple(sorted(pool.aux_addresses.items())),
            place=place(("networks", key, *path, "subnet")),
        )


def _net(text: str, path: Path) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        message = f'has {path[-1]} "{text}", which is none: {error}'
        raise Misfit("bad-value", message, path, hint=_better(text) or "write one such as 10.1.0.0/24") from None


def _better(text: str) -> str | None:
    try:
        return f"write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return None


def _address(text: str, path: Path) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise Misfit("bad-value", f'has the address "{text}", which is none: {error}', path) from None


# ---- subnets beside each other -----------------------------------------------------------------------------------


def overlaps(networks: Iterable[Network], said: Mapping[str, model.Network]) -> Iterator[InvalidFile]:
    """Subnets that are in the way of one before them. What is macvlan's is that of the parent's network."""
    before: list[tuple[Network, str]] = []
    for network in networks:
        for number, subnet in zip(_numbers(said.get(network.key)), network.subnets, strict=True):
            for other, theirs in before:
                if Driver.BRIDGE in (network.driver, other.driver) and _overlap(subnet.subnet, theirs):
                    whose = "its own" if other is network else f"that of network {other.key},"
                    message = f"cannot have subnet {subnet.subnet}: it overlaps {whose} {theirs}"
                    path: Path = ("networks", network.key, "ipam", "config", number, "subnet")
                    yield refused("conflict", message, *path, hint=_FREE_HINT)
                    break
            before.append((network, subnet.subnet))


def _numbers(said: model.Network | None) -> list[int]:
    """Where the subnets stand: the entries that have one."""
    pools = said.ipam.config if said is not None and said.ipam is not None and not said.external else ()
    return [number for number, pool in enumerate(pools) if pool.subnet is not None]


def _overlap(one: str, other: str) -> bool:
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)


# ---- addresses in them -------------------------------------------------------------------------------------------


def refuse_unfit(address: str, network: Network, path: Path) -> None:
    """Raises Misfit for an address that no container can have in a network."""
    version = _address(address, path).version
    subnets = [subnet for subnet in network.subnets if ipaddress.ip_network(subnet.subnet).version == version]
    if not subnets:
        message = f"cannot have address {address}: network {network.key} does not say which IPv{version} subnet it has"
        raise Misfit("missing-key", message, path, hint=f"give networks.{network.key} a subnet, under ipam.config")
    for subnet in subnets:
        if ipaddress.ip_address(address) in ipaddress.ip_network(subnet.subnet):
            if owner := _owner(address, subnet):
                message = f"cannot have address {address} of network {network.key}: it is {owner}"
                raise Misfit("conflict", message, path, hint=_FREE_HINT)
            return
    has = ", ".join(subnet.subnet for subnet in subnets)
    message = f"cannot have address {address}: network {network.key} has {has}"
    raise Misfit("conflict", message, path, hint=_FREE_HINT)


def _owner(address: str, subnet: Subnet) -> str:
    """Whose an address is, as far as the file tells; "" where a container can have it."""
    wanted, net = ipaddress.ip_address(address), ipaddress.ip_network(subnet.subnet)
    if subnet.gateway and wanted == ipaddress.ip_address(subnet.gateway):
        return "the gateway's"
    for name, aux in subnet.aux_addresses:
        if wanted == ipaddress.ip_address(aux):
            return f"kept for {name} by aux_addresses"
    if net.num_addresses > 2 and wanted in (net.network_address, net.broadcast_address):
        return f"the {'first' if wanted == net.network_address else 'last'} one of {net}, which nobody can have"
    return ""
