"""The host's network: who may change it now, and what there is.

The lock is flock(2) on the network namespace itself: one for everybody who works in it, whatever directories they use,
let go by the kernel when its holder dies.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from contextlib import contextmanager

from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.rtnetlink import Link, RouteSocket
from composer.runtime.network import labels
from composer.runtime.network.labels import EndpointLabel, NetworkLabel


@contextmanager
def locked() -> Iterator[None]:
    """Alone with the networks of the host, within the block. Waits for its turn."""
    fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # a process made in the block has a copy, and would hold it until its execve
        os.close(fd)


@frozen
class FoundNetwork:
    """A network as the kernel has it."""

    label: NetworkLabel
    link: Link
    endpoints: tuple[EndpointLabel, ...] = ()


@frozen
class HostNetwork:
    """A snapshot. `subnets` are those in use on the host by others than our networks, each with whose it is."""

    networks: dict[str, FoundNetwork]
    subnets: dict[str, str]
    links: tuple[Link, ...] = ()

    def taken(self) -> dict[str, str]:
        """All subnets that a new network must not overlap, each with whose it is."""
        ours = {
            subnet: f"the subnet of network {found.label.network}"
            for found in self.networks.values()
            for subnet in found.label.subnets
        }
        return {**self.subnets, **ours}


def observe(route: RouteSocket) -> HostNetwork:
    """What there is. Raises OSError."""
    links = route.links()
    ours = {link.index: label for link in links if (label := labels.read_network(link))}
    ports: dict[int, list[EndpointLabel]] = {}
    for link in links:
        if link.master in ours and (endpoint := labels.read_endpoint(link.alias)):
            ports.setdefault(link.master, []).append(endpoint)
    networks = {
        ours[link.index].network: FoundNetwork(ours[link.index], link, tuple(ports.get(link.index, ())))
        for link in links
        if link.index in ours
    }
    names = {link.index: link.name for link in links}
    subnets = {
        it.destination: f"a route of this host through {names.get(it.index, 'several interfaces')}"
        for it in route.routes()
        if it.destination and it.index not in ours
    }
    subnets |= {
        str(
            ipaddress.ip_network(f"{it.address}/{it.prefix}", strict=False)
        ): f"the subnet of interface {names[it.index]}"
        for it in route.addresses()
        if it.index not in ours and it.index in names
    }
    return HostNetwork(networks, dict(sorted(subnets.items())), tuple(links))
