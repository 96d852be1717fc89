"""Networks, and a service's places in them.

A network of driver `host` or `none` becomes a namespace: it cannot stand beside others. What is external is only named.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from composer.errors import InvalidFile, UsageError
from composer.frozen import field, frozen, replace
from composer.lowering import subnets
from composer.lowering.mistake import Misfit, Path, Place, nowhere, refused
from composer.model import network as model
from composer.model.choices import NamespaceKind
from composer.model.project import Project
from composer.model.service import Service
from composer.spec.container import Host, Private
from composer.spec.network import Driver, Endpoint, Network

DEFAULT = "default"
LONGEST_NAME = 100  # characters: it goes into an interface's alias together with the project's
LONGEST_INTERFACE = 15  # IFNAMSIZ without the NUL

Where = Network | Host | Private  # Private: a namespace without any network


@frozen
class Joined:
    """What a service's containers are in: endpoints, or a namespace that says it all."""

    endpoints: tuple[Endpoint, ...] = ()
    namespace: Host | Private = field(default_factory=Private)


def lower(project: Project, refusals: list[InvalidFile], *, place: Place = nowhere) -> dict[str, Where]:
    """The networks that services are in, by their keys, without those whose mistakes are added to `refusals`."""
    keys = dict.fromkeys(key for service in project.services.values() for key in keys_of(service))
    found: dict[str, Where] = {}
    for key in keys:
        said = project.networks.get(key) or model.Network(name=f"{project.name}_{key}")
        try:
            found[key] = _with_reserved(_lower(key, said, project.name, place), key, project)
        except Misfit as it:
            refusals.append(refused(it.code, it.message, "networks", key, *it.path, hint=it.hint))
    made = (where for where in found.values() if isinstance(where, Network))
    refusals += subnets.overlaps(made, project.networks)
    return found


def lower_by_hand(said: model.Network) -> Network:
    """A network that belongs to no project. Raises UsageError."""
    purpose = f"cannot create network {said.name}"
    try:
        made = _lower("", said, "", nowhere)
    except Misfit as it:
        raise UsageError(f"{purpose}: it {it.message}", hint=it.hint) from None
    if not isinstance(made, Network):
        raise UsageError(
            f"{purpose}: driver {said.driver} is no network of its own", hint=f"network_mode: {said.driver} in the file"
        )
    return made


def keys_of(service: Service) -> tuple[str, ...]:
    """The keys of a service's networks; one that says nothing is in the default one."""
    if service.networks:
        return tuple(service.networks)
    mode = service.network_mode
    return (DEFAULT,) if mode is None or mode.kind is NamespaceKind.BRIDGE else ()


# ---- networks ----------------------------------------------------------------------------------------------------


def _lower(key: str, said: model.Network, project: str, place: Place) -> Where:
    if said.external:
        return _BY_DRIVER.get(said.name) or Network(
            _fit(said.name, project), key=key, external=True, place=place(("networks", key))
        )
    name = _fit(said.name, project)
    driver = said.driver or "bridge"
    if driver in _BY_DRIVER:
        return _BY_DRIVER[driver]
    if driver not in (*(known.value for known in Driver), "default"):
        message = f"cannot have driver {driver}: known are bridge, host, none, macvlan and ipvlan"
        raise Misfit("unknown-choice", message, ("driver",))
    found = subnets.lower(key, said, place=place)
    versions = {ipaddress.ip_network(subnet.subnet).version for subnet in found}
    for family, switch in ((4, said.enable_ipv4), (6, said.enable_ipv6)):
        if family in versions and switch is False:
            message = f"has an IPv{family} subnet and enable_ipv{family}: false"
            raise Misfit("conflict", message, (f"enable_ipv{family}",), hint="remove one of them")
    made = Network(
        name=name,
        project=project,
        key=key,
        driver=Driver.BRIDGE if driver == "default" else Driver(driver),
        internal=said.internal,
        ipv4=said.enable_ipv4 is not False,
        ipv6=bool(said.enable_ipv6) or 6 in versions,
        subnets=found,
        labels=tuple(sorted((label, str(value)) for label, value in said.labels.items())),
        place=place(("networks", key)),
    )
    if not made.ipv4 and not made.ipv6:
        raise Misfit("conflict", "has neither IPv4 nor IPv6", ("enable_ipv4",), hint="write enable_ipv6: true")
    return _with_options(made, said.driver_opts)


_BY_DRIVER: dict[str, Host | Private] = {"host": Host(), "none": Private(), "null": Private()}


def _fit(name: str, project: str) -> str:
    # a project with a name so long cannot be at all, and is told so in other words
    long = len(name) > LONGEST_NAME >= len(project)
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", name) or long:
        hint = f'a name has letters, digits, "_", "." and "-", at most {LONGEST_NAME} of them'
        raise Misfit("bad-name", f'cannot be called "{name}"', ("name",), hint=hint)
    return name


def _with_options(network: Network, options: Mapping[str, object]) -> Network:
    """The options of drivers that mean something here; Docker's others change nothing."""
    for name, value in options.items():
        if name in OPTIONS:
            key, read = OPTIONS[name]
            try:
                changed = {key: read(str(value))}
            except ValueError as error:
                message = f'has driver_opts {name}: "{value}": {error}'
                raise Misfit("bad-value", message, ("driver_opts", name)) from None
            network = replace(network, **changed)  # type: ignore[arg-type]  # the table's types are the fields'
    modes = {Driver.MACVLAN: _MACVLAN_MODES, Driver.IPVLAN: _IPVLAN_MODES}.get(network.driver, ())
    if network.mode and network.mode not in modes:
        message = f"cannot have mode {network.mode}: driver {network.driver.value} has {', '.join(modes) or 'none'}"
        raise Misfit("unknown-choice", message, ("driver_opts",))
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


OPTIONS: dict[str, tuple[str, Callable[[str], object]]] = {
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


def join(service: Service, networks: Mapping[str, Where], *, aliases: bool = True, place: Place = nowhere) -> Joined:
    """A service's endpoints, in the order of their interfaces: by priority, then by key. Raises InvalidFile."""
    keys = [key for key in keys_of(service) if key in networks]
    special = [where for key in keys if not isinstance(where := networks[key], Network)]
    try:
        if special and len(keys) > 1:
            message = "cannot be in several networks, one of which has driver host or none"
            raise Misfit("conflict", message, ("networks",))
        if special:
            return Joined(namespace=special[0])
        endpoints = tuple(_endpoint(service, key, networks[key], place) for key in sorted(keys, key=_rank(service)))
        _refuse_twice(endpoints)
        endpoints = endpoints if aliases else tuple(replace(endpoint, aliases=()) for endpoint in endpoints)
        mac = _mac(service.mac_address, ("mac_address",)) if service.mac_address else ""
    except Misfit as it:
        raise refused(it.code, it.message, "services", service.name, *it.path, hint=it.hint) from None
    if mac and endpoints and not any(endpoint.mac_address for endpoint in endpoints):
        main = min(range(len(endpoints)), key=lambda number: (-endpoints[number].gw_priority, number))
        endpoints = (*endpoints[:main], replace(endpoints[main], mac_address=mac), *endpoints[main + 1 :])
    return Joined(endpoints)


def _rank(service: Service) -> Callable[[str], tuple[int, str]]:
    return lambda key: (-service.networks[key].priority if key in service.networks else 0, key)


def _endpoint(service: Service, key: str, where: Where, place_of: Place) -> Endpoint:
    assert isinstance(where, Network)
    said = service.networks.get(key) or model.ServiceNetwork()
    place = ("networks", key)
    for family, address in (("ipv4_address", said.ipv4_address), ("ipv6_address", said.ipv6_address)):
        if address and not where.external:
            subnets.refuse_unfit(address, where, (*place, family))
    return Endpoint(
        network=where.name,
        aliases=said.aliases,
        ipv4_address=said.ipv4_address or "",
        ipv6_address=said.ipv6_address or "",
        link_local_ips=said.link_local_ips,
        mac_address=_mac(said.mac_address, (*place, "mac_address")) if said.mac_address else "",
        interface_name=_interface_name(said, place),
        gw_priority=said.gw_priority,
        mtu=_endpoint_mtu(said, place),
        place=_place_of_address(service, key, said, place_of),
    )


def _place_of_address(service: Service, key: str, said: model.ServiceNetwork, place_of: Place) -> str:
    """Where a service's addresses in a network are said, or that it is in it."""
    steps = ("ipv4_address",) if said.ipv4_address else ("ipv6_address",) if said.ipv6_address else ()
    return place_of(("services", service.name, "networks", key, *steps))


def _mac(text: str, path: Path) -> str:
    plain = text.lower().replace("-", ":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", plain) or int(plain[:2], 16) & 1:
        hint = "write six bytes such as 02:42:ac:11:00:02, the first one even"
        raise Misfit("bad-value", f'cannot have mac_address "{text}"', path, hint=hint)
    return plain


def _interface_name(said: model.ServiceNetwork, place: Path) -> str:
    option = "com.docker.network.endpoint.ifname"
    name = said.interface_name or str(said.driver_opts.get(option, ""))
    if not name:
        return ""
    try:
        if name == "lo":
            raise ValueError("that is the loopback interface")
        return _interface(name)
    except ValueError as error:
        steps = ("interface_name",) if said.interface_name else ("driver_opts", option)
        message = f'cannot have an interface called "{name}": {error}'
        raise Misfit("bad-value", message, (*place, *steps)) from None


def _endpoint_mtu(said: model.ServiceNetwork, place: Path) -> int | None:
    option = "com.docker.network.driver.mtu"
    text = said.driver_opts.get(option)
    try:
        return None if text is None else _mtu(str(text))
    except ValueError as error:
        message = f"cannot have an interface of mtu {text}: {error}"
        raise Misfit("bad-value", message, (*place, "driver_opts", option)) from None


def _refuse_twice(endpoints: tuple[Endpoint, ...]) -> None:
    for what in ("network", "interface_name"):
        values = [value for endpoint in endpoints if (value := getattr(endpoint, what))]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice:
            message = f"cannot have two endpoints of {what.replace('_name', '')} {twice}"
            raise Misfit("duplicate-name", message, ("networks",))
