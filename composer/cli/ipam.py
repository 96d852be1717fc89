"""The addresses of a network as `network create` is told them: which gateway and range go with which subnet."""

from __future__ import annotations

import ipaddress
from typing import TypeVar

from composer.cli.parse import Arguments
from composer.errors import UsageError
from composer.frozen import field, mutable
from composer.hints import Callable
from composer.model.network import IpamPool

Net = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Read = TypeVar("Read")


@mutable
class _Pool:
    subnet: Net
    gateway: str | None = None
    ip_range: str | None = None
    aux_addresses: dict[str, str] = field(default_factory=dict)


def pools(given: Arguments) -> tuple[IpamPool, ...]:
    """A pool for each --subnet, with what lies in it. Raises UsageError."""
    found = [_Pool(_read(ipaddress.ip_network, text, "--subnet")) for text in given.texts("subnet")]
    for text in given.texts("ip-range"):
        net = _read(ipaddress.ip_network, text, "--ip-range")
        pool = _holding(found, net[0], net[-1], option=f"--ip-range {text}")
        _refuse_second(pool.ip_range, f"--ip-range {text}", pool)
        pool.ip_range = text
    for text in given.texts("gateway"):
        address = _read(ipaddress.ip_address, text, "--gateway")
        pool = _holding(found, address, option=f"--gateway {text}")
        _refuse_second(pool.gateway, f"--gateway {text}", pool)
        pool.gateway = str(address)
    for text in given.texts("aux-address"):
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f'--aux-address cannot be "{text}"', hint="write NAME=ADDRESS, like router=10.1.0.5")
        address = _read(ipaddress.ip_address, value, "--aux-address")
        _holding(found, address, option=f"--aux-address {text}").aux_addresses[name] = str(address)
    return tuple(
        IpamPool(subnet=str(it.subnet), gateway=it.gateway, ip_range=it.ip_range, aux_addresses=it.aux_addresses)
        for it in found
    )


def _read(read: Callable[[str], Read], text: str, option: str) -> Read:
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f'{option} cannot be "{text}": {error}', hint=_better(text)) from None


def _better(text: str) -> str | None:
    """What was meant by 10.1.0.1/24."""
    try:
        return f"write {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return None


def _holding(found: list[_Pool], *addresses: Address, option: str) -> _Pool:
    for pool in found:
        if all(address.version == pool.subnet.version and address in pool.subnet for address in addresses):
            return pool
    if not found:
        raise UsageError(f"{option} needs a subnet", hint="give --subnet as well")
    raise UsageError(f"{option} is in no subnet", hint=f"there is {', '.join(str(pool.subnet) for pool in found)}")


def _refuse_second(first: str | None, option: str, pool: _Pool) -> None:
    if first is not None:
        raise UsageError(f"{option}: subnet {pool.subnet} has {first} already")
