"""Isolation and masquerade: the rules of a network, in a table of its project's own.

    table inet pycompose_shop
        chain isolate-pc-0123456789a    forward, filter: nothing enters the network unasked, from wherever
        chain egress-pc-0123456789a     postrouting, srcnat: what leaves has the host's address

A network's chains come and go in one transaction and touch no other's; the table goes with the last network. Verdicts
of different tables add up: a packet must be let through by all of them, so that these rules never open what Docker's,
firewalld's or ufw's close.

Others' rules for the project's published ports may stand in the same table; what they redirect into a network is let
in here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from composer.errors import HostError
from composer.linux import nftables
from composer.spec.network import Network


def table(project: str) -> str:
    """The name of a project's table, of family inet; networks that nobody owns have one together."""
    return f"pycompose_{project}" if project else "pycompose"


def add(network: Network, *, link: str) -> None:
    """Isolate a network; fine if it is. `network` is resolved. Raises HostError."""
    _run("\n".join(_adding(network, link)), f"cannot isolate network {network.name}")


def remove(project: str, *, link: str, last: bool) -> None:
    """Take away the rules of a network, and the table with the project's last one. Raises HostError."""
    name = table(project)
    lines = [f"add table inet {name}"]
    if last:
        lines.append(f"delete table inet {name}")
    else:
        for chain in (f"isolate-{link}", f"egress-{link}"):
            lines += [f"add chain inet {name} {chain}", f"delete chain inet {name} {chain}"]
    _run("\n".join(lines), f"cannot remove the rules of {link}")


def _adding(network: Network, link: str) -> Iterator[str]:
    name = table(network.project)
    yield f"add table inet {name}"
    isolate, egress = f"isolate-{link}", f"egress-{link}"
    yield f"add chain inet {name} {isolate} {{ type filter hook forward priority filter; policy accept; }}"
    yield f"flush chain inet {name} {isolate}"
    for rule in _isolation(network, link):
        yield f"add rule inet {name} {isolate} {rule}"
    if rules := list(_egress(network, link)):
        yield f"add chain inet {name} {egress} {{ type nat hook postrouting priority srcnat; policy accept; }}"
        yield f"flush chain inet {name} {egress}"
        for rule in rules:
            yield f"add rule inet {name} {egress} {rule}"


def _isolation(network: Network, link: str) -> Iterator[str]:
    # frames between ports of the bridge come by here too, where br_netfilter is loaded
    yield f'iifname "{link}" oifname "{link}" accept'
    if network.internal:
        yield f'iifname "{link}" drop'
    else:
        yield f'oifname "{link}" ct state established,related accept'
        yield f'oifname "{link}" ct status dnat accept'
    yield f'oifname "{link}" drop'


def _egress(network: Network, link: str) -> Iterator[str]:
    if network.internal or not network.masquerade:
        return
    for subnet in network.subnets:
        family = "ip" if ipaddress.ip_network(subnet.subnet).version == 4 else "ip6"
        yield f'{family} saddr {subnet.subnet} oifname != "{link}" masquerade'


def _run(commands: str, purpose: str) -> None:
    try:
        nftables.run(commands)
    except OSError as error:
        said = error.strerror or ""
        raise HostError(f"{purpose}: {said}", hint=_hint(said)) from error


def _hint(said: str) -> str | None:
    if "Operation not permitted" in said:
        return "it takes root, or CAP_NET_ADMIN over this network namespace"
    if "Operation not supported" in said or "No such file" in said or "cache initialization" in said:
        return "this kernel needs CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET, CONFIG_NFT_CT, CONFIG_NFT_MASQ"
    return None
