"""What is to happen to each network, and what could not be: found out before anything is started.

external                     must be there
missing                      created
changed                      removed and created, once nobody is in it; its containers are restarted
another project's            an error
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from composer.errors import Conflict, NoSuchThing, PycomposeError
from composer.frozen import frozen
from composer.planner import addresses
from composer.planner.observed import Observed, ObservedContainer, ObservedNetwork
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.fingerprint import network_fingerprint
from composer.spec.network import Endpoint, Network

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
    taken = [*observed.subnets]
    mistakes: list[PycomposeError] = []
    for name in used:
        network = wanted[name]
        try:
            known = there.get(name)
            cause = _cause(network, known, desired.project)
            if cause and known is not None and known.there and keep:
                cause = ""
            if cause:
                created[name] = cause
                if known is not None and known.there:
                    removals[name] = cause
            become[name] = _become(network, known, cause, desired, _others(observed, removals, taken))
        except PycomposeError as error:
            mistakes.append(error)
    mistakes += _impossible(containers, become, observed, desired.project, gone=frozenset(removed))
    if mistakes:
        raise _together(mistakes)
    return Judgement(created, removals)


def _cause(network: Network, there: ObservedNetwork | None, project: str) -> str:
    """Why a network is to be made, "" where it need not."""
    if network.external:
        if there is None:
            raise NoSuchThing(
                f"cannot use network {network.name}: it is external, and there is none of that name",
                hint=f"pycompose network create {network.name}, or bring up the project that makes it",
            )
        return "" if there.there else MISSING
    if there is None or not there.there:
        return MISSING
    if there.network.project != project:
        owner = f"project {there.network.project}" if there.network.project else "no project"
        raise Conflict(
            f"cannot create network {network.name}: there is one of that name, which belongs to {owner}",
            hint="say external: true to use that one, or choose another name",
        )
    return "" if there.fingerprint == network_fingerprint(network) else "configuration changed"


def _others(observed: Observed, removed: Mapping[str, str], taken: list[str]) -> list[str]:
    subnets = [
        subnet.subnet
        for one in observed.networks
        if one.there and one.network.name not in removed
        for subnet in one.network.subnets
    ]
    return [*taken, *subnets]


def _become(network: Network, there: ObservedNetwork | None, cause: str, desired: Desired, taken: list[str]) -> Network:
    """The network as it is or, tried out, as it would be."""
    if there is not None and (not cause or network.external):
        return there.network
    return addresses.resolve(network, taken=taken, pools=desired.address_pools)


# ---- addresses that were asked for -------------------------------------------------------------------------------


def _impossible(
    specs: tuple[ContainerSpec, ...],
    networks: Mapping[str, Network],
    observed: Observed,
    project: str,
    *,
    gone: frozenset[str],
) -> list[PycomposeError]:
    holders = {
        (one.network.name, holder.address): holder
        for one in observed.networks
        for holder in one.holders
        if holder.project != project or holder.container not in gone
    }
    claimed: dict[tuple[str, str], str] = {}
    found: list[PycomposeError] = []
    for spec in specs:
        for endpoint in spec.endpoints:
            for address in (endpoint.ipv4_address, endpoint.ipv6_address):
                if not address or endpoint.network not in networks:
                    continue
                try:
                    addresses.require_possible(networks[endpoint.network], address)
                    _refuse_claimed(spec, endpoint, address, claimed)
                    holder = holders.get((endpoint.network, address))
                    ours = holder is not None and (holder.project, holder.container) == (project, spec.name)
                    if holder is not None and not ours and not _moves(holder.container, specs, project, holder.project):
                        raise Conflict(
                            f"cannot use address {address} in network {endpoint.network}: "
                            f"container {holder.container} of project {holder.project} has it"
                        )
                except PycomposeError as error:
                    message = f"cannot start container {spec.name}: {error.message}"
                    found.append(Conflict(message, hint=error.hint))
                claimed[endpoint.network, address] = spec.name
    return found


def _refuse_claimed(
    spec: ContainerSpec, endpoint: Endpoint, address: str, claimed: Mapping[tuple[str, str], str]
) -> None:
    other = claimed.get((endpoint.network, address))
    if other is not None and other != spec.name:
        raise Conflict(
            f"cannot use address {address} in network {endpoint.network}: container {other} is to have it",
            hint="a service of several containers cannot have one address" if _alike(spec, other) else None,
        )


def _alike(spec: ContainerSpec, other: str) -> bool:
    return spec.number > 1 and other.rstrip("0123456789") == spec.name.rstrip("0123456789")


def _moves(container: str, specs: tuple[ContainerSpec, ...], project: str, holder: str) -> bool:
    """Whether the holder is one of this plan's own: it is about to be what the files say, and lets go."""
    return holder == project and any(spec.name == container for spec in specs)


def _together(mistakes: list[PycomposeError]) -> PycomposeError:
    if len(mistakes) == 1:
        return mistakes[0]
    hint = next((mistake.hint for mistake in mistakes if mistake.hint), None)
    return Conflict("\n".join(mistake.message for mistake in mistakes), hint=hint)


def as_wanted(network: Network, there: Iterable[ObservedNetwork]) -> Network:
    """How to make a network: an external one that waits to be made again as it was."""
    return next((one.network for one in there if network.external and one.network.name == network.name), network)
