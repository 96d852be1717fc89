"""What is to happen to each container of a project, and why. The order in which it happens is `reconcile`'s matter."""

from __future__ import annotations

from composer.enums import Enum
from composer.errors import Conflict
from composer.frozen import frozen, replace
from composer.hints import Iterator, Mapping
from composer.planner.dependencies import Graph, joined
from composer.planner.networks import NOTHING, Judgement
from composer.planner.observed import Observed, ObservedContainer, State
from composer.planner.options import UpOptions
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired, Service
from composer.spec.fingerprint import fingerprint
from composer.spec.rootfs import Archive

ALIVE = frozenset((State.RUNNING, State.PAUSED, State.RESTARTING))
_HALF_GONE = frozenset((State.REMOVING, State.DEAD))


class Fate(Enum):
    """What is to happen to a container that the files want."""

    LEAVE = "leave"
    MAKE = "make"
    START = "start"
    UNPAUSE = "unpause"
    RECREATE = "recreate"
    RESTART = "restart"


_NEW_PROCESS = frozenset((Fate.MAKE, Fate.START, Fate.RECREATE, Fate.RESTART))
_PAST = {Fate.RECREATE: "recreated", Fate.RESTART: "restarted", Fate.MAKE: "started", Fate.START: "started"}


@frozen
class Verdict:
    """The fate of one container, with its cause. `early`: it is stopped before what it depends on is touched."""

    spec: ContainerSpec
    there: ObservedContainer | None
    fate: Fate
    cause: str = ""
    early: bool = False

    @property
    def alive(self) -> bool:
        return self.there is not None and self.there.state in ALIVE

    @property
    def new_process(self) -> bool:
        return self.fate in _NEW_PROCESS


Verdicts = Mapping[str, tuple[Verdict, ...]]  # by service


def judge(
    desired: Desired,
    observed: Observed,
    *,
    graph: Graph,
    scope: frozenset[str],
    options: UpOptions,
    networks: Judgement = NOTHING,
) -> Verdicts:
    """A verdict for each container of the services in scope, and of those that must be restarted along with them."""
    goers = (
        frozenset(there.name for there in orphans(desired, observed)) if options.remove_orphans else frozenset[str]()
    )
    first = {
        service.name: tuple(_judge_service(service, observed, options, goers=goers))
        for service in desired.services
        if service.name in scope
    }
    if not options.start:
        return first
    return _spread(
        first, desired=desired, observed=observed, graph=graph, scope=scope, options=options, networks=networks
    )


def existing(observed: Observed, service: str) -> tuple[ObservedContainer, ...]:
    """The containers of a service as they are, one-offs left out."""
    return tuple(there for there in observed.containers if there.service == service and not there.oneoff)


def orphans(desired: Desired, observed: Observed) -> tuple[ObservedContainer, ...]:
    """Containers of services that the files no longer have. A service whose profile is not active has none."""
    known = {service.name for service in desired.services}.union(desired.disabled)
    return tuple(there for there in observed.containers if there.service not in known and not there.oneoff)


def _judge_service(
    service: Service, observed: Observed, options: UpOptions, *, goers: frozenset[str]
) -> Iterator[Verdict]:
    by_number = {there.number: there for there in existing(observed, service.name)}
    for spec in service.containers:
        there = by_number.get(spec.number)
        if there is None or there.name != spec.name:
            _check_name(spec, observed, goers=goers)
        if there is None:
            yield Verdict(spec, None, Fate.MAKE, "missing")
        else:
            yield _compare(service, spec, there, observed=observed, options=options)


def _check_name(spec: ContainerSpec, observed: Observed, *, goers: frozenset[str]) -> None:
    """A name may change hands only where its holder goes in this very plan, as a removed orphan does."""
    for there in observed.containers:
        if there.name == spec.name and there.name not in goers:
            holder = "a one-off container" if there.oneoff else "a container"
            raise Conflict(
                f"cannot create container {spec.name} for service {spec.service}: "
                f"{holder} of service {there.service} has that name",
                hint="remove it first, or choose another container_name",
            )


def _compare(
    service: Service, spec: ContainerSpec, there: ObservedContainer, *, observed: Observed, options: UpOptions
) -> Verdict:
    if there.state in _HALF_GONE:
        return Verdict(spec, there, Fate.RECREATE, "half removed")
    cause = _outdated(service, spec, there, observed=observed, options=options)
    if cause:
        return Verdict(spec, there, Fate.RECREATE, cause)
    if there.state is State.PAUSED:
        return Verdict(spec, there, Fate.UNPAUSE, "paused")
    if there.state in ALIVE:
        return Verdict(spec, there, Fate.LEAVE)
    return Verdict(spec, there, Fate.START, "never started" if there.state is State.CREATED else "stopped")


def _outdated(
    service: Service, spec: ContainerSpec, there: ObservedContainer, *, observed: Observed, options: UpOptions
) -> str:
    """Why a container must be made anew, "" where it need not."""
    if options.no_recreate:
        return ""
    named = not options.services or service.name in options.services
    if options.force_recreate and named:
        return "--force-recreate"
    if options.always_recreate_deps and not named:
        return "--always-recreate-deps"
    if there.name != spec.name or there.fingerprint != fingerprint(spec, service.policy):
        return "configuration changed"
    layer = observed.layers.get(spec.rootfs.path, "") if isinstance(spec.rootfs, Archive) else ""
    return "rootfs changed" if layer and layer != there.layer else ""


def _spread(
    verdicts: Verdicts,
    *,
    desired: Desired,
    observed: Observed,
    graph: Graph,
    scope: frozenset[str],
    options: UpOptions,
    networks: Judgement,
) -> Verdicts:
    """Add the restarts that other verdicts imply, in dependency order, so that one pass carries them all the way."""
    services = {service.name: service for service in desired.services}
    spread: dict[str, tuple[Verdict, ...]] = {}
    for name in graph.order():
        own = verdicts.get(name) or tuple(_bystanders(services[name], observed))
        along = name in scope or not options.no_deps
        reasons = dict(_reasons(graph, name, spread)) if along else {}
        touched = [_drawn_in(verdict, spread=spread, reasons=reasons, networks=networks) for verdict in own]
        if name in scope or any(verdict.fate is not Fate.LEAVE for verdict in touched):
            spread[name] = tuple(touched)
    return spread


def _bystanders(service: Service, observed: Observed) -> Iterator[Verdict]:
    """Containers that nobody asked about: left as they are, unless something draws them in."""
    specs = {spec.number: spec for spec in service.containers}
    for there in existing(observed, service.name):
        if there.number in specs and there.state in ALIVE:
            yield Verdict(replace(specs[there.number], name=there.name), there, Fate.LEAVE)


def _reasons(graph: Graph, name: str, spread: Verdicts) -> Iterator[tuple[str, str]]:
    """(dependency, what happens to it), for those that want this service restarted along with them."""
    for edge in graph.edges[name]:
        for verdict in spread.get(edge.service, ()):
            if edge.restart and verdict.fate in (Fate.RECREATE, Fate.RESTART):
                yield edge.service, f"{edge.service} is {_PAST[verdict.fate]}"


def _drawn_in(verdict: Verdict, *, spread: Verdicts, reasons: Mapping[str, str], networks: Judgement) -> Verdict:
    """The verdict once it is known what happens to the dependencies, and to the networks it is in."""
    targets = joined(verdict.spec)
    causes = list(reasons.values())
    if verdict.there is not None and (cause := networks.cause(verdict.there)):
        causes.append(cause)
    for other in (other for others in spread.values() for other in others if other.spec.name in targets):
        if other.new_process:  # its namespaces are new as well: who stays in the old ones is alone there
            causes.append(f"{other.spec.service} is {_PAST[other.fate]}")
    if not causes or not verdict.alive:
        return verdict
    if verdict.fate is Fate.RECREATE:
        return replace(verdict, early=True)
    return replace(verdict, fate=Fate.RESTART, cause=causes[0], early=True)
