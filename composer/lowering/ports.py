"""Ports of a service's containers that the host gives away to them, and those that are only told.

`mode` tells Swarm how replicas share a port; here each container publishes its own, as with docker compose.
"""

from __future__ import annotations

import ipaddress

from composer.lowering.mistake import Place
from composer.model.network import Port
from composer.model.service import Service
from composer.spec.network import ExposedPorts, PortRange, Protocol, PublishedPort


def lower(service: Service, *, place: Place) -> tuple[PublishedPort, ...]:
    """In the order of the file."""
    return tuple(
        _lower(port, place(("services", service.name, "ports", index))) for index, port in enumerate(service.ports)
    )


def exposed(service: Service) -> tuple[ExposedPorts, ...]:
    """Each once, by protocol and number: how they are written is no reason to recreate a container."""
    found = {(Protocol(it.protocol), PortRange(it.ports.first, it.ports.last)) for it in service.expose}
    return tuple(
        ExposedPorts(ports, protocol)
        for protocol, ports in sorted(found, key=lambda it: (it[0].value, it[1].first, it[1].last))
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
