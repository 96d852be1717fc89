"""Isolation and masquerade: the rules of a network, in a table of its project's own.

    table inet pycompose_shop
        chain isolate-pc-0123456789a    forward, filter: nothing enters the network unasked, from wherever
        chain egress-pc-0123456789a     postrouting, srcnat: what leaves has the host's address

A network's chains come and go in one transaction and touch no other's; the table goes with the last chain. Verdicts
of different tables add up: a packet must be let through by all of them, so that these rules never open what Docker's,
firewalld's or ufw's close.

The rules of published ports (runtime.ports.rules) stand in the same table; what they lead into a network is let in
here. A container that asks for a published port of its own network by an address of the host is answered by the host,
not by the other one directly, whose answer it would not recognise: there, and only there, the source is translated.
"""

from __future__ import annotations

import ipaddress

from composer.errors import HostError, MissingFeature
from composer.hints import Iterator
from composer.linux import nftables
from composer.spec.network import Network
from composer.spec.place import at

KERNEL_OPTIONS = (
    "CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET, CONFIG_NFT_CT, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_FIB_INET"
)


def table(project: str) -> str:
    """The name of a project's table, of family inet; networks that nobody owns have one together."""
    return f"pycompose_{project}" if project else "pycompose"


def require(network: Network) -> None:
    """Raises HostError, MissingFeature where no rules can be made for a network."""
    run("list tables inet", f"cannot isolate network {network.name}{at(network.place)}")


def add(network: Network, *, link: str) -> None:
    """Isolate a network; fine if it is. `network` is resolved. Raises HostError."""
    run("\n".join(_adding(network, link)), f"cannot isolate network {network.name}")


def remove(project: str, *, link: str) -> None:
    """Take away the rules of a network, and the table where nothing is left in it. Raises HostError."""
    name = table(project)
    lines = [f"add table inet {name}"]
    for chain in (f"isolate-{link}", f"egress-{link}"):
        lines += [f"add chain inet {name} {chain}", f"delete chain inet {name} {chain}"]
    run("\n".join(lines), f"cannot remove the rules of {link}")
    drop_if_empty(project)


def chains(project: str) -> set[str]:
    """The names of the chains in a project's table. Raises HostError."""
    name = table(project)
    purpose = f"cannot look at the rules of project {project}"
    if f"table inet {name}" not in run("list tables inet", purpose).splitlines():
        return set()
    lines = (line.split() for line in run(f"list table inet {name}", purpose).splitlines())
    return {words[1] for words in lines if words[:1] == ["chain"]}


def drop_if_empty(project: str) -> None:
    """Take away a project's table if nothing is in it. Raises HostError."""
    name = table(project)
    if not chains(project):
        run(f"add table inet {name}\ndelete table inet {name}", f"cannot remove the table {name}")


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
    if network.internal:
        return
    for subnet in network.subnets:
        family = "ip" if ipaddress.ip_network(subnet.subnet).version == 4 else "ip6"
        if network.masquerade:
            yield f'{family} saddr {subnet.subnet} oifname != "{link}" masquerade'
        yield f'{family} saddr {subnet.subnet} oifname "{link}" ct status dnat masquerade'


def run(commands: str, purpose: str) -> str:
    """One transaction, or one question. Raises HostError that begins with `purpose`."""
    try:
        return nftables.run(commands)
    except MissingFeature as error:
        raise MissingFeature(f"{purpose}: {error.message}", hint=error.hint) from error
    except OSError as error:
        said = error.strerror or ""
        raise HostError(f"{purpose}: {said}", hint=_hint(said)) from error


def _hint(said: str) -> str | None:
    if "Operation not permitted" in said:
        return "it takes root, or CAP_NET_ADMIN over this network namespace"
    if "Operation not supported" in said or "No such file" in said or "cache initialization" in said:
        return f"this kernel needs {KERNEL_OPTIONS}"
    return None
