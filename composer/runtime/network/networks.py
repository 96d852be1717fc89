"""A network made, and removed.

A bridge is made in this order, under the lock: rules first, so that there is no moment without them; then the link with
its label, addresses and name in one batch; then what only files of /proc can say; then it is let go up. What fails is
undone. A macvlan or ipvlan network has a bridge as well, without ports: it carries the label, and is the parent where
none is named.

Beyond this module: which networks there should be.
"""

from __future__ import annotations

import errno
import ipaddress
import os
from contextlib import ExitStack

from composer.errors import Conflict, HostError, MissingFeature, NoSuchThing, PycomposeError
from composer.frozen import replace
from composer.hints import Iterable, Mapping
from composer.linux import rtnetlink
from composer.linux.netlink import attribute
from composer.linux.rtnetlink import RouteSocket, open_route
from composer.planner import addresses
from composer.planner.observed import Holder, ObservedNetwork
from composer.runtime.network import definitions, firewall, forwarding, host, labels, leases
from composer.runtime.network.host import FoundNetwork, HostNetwork
from composer.runtime.network.labels import NetworkLabel
from composer.spec.fingerprint import network_fingerprint
from composer.spec.network import AddressPool, Driver, Network, Subnet, without_places
from composer.spec.place import at

NOTHING: Mapping[str, str] = {}


def observe() -> HostNetwork:
    """What there is on the host. Raises HostError."""
    try:
        with open_route() as route:
            return host.observe(route)
    except OSError as error:
        raise _host_error("cannot look at the networks of this host", error) from error


def observed(there: HostNetwork, *, directory: str) -> tuple[ObservedNetwork, ...]:
    """The networks as the planner wants to know them, and those made by hand that wait to be made again."""
    found = tuple(_observed(_with_leases(one, directory), directory) for one in there.networks.values())
    names = there.networks.keys()
    waiting = [known for known in definitions.load_all(directory) if not known.project and known.name not in names]
    return (*found, *(ObservedNetwork(known, network_fingerprint(known), there=False) for known in waiting))


def _with_leases(found: FoundNetwork, directory: str) -> FoundNetwork:
    """With the endpoints that have no link on the host."""
    if found.label.driver == Driver.BRIDGE.value:
        return found
    return replace(found, endpoints=tuple(leases.held(f"{directory}/leases", found.label.network)))


def _observed(found: FoundNetwork, directory: str) -> ObservedNetwork:
    label = found.label
    unknown = Network(label.network, label.project, driver=Driver(label.driver or "bridge"))
    holders = (
        Holder(address, endpoint.project, endpoint.container)
        for endpoint in found.endpoints
        for address in endpoint.addresses
    )
    return ObservedNetwork(as_it_is(unknown, found, directory), label.fingerprint, tuple(holders))


def resolved(name: str, *, directory: str) -> Network:
    """A network that a container is about to be attached to. Raises NoSuchThing, HostError."""
    known = definitions.load(directory, name)
    if known is not None:
        return known
    found = observe().networks.get(name)
    if found is None:
        raise NoSuchThing(f"cannot find network {name}", hint="`pycompose up` makes it")
    return _observed(found, directory).network


def obstacles(wanted: Iterable[Network], there: HostNetwork) -> dict[str, PycomposeError]:
    """Why networks that are wanted and not there cannot be made, whatever their addresses. Raises HostError."""
    found: dict[str, PycomposeError] = {}
    try:
        with open_route() as route:
            for network in wanted:
                if network.external or network.name in there.networks:
                    continue
                try:
                    _refuse_foreign(network, there)
                    _require_kind(network, route)
                    if network.driver is Driver.BRIDGE:
                        firewall.require(network)
                except PycomposeError as error:
                    found[network.name] = error
    except OSError as error:
        raise _host_error("cannot look at the networks of this host", error) from error
    return found


def create(
    network: Network,
    *,
    directory: str,
    pools: tuple[AddressPool, ...] = (),
    avoided: Mapping[str, str] = NOTHING,
    fresh: bool = False,
) -> Network:
    """Make a network; as it has become. `directory` is that of the definitions. `avoided` are subnets that others are
    to have. One that is there is fine unless `fresh`.

    Raises Conflict: its name or its subnet is somebody else's; HostError.
    """
    try:
        with host.locked(), open_route() as route, ExitStack() as undo:
            there = host.observe(route)
            if fresh:
                _refuse_known(network.name, there, directory)
            if found := there.networks.get(network.name):
                return _existing(network, found, directory)
            _refuse_foreign(network, there)
            _require_kind(network, route)
            subnetted = _resolve(network, {**avoided, **there.taken()}, directory, pools)
            resolved = replace(subnetted, interface=labels.network_link(network))
            _create(resolved, network, route=route, there=there, undo=undo)
            definitions.save(directory, without_places(resolved))
            undo.pop_all()
            return resolved
    except OSError as error:
        raise _host_error(_purpose(network), error) from error


def _purpose(network: Network) -> str:
    return f"cannot create network {network.name}{at(network.place)}"


def _refuse_known(name: str, there: HostNetwork, directory: str) -> None:
    """Also one that waits to be made again as it was."""
    found = there.networks.get(name)
    known = found.label if found else definitions.load(directory, name)
    if known is not None and (found or not known.project):
        owner = f", which belongs to project {known.project}" if known.project else ""
        raise Conflict(
            f"cannot create network {name}: there is one of that name{owner}",
            hint=f"`pycompose network inspect {name}` tells about it",
        )


def _existing(network: Network, found: FoundNetwork, directory: str) -> Network:
    if found.label.project != network.project:
        owner = f"project {found.label.project}" if found.label.project else "nobody in particular"
        raise Conflict(
            f"cannot create network {network.name}: there is one of that name, which belongs to {owner}",
            hint="say external: true to use that one, or choose another name",
        )
    return as_it_is(network, found, directory)


def as_it_is(network: Network, found: FoundNetwork, directory: str) -> Network:
    """A network that is there, with its subnets: from its definition, or else from its label."""
    known = definitions.load(directory, network.name)
    if known is None:
        subnets = tuple(_first_as_gateway(subnet) for subnet in found.label.subnets)
        versions = {ipaddress.ip_network(subnet.subnet).version for subnet in subnets}
        own = network if not network.external else replace(network, driver=Driver(found.label.driver or "bridge"))
        known = replace(own, subnets=subnets, ipv4=4 in versions, ipv6=6 in versions, interface=found.link.name)
    return replace(
        known, interface=found.link.name, reserved=tuple(dict.fromkeys((*known.reserved, *network.reserved)))
    )


def _first_as_gateway(subnet: str) -> Subnet:
    return Subnet(subnet, gateway=str(ipaddress.ip_network(subnet)[1]))


def _refuse_foreign(network: Network, there: HostNetwork) -> None:
    """An interface that is not ours is never taken over; nor is a parent that is not there."""
    names = {link.name for link in there.links}
    if labels.network_link(network) in names:
        raise Conflict(
            f"{_purpose(network)}: there is an interface {labels.network_link(network)} already",
            hint="choose another com.docker.network.bridge.name",
        )
    if network.parent and network.parent not in names:
        raise NoSuchThing(
            f"{_purpose(network)}: there is no interface {network.parent} to be its parent",
            hint="`ip link` lists them",
        )


def _require_kind(network: Network, route: RouteSocket) -> None:
    """Now, and not when the first container is about to start."""
    for kind in ("bridge", "veth" if network.driver is Driver.BRIDGE else network.driver.value):
        try:
            route.perform([rtnetlink.probe_kind(kind)])
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise _host_error(_purpose(network), error) from error
            raise MissingFeature(
                f"{_purpose(network)}: this kernel has no {kind} interfaces",
                hint=f"modprobe {kind}; it is CONFIG_{kind.upper()} of the kernel",
            ) from error


def _resolve(network: Network, taken: Mapping[str, str], directory: str, pools: tuple[AddressPool, ...]) -> Network:
    """With the subnets it had when it was last there, if they are still free."""
    before = definitions.load(directory, network.name)
    if before is not None and not network.subnets and before.project == network.project:
        try:
            return addresses.resolve(replace(network, subnets=before.subnets), taken=taken)
        except Conflict:
            pass
    # the subnets of networks that the machine has forgotten are theirs, too: they are made again from their definitions
    others = (known for known in definitions.load_all(directory) if known.name != network.name)
    kept = {subnet.subnet: f"the subnet of network {known.name}" for known in others for subnet in known.subnets}
    return addresses.resolve(network, taken=taken if network.subnets else {**kept, **taken}, pools=pools)


def _create(network: Network, asked: Network, *, route: RouteSocket, there: HostNetwork, undo: ExitStack) -> None:
    link = labels.network_link(network)
    bridge = network.driver is Driver.BRIDGE
    if bridge:
        undo.callback(firewall.remove, network.project, link=link)
        firewall.add(network, link=link)
    on = forwarding.switch_on(network, there)
    undo.callback(forwarding.switch_off, on, there)
    undo.callback(_delete, route, link)
    label = NetworkLabel(
        network.name,
        network.project,
        network_fingerprint(asked),
        network.driver.value,
        tuple(subnet.subnet for subnet in network.subnets),
        on,
    )
    group = attribute(rtnetlink.IFLA_GROUP, labels.group_of(network.name))
    mtu = (attribute(rtnetlink.IFLA_MTU, network.mtu),) if network.mtu else ()
    gateways = [(subnet.gateway, ipaddress.ip_network(subnet.subnet).prefixlen) for subnet in network.subnets]
    # a bridge without a hardware address of its own takes, and changes, to that of one of its ports; one that has been
    # given one and has no ports has no carrier, and is no parent
    fixed = (rtnetlink.hardware_address(addresses.mac_from(f"bridge {network.name}")),) if bridge else ()
    route.perform(
        [
            rtnetlink.new_link(link, "bridge", group, *fixed, *mtu),
            rtnetlink.set_link(link, attribute(rtnetlink.IFLA_IFALIAS, label.encode()), up=False),
        ]
    )
    index = next(found.index for found in route.links() if found.name == link)
    if network.name != link:
        _add_altname(route, link, network.name)
    if os.path.isdir(f"/proc/sys/net/ipv6/conf/{link}"):
        _write_ipv6(link, "accept_ra", "0")  # a container is nobody to tell the host its routes
        _write_ipv6(link, "disable_ipv6", "0" if network.ipv6 and bridge else "1")
    route.perform(
        [
            *(rtnetlink.new_address(index, gateway, prefix) for gateway, prefix in gateways if bridge and gateway),
            *([rtnetlink.set_link(link)] if bridge or not network.parent else ()),
        ]
    )


def _add_altname(route: RouteSocket, link: str, name: str) -> None:
    """A convenience: somebody else's interface may be called so."""
    try:
        route.perform([rtnetlink.add_altname(link, name)])
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _write_ipv6(link: str, name: str, value: str) -> None:
    with open(f"/proc/sys/net/ipv6/conf/{link}/{name}", "w", encoding="ascii") as file:
        file.write(value)


def _delete(route: RouteSocket, link: str) -> None:
    route.perform([rtnetlink.delete_link(link)])


class InUse(Conflict):
    """Containers of others are in the network."""


def remove(name: str, *, project: str | None, directory: str) -> None:
    """Remove a network with what is left of endpoints of the project's; fine if it is gone. `project` of None: whosever
    it is, once nobody is in it.

    Raises Conflict: it is somebody else's; InUse: containers of others are in it; HostError.
    """
    try:
        with host.locked(), open_route() as route:
            there = host.observe(route)
            found = there.networks.get(name)
            leases.tidy(f"{directory}/leases")
            if found is not None:
                _refuse_used(_with_leases(found, directory), project)
                _remove(found, route=route, there=there)
            definitions.remove(directory, name)
    except OSError as error:
        raise _host_error(f"cannot remove network {name}", error) from error


def _refuse_used(found: FoundNetwork, project: str | None) -> None:
    name = found.label.network
    if project is not None and found.label.project != project:
        raise Conflict(f"cannot remove network {name}: it belongs to project {found.label.project}")
    users = {endpoint.container for endpoint in found.endpoints if not project or endpoint.project != project}
    if users:
        raise InUse(f"cannot remove network {name}: in use by {', '.join(sorted(users))}")


def _remove(found: FoundNetwork, *, route: RouteSocket, there: HostNetwork) -> None:
    label, link = found.label, found.link.name
    group = labels.group_of(label.network)
    members = [other for other in there.links if other.group == group]
    if all(labels.read_network(other) or labels.read_endpoint(other.alias) for other in members):
        route.perform([rtnetlink.delete_group(group)])
    route.perform([rtnetlink.delete_link(link)])  # fine if the group was it; else somebody has changed groups
    left = replace(there, networks={key: value for key, value in there.networks.items() if value is not found})
    if label.driver == Driver.BRIDGE.value:
        firewall.remove(label.project, link=link)
    forwarding.switch_off(label.forwarding, left)


def _host_error(purpose: str, error: OSError) -> PycomposeError:
    notes = "; ".join(getattr(error, "__notes__", ()))
    message = f"{purpose}: {error.strerror}{f' [{notes}]' if notes else ''}"
    if error.errno == errno.EPERM:
        return HostError(message, hint="networks take root, or CAP_NET_ADMIN over this network namespace")
    if error.errno == errno.EOPNOTSUPP:
        return MissingFeature(
            message, hint="this kernel lacks a kind of interface: modprobe bridge veth macvlan ipvlan"
        )
    return HostError(message)
