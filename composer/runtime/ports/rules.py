"""Destination translation: the rules of a container's published ports, in the table of its project (network.firewall).

    table inet pycompose_shop
        chain ports-shop-web-1          tcp dport 8080 dnat ip to 172.18.0.2:80
        chain ports-in-shop-web-1       prerouting, dstnat: what comes from elsewhere to an address of the host
        chain ports-out-shop-web-1      output: what the host itself sends to one of its addresses

The source address stays as it is. Loopback addresses are left to the sockets (porter), and so is what comes from an
address that is good on one link only: the answer would not find its way back. A container's chains come and go in one
transaction and touch no other's. Only the first packet of a connection walks through them.
"""

from __future__ import annotations

from composer.hints import Iterable, Iterator
from composer.runtime.network import firewall, host
from composer.spec.network import PortBinding

BEFORE_ROUTING = -100  # dstnat, NF_IP_PRI_NAT_DST
NOT_TRANSLATED = {4: "127.0.0.0/8", 6: "{ ::1, fe80::/10 }"}


def add(project: str, container: str, bindings: Iterable[PortBinding], *, ipv4: str, ipv6: str) -> None:
    """Lead ports to a container's addresses; "" where it has none of a family. Alone with the host's networks (host).

    What was led to the container before is no longer. Raises HostError.
    """
    rules = list(translations(bindings, ipv4=ipv4, ipv6=ipv6))
    if not rules:
        return
    table = f"inet {firewall.table(project)}"
    own, incoming, outgoing = _chains(container)
    lines = [
        f"add table {table}",
        f"add chain {table} {own}",
        f"flush chain {table} {own}",
        *(f"add rule {table} {own} {rule}" for rule in rules),
    ]
    for chain, hook in ((incoming, "prerouting"), (outgoing, "output")):
        lines += [
            f"add chain {table} {chain} {{ type nat hook {hook} priority {BEFORE_ROUTING}; policy accept; }}",
            f"flush chain {table} {chain}",
            f"add rule {table} {chain} fib daddr type local jump {own}",
        ]
    firewall.run("\n".join(lines), f"cannot publish the ports of container {container}")


def remove(project: str, container: str) -> None:
    """Lead nothing to a container any longer; fine if nothing was. Raises HostError, OSError."""
    name = firewall.table(project)
    own, incoming, outgoing = _chains(container)
    with host.locked():
        if own not in firewall.chains(project):
            return
        lines = [line for chain in (incoming, outgoing) for line in _dropping(f"inet {name}", chain)]
        lines += _dropping(f"inet {name}", own)
        firewall.run("\n".join(lines), f"cannot take back the ports of container {container}")
        firewall.drop_if_empty(project)


def _dropping(table: str, chain: str) -> list[str]:
    return [f"add chain {table} {chain}", f"flush chain {table} {chain}", f"delete chain {table} {chain}"]


def _chains(container: str) -> tuple[str, str, str]:
    return f"ports-{container}", f"ports-in-{container}", f"ports-out-{container}"


def translations(bindings: Iterable[PortBinding], *, ipv4: str, ipv6: str) -> Iterator[str]:
    """The rules, where the kernel is to lead a binding to the container."""
    for it in bindings:
        version = 6 if ":" in it.address else 4
        target = ipv6 if version == 6 else ipv4
        if not target or is_loopback(it.address):
            continue
        family, aim = ("ip6", f"[{target}]") if version == 6 else ("ip", target)
        everywhere = it.address in ("0.0.0.0", "::")
        where = f"daddr != {NOT_TRANSLATED[version]}" if everywhere else f"daddr {it.address}"
        near = " ip6 saddr != fe80::/10" if version == 6 else ""
        port = f"{it.protocol.value} dport {it.port}"
        yield f"{family} {where}{near} {port} dnat {family} to {aim}:{it.container}"


def is_loopback(address: str) -> bool:
    """Whether only the host itself reaches this address."""
    return address == "::1" or address.startswith("127.")
