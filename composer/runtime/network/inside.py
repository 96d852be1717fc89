"""A container's places in its networks, its own side: done by its first process in its own network namespace.

The interfaces are there, down and without addresses, once the gate has opened (endpoints).
"""

from __future__ import annotations

import errno
import os
import socket

from composer.hints import Iterator
from composer.linux import rtnetlink
from composer.linux.rtnetlink import Request, open_route
from composer.runtime.network.endpoints import HAS_IPV6, Place, Places
from composer.runtime.road import about


def pass_gate(places: Places) -> None:
    """Wait until the interfaces are there. Raises OSError: whoever was to make them is gone."""
    if places.gate is None:
        return
    reader, writer = places.gate
    os.close(writer)  # else our own copy would keep the pipe open when the launcher dies
    if not os.read(reader, 1):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def configure(places: Places) -> None:
    """Addresses, routes, up. Raises OSError about the interface."""
    if not places.places:
        return
    with open_route() as route, about(", ".join(it.interface for it in places.attachments)):
        route.perform([*_interfaces(places), *_default_routes(places)])


def _interfaces(places: Places) -> Iterator[Request]:
    for place in places.places:
        it = place.attachment
        index = socket.if_nametoindex(it.interface)
        if not it.ipv6_address and HAS_IPV6:
            yield rtnetlink.set_link(it.interface, rtnetlink.without_link_local(), up=False)
        yield rtnetlink.set_link(it.interface)
        if it.ipv4_address:
            yield rtnetlink.new_address(index, it.ipv4_address, it.ipv4_prefix)
        if it.ipv6_address:
            yield rtnetlink.new_address(index, it.ipv6_address, it.ipv6_prefix)
        for address in place.endpoint.link_local_ips:
            yield rtnetlink.new_address(index, address, 64 if ":" in address else 16)


def _default_routes(places: Places) -> Iterator[Request]:
    ipv4, ipv6 = places.ways_out
    if ipv4:
        yield _default_route(ipv4.attachment.ipv4_gateway, ipv4)
    if ipv6:
        yield _default_route(ipv6.attachment.ipv6_gateway, ipv6)


def _default_route(gateway: str, through: Place) -> Request:
    return rtnetlink.new_default_route(gateway, socket.if_nametoindex(through.attachment.interface))
