"""Ports of a service's containers that the host gives away to them.

`mode` tells Swarm how replicas share a port; here each container publishes its own, as with docker compose.
"""

from __future__ import annotations

import ipaddress

from composer.lowering.mistake import Place
from composer.model.network import Port
from composer.model.service import Service
from composer.spec.network import PortRange, Protocol, PublishedPort


def lower(service: Service, *, place: Place) -> tuple[PublishedPort, ...]:
    """In the order of the file."""
    return tuple(
        _lower(port, place(("services", service.name, "ports", index))) for index, port in enumerate(service.ports)
    )


def _lower(port: Port, place: str) -> PublishedPort:
    host = port.published
    return PublishedPort(
        container=port.target,
        protocol=Protocol(port.protocol.value),
        host=PortRange(max(host.first, 1), host.last) if host is not None and host.last else None,
        host_ip=str(ipaddress.ip_address(port.host_ip)) if port.host_ip else "",
        name=port.name or "",
        app_protocol=port.app_protocol or "",
        place=place,
    )
