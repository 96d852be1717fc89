"""What is to happen to each network, and what could not be: found out before anything is started.

external                     must be there
missing                      created
changed                      removed and created, once nobody is in it; its containers are restarted
another project's            an error
"""

from __future__ import annotations

from composer.errors import Conflict, NoSuchThing, PycomposeError
from composer.frozen import frozen
from composer.hints import Iterable, Iterator, Mapping
from composer.planner import addresses
from composer.planner.observed import Holder, Observed, ObservedContainer, ObservedNetwork
from composer.planner.together import noting, together
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.fingerprint import network_fingerprint
from composer.spec.network import Endpoint, Network
from composer.spec.place import at

MISSING = "missing"


@frozen
class Judgement:
    """What is to happen to the networks of a plan: name → cause."""

    created: Mapping[str, str]
    removed: Mapping[str, str]

    def cause(self, there: ObservedContainer) -> str:
        """Why a running container has to be attached anew, "" where it has not."""
        for name in there.networks:
            if name in self.removed:
                return f"network {name}: {self.removed[name]}"
            if name in self.created:
                return f"network {name} is {self.created[name]}"
        return ""


NOTHING = Judgement({}, {})


def judge(
    desired: Desired, observed: Observed, *, specs: Iterable[ContainerSpec], keep: bool, removed: Iterable[str] = ()
) -> Judgement:
    """`specs` are the containers to be; `keep`: what has changed is left as it is; `removed`: containers that go.

    Raises Conflict, NoSuchThing with all that cannot be.
    """
    wanted = {network.name: network for network in desired.networks}
    there = {one.network.name: one for one in observed.networks}
    containers = tuple(specs)
    used = dict.fromkeys(endpoint.network for spec in containers for endpoint in spec.endpoints)
    created: dict[str, str] = {}
    removals: dict[str, str] = {}
    become: dict[str, Network] = {}
    mistakes: list[PycomposeError] = []
    for name in used:
        with noting(mistakes):
            known = there.get(name)
            cause = _cause(wanted[name], known, desired.project)
            if cause and known is not None and known.there and keep:
                cause = ""
            if cause:
                created[name] = cause
                if known is not None and known.there:
                    removals[name] = cause
                elif name in observed.obstacles:
                    raise observed.obstacles[name]
            elif known is not None:
                become[name] = known.network
    taken = _taken(observed, removals)
    # those whose subnet may be any come last: they leave alone what others must have
    for name in sorted(created, key=lambda name: not wanted[name].subnets):
        with noting(mistakes):
            known = there.get(name)
            again = known is not None and wanted[name].external
            made = known.network if known is not None and again else wanted[name]
            become[name] = addresses.resolve(made, taken=taken, pools=desired.address_pools)
            taken |= {subnet.subnet: f"the subnet of network {name}" for subnet in become[name].subnets}
    holders = _holders(observed, containers, desired.project, gone=frozenset(removed))
    mistakes += _impossible(containers, become, holders)
    mistakes += _crowded(containers, become, holders, wanted)
    if mistakes:
        raise together(mistakes)
    return Judgement(created, removals)


def _cause(network: Network, there: ObservedNetwork | None, project: str) -> str:
    """Why a network is to be made, "" where it need not."""
    if network.external:
        if there is None:
            raise NoSuchThing(
                f"cannot use network {network.name}{at(network.place)}: it is external, and there is none of that name",
                hint=f"pycompose network create {network.name}, or bring up the project that makes it",
            )
        return "" if there.there else MISSING
    if there is None or not there.there:
        return MISSING
    if there.network.project != project:
        owner = f"project {there.network.project}" if there.network.project else "no project"
        raise Conflict(
            f"cannot create network {network.name}{at(network.place)}: there is one of that name, "
            f"which belongs to {owner}",
            hint="say external: true to use that one, or choose another name",
        )
    return "" if there.fingerprint == network_fingerprint(network) else "configuration changed"


def _taken(observed: Observed, removed: Mapping[str, str]) -> dict[str, str]:
    """Subnets that no network can be given, each with whose it is."""
    ours = {
        subnet.subnet: f"the subnet of network {one.network.name}"
        + (f" of project {one.network.project}" if one.network.project else "")
        for one in observed.networks
        if one.there and one.network.name not in removed
        for subnet in one.network.subnets
    }
    return {**observed.subnets, **ours}


# ---- addresses that were asked for -------------------------------------------------------------------------------


Holders = Mapping[tuple[str, str], Holder]  # (network, address) → whose it is and stays


def _holders(observed: Observed, specs: tuple[ContainerSpec, ...], project: str, *, gone: frozenset[str]) -> Holders:
    """Without those of this plan's own: they are about to be what the files say, and let go."""
    going = gone | {spec.name for spec in specs}
    return {
        (one.network.name, holder.address): holder
        for one in observed.networks
        for holder in one.holders
        if holder.project != project or holder.container not in going
    }


def _impossible(
    specs: tuple[ContainerSpec, ...], networks: Mapping[str, Network], holders: Holders
) -> list[PycomposeError]:
    """Addresses that were asked for, and cannot be had."""
    claimed: dict[tuple[str, str], tuple[ContainerSpec, Endpoint]] = {}
    found: list[PycomposeError] = []
    for spec in specs:
        for endpoint in spec.endpoints:
            for address in _said(endpoint):
                if endpoint.network not in networks:
                    continue
                try:
                    addresses.require_possible(networks[endpoint.network], address)
                    _refuse_claimed(spec, address, endpoint, claimed.get((endpoint.network, address)))
                    _refuse_held(address, endpoint, holders.get((endpoint.network, address)))
                except PycomposeError as error:
                    message = f"cannot start container {spec.name}{at(endpoint.place)}: {error.message}"
                    found.append(Conflict(message, hint=error.hint))
                claimed.setdefault((endpoint.network, address), (spec, endpoint))
    return found


def _said(endpoint: Endpoint) -> list[str]:
    return [address for address in (endpoint.ipv4_address, endpoint.ipv6_address) if address]


def _refuse_claimed(
    spec: ContainerSpec, address: str, endpoint: Endpoint, other: tuple[ContainerSpec, Endpoint] | None
) -> None:
    if other is None or other[0].name == spec.name:
        return
    rival, place = other[0], other[1].place
    if rival.service == spec.service:
        raise Conflict(
            f"cannot use address {address} in network {endpoint.network}: container {rival.name} is to have it",
            hint="a service of several containers cannot have one address: leave it out, or scale it to 1",
        )
    raise Conflict(
        f"cannot use address {address} in network {endpoint.network}: container {rival.name}{at(place)} is to have it",
        hint=addresses.CHOOSE,
    )


def _refuse_held(address: str, endpoint: Endpoint, holder: Holder | None) -> None:
    if holder is not None:
        raise Conflict(
            f"cannot use address {address} in network {endpoint.network}: "
            f"container {holder.container} of project {holder.project} has it",
            hint=addresses.CHOOSE,
        )


def _crowded(
    specs: tuple[ContainerSpec, ...], networks: Mapping[str, Network], holders: Holders, said: Mapping[str, Network]
) -> Iterator[PycomposeError]:
    """Networks with fewer free addresses than containers that are to have any one. `said`: as the files have them."""
    for name, network in networks.items():
        endpoints = [endpoint for spec in specs for endpoint in spec.endpoints if endpoint.network == name]
        held = [address for (of, address) in holders if of == name]
        for version, wanted, asked in (
            (4, network.ipv4, [endpoint.ipv4_address for endpoint in endpoints]),
            (6, network.ipv6, [endpoint.ipv6_address for endpoint in endpoints]),
        ):
            needed = asked.count("") if wanted else 0
            free, among = addresses.room(network, version, taken=[*held, *filter(None, asked)])
            if needed > free:
                subnets = addresses.of_version(said[name], version)
                place = subnets[0].place if subnets else said[name].place
                yield Conflict(
                    f"cannot start {needed} containers in network {name}{at(place)}: "
                    f"{free or 'none'} of its addresses ({among}) {'is' if free == 1 else 'are'} free",
                    hint="give the network a larger subnet or ip_range, or start fewer containers",
                )


def said_elsewhere(network: Network, desired: Desired) -> dict[str, str]:
    """Subnets that other networks of the files must have: one that may have any leaves them alone."""
    return {
        subnet.subnet: f"the subnet of network {other.name}"
        for other in desired.networks
        if other.name != network.name
        for subnet in other.subnets
    }


def as_wanted(network: Network, there: Iterable[ObservedNetwork]) -> Network:
    """How to make a network: an external one that waits to be made again as it was."""
    return next((one.network for one in there if network.external and one.network.name == network.name), network)
