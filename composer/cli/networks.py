"""Networks of this host as docker tells them: rows of a list, and everything about one."""

from __future__ import annotations

import ipaddress
import json
import time

from composer.cli.containers import ALIVE
from composer.cli.invocation import Invocation
from composer.cli.moments import moment
from composer.cli.render import template
from composer.cli.render.table import table
from composer.errors import UsageError
from composer.frozen import frozen
from composer.planner.observed import ObservedNetwork
from composer.runtime.network import definitions, labels, networks
from composer.spec.network import Driver, Network, Subnet
from composer.store import records
from composer.store.events import rfc3339
from composer.store.records import ContainerRecord

FIELDS = ("CreatedAt", "Driver", "ID", "IPv4", "IPv6", "Internal", "Labels", "Name", "Scope")
SHORT_ID = 12  # characters

_OPTIONS = {  # what is asked for by driver_opts, and its value where nothing is
    "com.docker.network.bridge.name": ("interface", ""),
    "com.docker.network.driver.mtu": ("mtu", None),
    "com.docker.network.bridge.enable_ip_masquerade": ("masquerade", True),
    "com.docker.network.bridge.enable_icc": ("icc", True),
    "com.docker.network.bridge.host_binding_ipv4": ("host_ip", ""),
    "parent": ("parent", ""),
    "macvlan_mode": ("mode", ""),
}


@frozen
class Use:
    """A container's use of a network: an address in the kernel, or the container's record that wants one."""

    project: str
    container: str
    addresses: tuple[str, ...] = ()
    record: ContainerRecord | None = None


def everything(call: Invocation) -> list[ObservedNetwork]:
    """All networks of this host, by name, also those made by hand that wait to be made again. Raises HostError."""
    found = networks.observed(networks.observe(), directory=call.paths.networks)
    return sorted(found, key=lambda one: one.network.name)


def identity(one: ObservedNetwork) -> str:
    return labels.network_id(one.network.name)


def created_ns(call: Invocation, one: ObservedNetwork) -> int:
    return definitions.created_ns(call.paths.networks, one.network.name)


def uses(call: Invocation) -> dict[str, list[ContainerRecord]]:
    """The containers of all projects that are to be in each network, running or not. Raises HostError."""
    found: dict[str, list[ContainerRecord]] = {}
    for record in records.load_everywhere(call.paths):
        for endpoint in record.spec.endpoints:
            found.setdefault(endpoint.network, []).append(record)
    return found


def users(one: ObservedNetwork, wanting: list[ContainerRecord]) -> list[Use]:
    """Who is in a network, as the kernel knows, and who will want to be as it starts."""
    known = {(record.spec.project, record.spec.name): record for record in wanting}
    held: dict[tuple[str, str], tuple[str, ...]] = dict.fromkeys(known, ())
    for holder in one.holders:
        whose = (holder.project, holder.container)
        held[whose] = (*held.get(whose, ()), holder.address)
    return [Use(*whose, addresses, known.get(whose)) for whose, addresses in sorted(held.items())]


def labels_of(network: Network) -> dict[str, str]:
    """Those of the file, and docker compose's own, by which people look for a project's networks."""
    ours = {"com.docker.compose.project": network.project, "com.docker.compose.network": network.key}
    return dict(network.labels) | ({key: value for key, value in ours.items() if value} if network.project else {})


# ---- lists -------------------------------------------------------------------------------------------------------


def show(call: Invocation, found: list[ObservedNetwork]) -> None:
    """Print the list as --quiet and --format want it."""
    rows = [_row(call, one) for one in found]
    wanted = call.arguments.text("format") or "table"
    if call.arguments.switch("quiet"):
        lines = [str(row["Name"]) for row in rows]
    elif wanted == "table":
        columns = ("ID", "Name", "Driver", "Scope")
        lines = [
            table(("NETWORK ID", "NAME", "DRIVER", "SCOPE"), [tuple(str(row[key]) for key in columns) for row in rows])
        ]
    elif wanted == "json":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    else:
        lines = [template.render(wanted, rows, fields=FIELDS)]
    print("".join(f"{line}\n" for line in lines), end="")


def _row(call: Invocation, one: ObservedNetwork) -> dict[str, object]:
    """A network with the fields of `docker network ls --format json`."""
    network = one.network
    whole = call.arguments.switch("no-trunc")
    created = created_ns(call, one)
    return {
        "CreatedAt": rfc3339(created) if created else "",
        "Driver": network.driver.value,
        "ID": identity(one) if whole else identity(one)[:SHORT_ID],
        "IPv4": _truth(network.ipv4),
        "IPv6": _truth(network.ipv6),
        "Internal": _truth(network.internal),
        "Labels": ",".join(f"{key}={value}" for key, value in labels_of(network).items()),
        "Name": network.name,
        "Scope": "local",
    }


def _truth(value: bool) -> str:
    return "true" if value else "false"


def selected(call: Invocation, found: list[ObservedNetwork], *, known: tuple[str, ...]) -> list[ObservedNetwork]:
    """Those that every --filter lets through; of one key several values are alternatives. Raises UsageError."""
    wanted: dict[str, list[str]] = {}
    for given in call.arguments.texts("filter"):
        key, equals, value = given.partition("=")
        if not equals or key not in known:
            raise UsageError(f'cannot filter networks by "{given}"', hint=f"there is {', '.join(known)}")
        wanted.setdefault(key, []).append(value)
    wanting = uses(call) if "dangling" in wanted else {}
    now_ns = time.time_ns()
    before = [moment(value, now_ns=now_ns) for value in wanted.pop("until", [])]
    return [
        one
        for one in found
        if all(_fits(one, key, wanted[key], wanting=wanting) for key in wanted)
        and all(created_ns(call, one) < limit for limit in before)
    ]


def _fits(one: ObservedNetwork, key: str, values: list[str], *, wanting: dict[str, list[ContainerRecord]]) -> bool:
    network = one.network
    match key:
        case "name":
            return any(value in network.name for value in values)
        case "id":
            return any(identity(one).startswith(value) for value in values)
        case "driver":
            return network.driver.value in values
        case "dangling":
            return _truth(not users(one, wanting.get(network.name, []))) in map(str.lower, values)
        case "label!":
            return not any(_has_label(network, value) for value in values)
    return all(_has_label(network, value) for value in values)


def _has_label(network: Network, text: str) -> bool:
    key, equals, value = text.partition("=")
    there = labels_of(network)
    return key in there and (not equals or there[key] == value)


# ---- one ---------------------------------------------------------------------------------------------------------


def inspection(call: Invocation, one: ObservedNetwork, wanting: list[ContainerRecord]) -> dict[str, object]:
    """A network as `docker network inspect` tells it; what Docker has no word for at the end."""
    network = one.network
    created = created_ns(call, one)
    return {
        "Name": network.name,
        "Id": identity(one),
        "Created": rfc3339(created) if created else "",
        "Scope": "local",
        "Driver": network.driver.value,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": [_pool(it) for it in network.subnets]},
        "Internal": network.internal,
        "Attachable": True,
        "Containers": dict(
            _container(network.name, use, subnets=[it.subnet for it in network.subnets])
            for use in users(one, wanting)
            if use.addresses or (use.record and use.record.state in ALIVE)
        ),
        "Options": _options(network),
        "Labels": labels_of(network),
        "Project": network.project,
        "Interface": labels.network_link(network) if one.there else "",
    }


def _options(network: Network) -> dict[str, str]:
    said = {name: getattr(network, key) for name, (key, usual) in _OPTIONS.items() if getattr(network, key) != usual}
    if network.driver is Driver.IPVLAN and network.mode:
        said["ipvlan_mode"] = said.pop("macvlan_mode")
    return {name: _truth(value) if isinstance(value, bool) else str(value) for name, value in said.items()}


def _pool(subnet: Subnet) -> dict[str, object]:
    pool: dict[str, object] = {"Subnet": subnet.subnet}
    if subnet.ip_range:
        pool["IPRange"] = subnet.ip_range
    if subnet.gateway:
        pool["Gateway"] = subnet.gateway
    if subnet.aux_addresses:
        pool["AuxiliaryAddresses"] = dict(subnet.aux_addresses)
    return pool


def _container(network: str, use: Use, *, subnets: list[str]) -> tuple[str, dict[str, object]]:
    attached = [it for it in use.record.attachments if it.network == network] if use.record else []
    addresses = use.addresses or tuple(
        address for it in attached for address in (it.ipv4_address, it.ipv6_address) if address
    )
    tree: dict[str, object] = {
        "Name": use.container,
        "MacAddress": attached[0].mac_address if attached else "",
        "IPv4Address": _with_prefix(addresses, subnets, version=4),
        "IPv6Address": _with_prefix(addresses, subnets, version=6),
        "Project": use.project,
    }
    return (use.record.id if use.record else use.container), tree


def _with_prefix(addresses: tuple[str, ...], subnets: list[str], *, version: int) -> str:
    for text in addresses:
        address = ipaddress.ip_address(text)
        for subnet in map(ipaddress.ip_network, subnets):
            if address.version == version and address in subnet:
                return f"{text}/{subnet.prefixlen}"
    return ""
