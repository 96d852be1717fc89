"""How a container is found by others, and finds them, by name.

The names themselves: `names`. What is written into files: `files`.
"""

from __future__ import annotations

from collections.abc import Iterator

from composer.lowering import policy
from composer.model.health import Dns
from composer.model.service import Service
from composer.spec.network import NamedPort, Names, Protocol


def lower(service: Service, *, hostname: str, aliases: bool) -> Names:
    """The names that hold on all its networks; those of one network: `network`."""
    return Names(
        resolvers=service.dns,
        links=tuple(_links(service)),
        only_healthy=service.x_dns is Dns.HEALTHY and policy.lower(service).health is not None,
        own=tuple(dict.fromkeys((service.name, hostname) if aliases else (hostname,))),
        ports=tuple(dict.fromkeys(_ports(service))),
    )


def _links(service: Service) -> Iterator[tuple[str, str]]:
    """(name, what it stands for). An external link is to a container, of whichever project, on a network shared."""
    for link in (*service.links, *service.external_links):
        of, _, alias = link.partition(":")
        yield alias or of, of


def _ports(service: Service) -> Iterator[NamedPort]:
    """By their names, and by what they speak."""
    for port in service.ports:
        for name in (port.name, port.app_protocol):
            if name:
                yield NamedPort(name, Protocol(port.protocol.value), port.target)
