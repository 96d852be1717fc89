"""Which ports of the host containers are to have, and whose a port is that cannot be had: known before anything starts.

A port is taken by whoever holds it now and stays, and by whoever of this very plan was there first: the ports that can
be no other before those of ranges, so that a range leaves them alone.
"""

from __future__ import annotations

from composer.errors import Conflict
from composer.frozen import frozen
from composer.hints import Iterable, Iterator, Mapping
from composer.planner.observed import Observed, TakenPort
from composer.planner.together import together
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.network import Network, PortRange, Protocol, PublishedPort
from composer.spec.place import at

EVERYWHERE = ("0.0.0.0", "::")
_TOLD = 3  # reasons of a range


@frozen
class Claim:
    """A port that a container is to have at addresses of the host."""

    spec: ContainerSpec
    port: PublishedPort
    addresses: tuple[str, ...]

    @property
    def numbers(self) -> PortRange | None:
        return self.port.host


def addresses(port: PublishedPort, *, host_ip: str) -> tuple[str, ...]:
    """The host's addresses that a port is published at. `host_ip` is what the container's network says."""
    own = port.host_ip or host_ip
    return (own,) if own else EVERYWHERE


def claims(specs: Iterable[ContainerSpec], networks: Iterable[Network]) -> tuple[Claim, ...]:
    """All that the containers claim."""
    host_ips = {network.name: network.host_ip for network in networks}
    return tuple(
        Claim(spec, port, addresses(port, host_ip=host_ips.get(_way_out(spec), "")))
        for spec in specs
        for port in spec.ports
    )


def _way_out(spec: ContainerSpec) -> str:
    """The network that a container's default route goes through, as far as that is known before it is there."""
    ranked = sorted(spec.endpoints, key=lambda endpoint: (-endpoint.gw_priority, endpoint.network))
    return ranked[0].network if ranked else ""


def overlap(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of the host's addresses have one in common: 0.0.0.0 and :: are all of their families."""
    return any(_same(a, b) for a in one for b in other)


def _same(one: str, other: str) -> bool:
    if (":" in one) != (":" in other):
        return False
    return one == other or one in EVERYWHERE or other in EVERYWHERE


@frozen
class _Given:
    claim: Claim
    number: int


def judge(
    wanted: Iterable[Claim], taken: Iterable[TakenPort], *, going: frozenset[str]
) -> Mapping[str, frozenset[str]]:
    """Whose end each container has to wait for to have its ports. `going`: containers that will let go of theirs.

    Raises Conflict with all ports that cannot be had.
    """
    held = tuple(taken)
    given: list[_Given] = []
    waits: dict[str, frozenset[str]] = {}
    mistakes: list[Conflict] = []
    for claim in sorted((it for it in wanted if it.numbers), key=_by_narrowness):
        found = _give(claim, given, held, going)
        if isinstance(found, Conflict):
            mistakes.append(found)
            continue
        number, before = found
        given.append(_Given(claim, number))
        waits[claim.spec.name] = waits.get(claim.spec.name, frozenset()) | before
    if mistakes:
        raise together(mistakes)
    return waits


def require_free(desired: Desired, observed: Observed, starting: frozenset[str]) -> None:
    """Raises Conflict with all ports that containers which are to be started, or restarted, cannot have."""
    specs = [spec for service in desired.services for spec in service.containers if spec.name in starting]
    judge(claims(specs, desired.networks), observed.ports, going=starting)


def _by_narrowness(claim: Claim) -> tuple[int, int]:
    assert claim.numbers is not None
    return claim.numbers.last - claim.numbers.first, claim.numbers.first


def _give(
    claim: Claim, given: list[_Given], held: tuple[TakenPort, ...], going: frozenset[str]
) -> tuple[int, frozenset[str]] | Conflict:
    """The number, and who has to let go of it before; one that is free now rather than one that will be."""
    assert claim.numbers is not None
    first, why, hint = None, [], None
    for number in range(claim.numbers.first, claim.numbers.last + 1):
        rival = next((it for it in given if it.number == number and _clash(claim, it.claim)), None)
        holders = [it for it in held if it.port == number and _holds(it, claim)]
        staying = next((it for it in holders if it.container not in going), None)
        if rival is not None:
            reason, hint = _rivalry(claim, rival.claim)
            why.append((number, reason))
        elif staying is not None:
            why.append((number, staying.why))
        else:
            before = frozenset(it.container for it in holders if it.container != claim.spec.name)
            if not before:
                return number, before
            first = first or (number, before)
    return first or Conflict(refusal(claim.spec, claim.port, why), hint=hint)


def _clash(one: Claim, other: Claim) -> bool:
    return one.port.protocol is other.port.protocol and overlap(one.addresses, other.addresses)


def _holds(taken: TakenPort, claim: Claim) -> bool:
    return taken.protocol is claim.port.protocol and overlap((taken.address,), claim.addresses)


def _rivalry(claim: Claim, other: Claim) -> tuple[str, str | None]:
    if other.spec.service != claim.spec.service:
        return f"service {other.spec.service}{at(other.port.place)} is to have it", None
    if other.spec.name == claim.spec.name:
        return f"its port {other.port.container}{at(other.port.place)} is to have it", None
    return (
        "its containers cannot all have it",
        'publish a range, such as "8080-8089:80", or leave the port of the host out',
    )


def refusal(spec: ContainerSpec, port: PublishedPort, why: list[tuple[int, str]]) -> str:
    """What cannot be published, and why: a reason for each number."""
    return f"cannot publish {_what(port, why)} of service {spec.service}{at(port.place)}: {_reasons(why)}"


def _what(port: PublishedPort, why: list[tuple[int, str]]) -> str:
    protocol = "" if port.protocol is Protocol.TCP else f"/{port.protocol.value}"
    if len(why) == 1:
        return f"port {why[0][0]}{protocol}"
    return f"a port of {why[0][0]}-{why[-1][0]}{protocol}" if why else f"port {port.container}{protocol}"


def _reasons(why: list[tuple[int, str]]) -> str:
    if len(why) == 1:
        return why[0][1]
    told = "; ".join(f"{number}: {reason}" for number, reason in why[:_TOLD])
    return f"none is free ({told}{'; …' if len(why) > _TOLD else ''})"


def looked_for(wanted: Iterable[Claim]) -> Iterator[tuple[Protocol, str, PortRange]]:
    """What must be known of the host: each once."""
    return iter(
        dict.fromkeys(
            (it.port.protocol, address, it.numbers) for it in wanted if it.numbers for address in it.addresses
        )
    )


def fixed_elsewhere(spec: ContainerSpec, specs: Iterable[ContainerSpec]) -> tuple[int, ...]:
    """Ports that others can only have as they are: a range had better leave them alone."""
    others = (port.host for other in specs if other.name != spec.name for port in other.ports)
    return tuple(sorted({host.first for host in others if host is not None and host.first == host.last}))
