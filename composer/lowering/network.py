"""Networks, and a service's places in them.

A network of driver `host` or `none` becomes a namespace: it cannot stand beside others. What is external is only named.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from composer.errors import InvalidFile
from composer.model import network as model
from composer.model.choices import NamespaceKind
from composer.model.project import Project
from composer.model.service import Service
from composer.spec.container import Host, Private
from composer.spec.network import Driver, Endpoint, Network, Subnet

DEFAULT = "default"
LONGEST_NAME = 100  # characters: it goes into an interface's alias together with the project's
LONGEST_INTERFACE = 15  # IFNAMSIZ without the NUL

Where = Network | Host | Private  # Private: a namespace without any network


@dataclass(frozen=True, slots=True)
class Joined:
    """What a service's containers are in: endpoints, or a namespace that says it all."""

    endpoints: tuple[Endpoint, ...] = ()
    namespace: Host | Private = field(default_factory=Private)


def lower(project: Project) -> dict[str, Where]:
    """The networks that services are in, by their keys. Raises InvalidFile with the mistakes of all."""
    keys = dict.fromkeys(key for service in project.services.values() for key in keys_of(service))
    found: dict[str, Where] = {}
    mistakes: list[str] = []
    for key in keys:
        said = project.networks.get(key) or model.Network(name=f"{project.name}_{key}")
        try:
            found[key] = _with_reserved(_lower(key, said, project.name), key, project)
        except _Mistake as mistake:
            mistakes.append(f"network {key} {mistake}")
    if mistakes:
        raise InvalidFile("\n".join(mistakes))
    return found


def keys_of(service: Service) -> tuple[str, ...]:
    """The keys of a service's networks; one that says nothing is in the default one."""
    if service.networks:
        return tuple(service.networks)
    mode = service.network_mode
    return (DEFAULT,) if mode is None or mode.kind is NamespaceKind.BRIDGE else ()


class _Mistake(ValueError):
    """What is wrong with a network, or with a service's place in it."""


# ---- networks ----------------------------------------------------------------------------------------------------


def _lower(key: str, said: model.Network, project: str) -> Where:
    if said.external:
        return _BY_DRIVER.get(said.name) or Network(_fit(said.name, project), key=key, external=True)
    name = _fit(said.name, project)
    driver = said.driver or "bridge"
    if driver in _BY_DRIVER:
        return _BY_DRIVER[driver]
    if driver not in (*(known.value for known in Driver), "default"):
        raise _Mistake(f"cannot have driver {driver}: known are bridge, host, none, macvlan and ipvlan")
    subnets = tuple(_subnets(said))
    versions = {ipaddress.ip_network(subnet.subnet).version for subnet in subnets}
    for family, switch in ((4, said.enable_ipv4), (6, said.enable_ipv6)):
        if family in versions and switch is False:
            raise _Mistake(f"has an IPv{family} subnet and enable_ipv{family}: false")
    made = Network(
        name=name,
        project=project,
        key=key,
        driver=Driver.BRIDGE if driver == "default" else Driver(driver),
        internal=said.internal,
        ipv4=said.enable_ipv4 is not False,
        ipv6=bool(said.enable_ipv6) or 6 in versions,
        subnets=subnets,
        labels=tuple(sorted((label, str(value)) for label, value in said.labels.items())),
    )
    if not made.ipv4 and not made.ipv6:
        raise _Mistake("has neither IPv4 nor IPv6: set enable_ipv6: true")
    return _with_options(made, said.driver_opts)


_BY_DRIVER: dict[str, Host | Private] = {"host": Host(), "none": Private(), "null": Private()}


def _fit(name: str, project: str) -> str:
    # a project with a name so long cannot be at all, and is told so in other words
    long = len(name) > LONGEST_NAME >= len(project)
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", name) or long:
        raise _Mistake(
            f'cannot be called "{name}": a name has letters, digits, "_", "." and "-", at most {LONGEST_NAME} of them'
        )
    return name


def _subnets(said: model.Network) -> Iterator[Subnet]:
    if said.ipam is None:
        return
    if said.ipam.driver not in (None, "default"):
        raise _Mistake(f"cannot have its addresses from ipam driver {said.ipam.driver}: only default is known")
    for pool in said.ipam.config:
        if pool.subnet is None:
            if pool.ip_range or pool.gateway or pool.aux_addresses:
                raise _Mistake("has an ip_range, gateway or aux_addresses without a subnet")
            continue
        net = _net(pool.subnet, "subnet")
        ip_range = _net(pool.ip_range, "ip_range") if pool.ip_range else None
        if ip_range and not (ip_range.version == net.version and ip_range.subnet_of(net)):  # type: ignore[arg-type]  # of one version
            raise _Mistake(f"has ip_range {ip_range} outside of its subnet {net}")
        for name, address in {"gateway": pool.gateway, **pool.aux_addresses}.items():
            if address and _address(address) not in net:
                raise _Mistake(f"has {name} {address} outside of its subnet {net}")
        yield Subnet(
            str(net),
            gateway=pool.gateway or "",
            ip_range=str(ip_range or ""),
            aux_addresses=tuple(sorted(pool.aux_addresses.items())),
        )


def _net(text: str, what: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise _Mistake(f'has {what} "{text}", which is none: {error}; write one such as 10.1.0.0/24') from None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise _Mistake(f'has the address "{text}", which is none: {error}') from None


def _with_options(network: Network, options: Mapping[str, object]) -> Network:
    """The options of drivers that mean something here; Docker's others change nothing."""
    for name, value in options.items():
        if name in _OPTIONS:
            key, read = _OPTIONS[name]
            try:
                changed = {key: read(str(value))}
            except ValueError as error:
                raise _Mistake(f'has driver_opts {name}: "{value}": {error}') from None
            network = replace(network, **changed)  # type: ignore[arg-type]  # the table's types are the fields'
    modes = {Driver.MACVLAN: _MACVLAN_MODES, Driver.IPVLAN: _IPVLAN_MODES}.get(network.driver, ())
    if network.mode and network.mode not in modes:
        raise _Mistake(f"cannot have mode {network.mode}: driver {network.driver.value} has {', '.join(modes)}")
    return network


_MACVLAN_MODES = ("bridge", "private", "vepa", "passthru")
_IPVLAN_MODES = ("l2", "l3", "l3s")


def _mtu(text: str) -> int:
    if not text.isdecimal() or not 68 <= int(text) <= 65535:
        raise ValueError("it is a number from 68 to 65535")
    return int(text)


def _interface(text: str) -> str:
    if not 0 < len(text) <= LONGEST_INTERFACE or re.search(r"[\s/:\"]", text) or text in (".", ".."):
        raise ValueError(f"an interface's name has at most {LONGEST_INTERFACE} characters, no slash, colon or space")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("it is true or false")
    return text.lower() in ("true", "1")


def _host_ip(text: str) -> str:
    return str(ipaddress.ip_address(text))


_OPTIONS: dict[str, tuple[str, Callable[[str], object]]] = {
    "com.docker.network.driver.mtu": ("mtu", _mtu),
    "mtu": ("mtu", _mtu),
    "com.docker.network.bridge.name": ("interface", _interface),
    "com.docker.network.bridge.enable_ip_masquerade": ("masquerade", _flag),
    "com.docker.network.bridge.enable_icc": ("icc", _flag),
    "com.docker.network.bridge.host_binding_ipv4": ("host_ip", _host_ip),
    "parent": ("parent", _interface),
    "macvlan_mode": ("mode", str),
    "ipvlan_mode": ("mode", str),
}


def _with_reserved(where: Where, key: str, project: Project) -> Where:
    if not isinstance(where, Network):
        return where
    places = (service.networks[key] for service in project.services.values() if key in service.networks)
    asked = {address for place in places for address in (place.ipv4_address, place.ipv6_address) if address}
    return replace(where, reserved=tuple(sorted(asked)))


# ---- places in them ----------------------------------------------------------------------------------------------


def join(service: Service, networks: Mapping[str, Where]) -> Joined:
    """A service's endpoints, in the order of their interfaces: by priority, then by key. Raises InvalidFile."""
    keys = [key for key in keys_of(service) if key in networks]
    special = [where for key in keys if not isinstance(where := networks[key], Network)]
    try:
        if special and len(keys) > 1:
            raise _Mistake("be in several networks, one of which has driver host or none")
        if special:
            return Joined(namespace=special[0])
        endpoints = tuple(_endpoint(service, key, networks[key]) for key in sorted(keys, key=_rank(service)))
        _refuse_twice(endpoints)
    except _Mistake as mistake:
        raise InvalidFile(f"service {service.name} cannot {mistake}") from None
    if service.mac_address and endpoints and not any(endpoint.mac_address for endpoint in endpoints):
        main = min(range(len(endpoints)), key=lambda number: (-endpoints[number].gw_priority, number))
        mac = _mac(service, service.mac_address)
        endpoints = (*endpoints[:main], replace(endpoints[main], mac_address=mac), *endpoints[main + 1 :])
    return Joined(endpoints)


def _rank(service: Service) -> Callable[[str], tuple[int, str]]:
    return lambda key: (-service.networks[key].priority if key in service.networks else 0, key)


def _endpoint(service: Service, key: str, where: Where) -> Endpoint:
    assert isinstance(where, Network)
    said = service.networks.get(key) or model.ServiceNetwork()
    for address in (said.ipv4_address, said.ipv6_address):
        if address and not where.external:
            _refuse_unfit(address, where, key)
    return Endpoint(
        network=where.name,
        aliases=said.aliases,
        ipv4_address=said.ipv4_address or "",
        ipv6_address=said.ipv6_address or "",
        link_local_ips=said.link_local_ips,
        mac_address=_mac(service, said.mac_address) if said.mac_address else "",
        interface_name=_interface_name(said),
        gw_priority=said.gw_priority,
        mtu=_endpoint_mtu(said),
    )


def _refuse_unfit(address: str, network: Network, key: str) -> None:
    version = _address(address).version
    subnets = [subnet.subnet for subnet in network.subnets if ipaddress.ip_network(subnet.subnet).version == version]
    if not subnets:
        raise _Mistake(
            f"have address {address} in network {key}: the network does not say which IPv{version} subnet it has; "
            "give it one under ipam.config"
        )
    if not any(_address(address) in ipaddress.ip_network(subnet) for subnet in subnets):
        raise _Mistake(f"have address {address} in network {key}: it is outside of {', '.join(subnets)}")


def _mac(service: Service, text: str) -> str:
    plain = text.lower().replace("-", ":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", plain) or int(plain[:2], 16) & 1:
        raise InvalidFile(
            f'service {service.name} cannot have mac_address "{text}": write six bytes such as 02:42:ac:11:00:02, '
            "the first one even"
        )
    return plain


def _interface_name(said: model.ServiceNetwork) -> str:
    name = said.interface_name or str(said.driver_opts.get("com.docker.network.endpoint.ifname", ""))
    if not name:
        return ""
    try:
        if name == "lo":
            raise ValueError("that is the loopback interface")
        return _interface(name)
    except ValueError as error:
        raise _Mistake(f'have an interface called "{name}": {error}') from None


def _endpoint_mtu(said: model.ServiceNetwork) -> int | None:
    text = said.driver_opts.get("com.docker.network.driver.mtu")
    try:
        return None if text is None else _mtu(str(text))
    except ValueError as error:
        raise _Mistake(f"have an interface of mtu {text}: {error}") from None


def _refuse_twice(endpoints: tuple[Endpoint, ...]) -> None:
    for what in ("network", "interface_name"):
        values = [value for endpoint in endpoints if (value := getattr(endpoint, what))]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice:
            raise _Mistake(f"have two endpoints of {what.replace('_name', '')} {twice}")
