"""Networks, a service's place in them, and published ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from composer.model.part import Part
from composer.model.ports import PortRange
from composer.model.scalars import Boolean, Integer, Spelled, Text, Unreadable, WrongType, between


class Protocol(StrEnum):
    """A transport protocol."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


def read_address(value: object) -> str:
    """An IPv4 or IPv6 address; brackets round it are dropped."""
    if not isinstance(value, str):
        raise WrongType(value, "an IP address", hint="write one such as 127.0.0.1 or ::1")
    try:
        ipaddress.ip_address(text := value.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise Unreadable(f'"{value}" is not an IP address', hint="write one such as 127.0.0.1 or ::1") from None
    return text


def read_host_address(value: object) -> str:
    """An address for /etc/hosts; host-gateway stands for the host itself."""
    if value == "host-gateway":
        return "host-gateway"
    try:
        return read_address(value)
    except Unreadable as problem:
        raise Unreadable(problem.message, hint="write an address such as 10.0.0.1, or host-gateway") from None


Address = Annotated[str, BeforeValidator(read_address)]
HostAddress = Annotated[str, BeforeValidator(read_host_address)]


def read_published(value: object) -> PortRange | None:
    """Ports of the host; an empty text says nothing."""
    return None if value is None or value == "" else PortRange.of(value)


class Port(Part):
    """One port of a container (`target`), published on the host. `published` of None: any free port."""

    target: Annotated[int, between(1, 65535)]
    published: Annotated[PortRange | None, BeforeValidator(read_published)] = None
    host_ip: Address | None = None
    protocol: Protocol = Protocol.TCP
    mode: Text = "ingress"
    name: Text | None = None
    app_protocol: Text | None = None


class ServiceNetwork(Part):
    """A service's attachment to one network."""

    aliases: tuple[Text, ...] = ()
    interface_name: Text | None = None
    ipv4_address: Address | None = None
    ipv6_address: Address | None = None
    link_local_ips: tuple[Address, ...] = ()
    mac_address: Text | None = None
    driver_opts: Mapping[str, Spelled] = {}
    priority: Integer = 0
    gw_priority: Integer = 0


class IpamPool(Part):
    """A range of addresses of a network."""

    subnet: Text | None = None
    ip_range: Text | None = None
    gateway: Address | None = None
    aux_addresses: Mapping[str, Text] = {}


class Ipam(Part):
    """Where a network's addresses come from."""

    driver: Text | None = None
    config: tuple[IpamPool, ...] = ()
    options: Mapping[str, Spelled] = {}


class Network(Part):
    """A top-level network. `name` is its name on the host."""

    name: Text = ""
    driver: Text | None = None
    driver_opts: Mapping[str, Spelled] = {}
    ipam: Ipam | None = None
    external: Boolean = False
    internal: Boolean = False
    attachable: Boolean = False
    enable_ipv4: Boolean | None = None
    enable_ipv6: Boolean | None = None
    labels: Mapping[str, Spelled] = {}
