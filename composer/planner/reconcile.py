"""Desired × observed → plan: what makes a project what its files say, each step with its cause.

Order: surplus containers and orphans go at once, beside everything else. Containers that must not meet a dependency's
successor are stopped first, dependents before dependencies. Then services are taken in dependency order: what a
container needs is prepared and waited for, only then its predecessor is stopped and removed, so that it is away as
briefly as can be. Networks are made before the first of their containers; one that has changed is removed once its
containers have been stopped. A container that is to have another's port waits until that one has stopped. What does not
depend on each other has no common step and happens at the same time.
"""

from __future__ import annotations

from composer.errors import PycomposeError
from composer.frozen import replace
from composer.hints import Iterable, Iterator, Mapping
from composer.planner import dependencies, networks, ports
from composer.planner.dependencies import Graph
from composer.planner.draft import Draft
from composer.planner.networks import NOTHING, Judgement
from composer.planner.observed import HealthStatus, Observed, ObservedContainer
from composer.planner.options import UpOptions
from composer.planner.plan import (
    Anonymous,
    AwaitService,
    CreateContainer,
    CreateNetwork,
    Plan,
    PrepareRootfs,
    RemoveContainer,
    RemoveNetwork,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from composer.planner.together import noting, together
from composer.planner.verdicts import ALIVE, Fate, Verdict, Verdicts, existing, judge, orphans
from composer.planner.volumes import VolumeSteps, refuse_missing
from composer.spec.desired import Condition, Dependency, Desired, Service
from composer.spec.rootfs import Archive


def reconcile(desired: Desired, observed: Observed, *, options: UpOptions) -> Plan:
    """The plan of `up`. Raises NoSuchThing for a service that is not there, Conflict for a name that is taken, and
    whatever it is for all that the host does not have or that is somebody else's."""
    graph = Graph.of(desired)
    named = dependencies.selected(desired, options.services)
    scope = named if options.no_deps else graph.closure(named)
    mistakes: list[PycomposeError] = []
    judgement, waits = NOTHING, dict[str, frozenset[str]]()
    with noting(mistakes):
        judgement = _judge_networks(desired, observed, scope=scope, options=options)
    verdicts = judge(desired, observed, graph=graph, scope=scope, options=options, networks=judgement)
    with noting(mistakes):
        refuse_missing((it.spec for each in verdicts.values() for it in each if it.new_process), desired, observed)
    with noting(mistakes):
        waits = dict(_judge_ports(desired, observed, verdicts, options=options))
    if mistakes:
        raise together(mistakes)
    verdicts = _yielding(verdicts, frozenset(name for names in waits.values() for name in names))
    writer = _Writer(
        desired, observed, graph=graph, verdicts=verdicts, networks=judgement, waits=waits, options=options
    )
    return writer.write(named=named)


def _judge_networks(desired: Desired, observed: Observed, *, scope: frozenset[str], options: UpOptions) -> Judgement:
    specs = [spec for service in desired.services if service.name in scope for spec in service.containers]
    going = [
        there.name for service in desired.services if service.name in scope for there in _surplus(observed, service)
    ]
    going += [there.name for there in orphans(desired, observed)] if options.remove_orphans else []
    keep = options.no_recreate or not options.start
    return networks.judge(desired, observed, specs=specs, keep=keep, removed=going)


def _judge_ports(
    desired: Desired, observed: Observed, verdicts: Verdicts, *, options: UpOptions
) -> Mapping[str, frozenset[str]]:
    """Whose end containers have to wait for, because of a port that those have now."""
    if not options.start:
        return {}
    starting = [verdict.spec for each in verdicts.values() for verdict in each if verdict.new_process]
    going = {spec.name for spec in starting}
    going |= {
        there.name for service in desired.services if service.name in verdicts for there in _surplus(observed, service)
    }
    if options.remove_orphans:
        going |= {there.name for there in orphans(desired, observed)}
    return ports.judge(ports.claims(starting, desired.networks), observed.ports, going=frozenset(going))


def _yielding(verdicts: Verdicts, names: frozenset[str]) -> Verdicts:
    """Who has a port that another is to have is stopped early: two may want each other's."""
    return {
        service: tuple(
            replace(verdict, early=True)
            if verdict.there is not None and verdict.there.name in names and verdict.alive and verdict.new_process
            else verdict
            for verdict in each
        )
        for service, each in verdicts.items()
    }


def _surplus(observed: Observed, service: Service) -> Iterator[ObservedContainer]:
    """Containers of a service that has become fewer."""
    wanted = {spec.number for spec in service.containers}
    for there in existing(observed, service.name):
        if there.number not in wanted and there.number > max(wanted, default=0):
            yield there


class _Writer:
    """Writes one plan. Keeps the numbers of the steps that later ones wait for."""

    def __init__(
        self,
        desired: Desired,
        observed: Observed,
        *,
        graph: Graph,
        verdicts: Verdicts,
        networks: Judgement,
        waits: Mapping[str, frozenset[str]],
        options: UpOptions,
    ) -> None:
        self._services = {service.name: service for service in desired.services}
        self._observed = observed
        self._orphans = orphans(desired, observed)
        self._graph = graph
        self._verdicts = verdicts
        self._networks = networks
        self._waits = waits
        self._options = options
        self._draft = Draft()
        self._volumes = VolumeSteps(desired, observed, draft=self._draft)
        self._order = [name for name in graph.order() if name in verdicts]
        self._prepared: dict[str, int] = {}  # archive → step
        self._created: dict[str, int] = {}  # network → step
        self._stopped: dict[str, int] = {}  # container → step that stops it early
        self._removed: dict[str, int] = {}  # container → step that removes it
        self._started: dict[str, list[int]] = {}  # service → steps that start or unpause its containers
        self._awaited: dict[tuple[str, Condition, bool], int] = {}

    def write(self, *, named: frozenset[str]) -> Plan:
        self._remove_surplus()
        if self._options.remove_orphans:
            for there in self._orphans:
                self._remove(there, cause=f'orphan: no service "{there.service}" in the files')
        self._stop_early()
        self._write_networks()
        for name in self._order:
            self._write_service(name)
        if self._options.wait and self._options.start:
            self._await_all(named)
        left = () if self._options.remove_orphans else (there.name for there in self._orphans)
        return self._draft.plan(orphans=left)

    # ---- what goes ----------------------------------------------------------------------------------------------

    def _remove_surplus(self) -> None:
        for name in self._order:
            wanted = {verdict.spec.number for verdict in self._verdicts[name]}
            scale = len(self._services[name].containers)
            for there in existing(self._observed, name):
                if there.number not in wanted and there.number > scale:
                    self._remove(there, cause=f"scale is {scale}")

    def _remove(
        self,
        there: ObservedContainer,
        *,
        cause: str,
        after: Iterable[int] = (),
        anonymous: Anonymous = Anonymous.RELEASE,
    ) -> int:
        """Stop where it runs, then remove."""
        before = tuple(after)
        if there.state in ALIVE and there.name not in self._stopped:
            before = (self._draft.add(StopContainer(there.name), cause=cause, after=before),)
        step = self._draft.add(RemoveContainer(there.name, anonymous), cause=cause, after=before)
        self._removed[there.name] = step
        return step

    def _stop_early(self) -> None:
        """Dependents first: none of them is to see its dependency go."""
        for name in reversed(self._order):
            for verdict in self._verdicts[name]:
                if verdict.early and verdict.there is not None:
                    container = verdict.there.name
                    stop = self._draft.add(StopContainer(container), cause=verdict.cause, after=self._farewells(name))
                    self._stopped[container] = stop

    def _farewells(self, service: str) -> Iterator[int]:
        """The steps that stop, early, the containers of those that depend on a service."""
        for dependent, _ in self._graph.dependents(service):
            for verdict in self._verdicts.get(dependent, ()):
                if verdict.there is not None and verdict.there.name in self._stopped:
                    yield self._stopped[verdict.there.name]

    # ---- what comes ---------------------------------------------------------------------------------------------

    def _write_networks(self) -> None:
        """A network that changes goes in between: its containers have been stopped early."""
        for name, cause in self._networks.created.items():
            before: tuple[int, ...] = ()
            if name in self._networks.removed:
                attached = (there.name for there in self._observed.containers if name in there.networks)
                ends = [self._stopped.get(it) or self._removed.get(it) for it in attached]
                before = (self._draft.add(RemoveNetwork(name), cause=cause, after=filter(None, ends)),)
            self._created[name] = self._draft.add(CreateNetwork(name), cause=cause, after=before)

    def _write_service(self, name: str) -> None:
        for verdict in self._verdicts[name]:
            match verdict.fate:
                case Fate.LEAVE:
                    pass
                case Fate.MAKE:
                    self._launch(verdict, after=[*self._rootfs(verdict), *self._gate(name)])
                case Fate.START:
                    self._launch(verdict, after=self._gate(name))
                case Fate.UNPAUSE:
                    self._unpause(verdict, after=self._gate(name))
                case Fate.RESTART:
                    self._launch(verdict, after=[self._stopped[verdict.spec.name], *self._gate(name)])
                case Fate.RECREATE:
                    self._recreate(verdict)

    def _recreate(self, verdict: Verdict) -> None:
        assert verdict.there is not None  # only what is there is made anew
        name, there = verdict.spec.service, verdict.there
        before = [*self._rootfs(verdict), *self._gate(name), *self._farewells(name)]
        if there.name in self._stopped:
            before.append(self._stopped[there.name])
        before += self._volumes.before(verdict.spec)
        kept = Anonymous.RELEASE if self._options.renew_volumes else Anonymous.KEEP
        self._launch(verdict, after=[self._remove(there, cause=verdict.cause, after=before, anonymous=kept)])

    def _launch(self, verdict: Verdict, *, after: Iterable[int]) -> None:
        name, before = verdict.spec.name, [*self._volumes.before(verdict.spec), *after]
        before += [self._created[it.network] for it in verdict.spec.endpoints if it.network in self._created]
        if name in self._removed:  # its own predecessor, or an orphan that held the name
            before.append(self._removed[name])
        for other in sorted(self._waits.get(name, ())):  # has a port that this one is to have
            before += filter(None, [self._stopped.get(other) or self._removed.get(other)])
        if self._options.start:
            step = self._draft.add(StartContainer(name), cause=verdict.cause, after=before)
            self._started.setdefault(verdict.spec.service, []).append(step)
        elif verdict.fate is not Fate.START:
            self._draft.add(CreateContainer(name), cause=verdict.cause, after=before)

    def _unpause(self, verdict: Verdict, *, after: Iterable[int]) -> None:
        if self._options.start:
            step = self._draft.add(UnpauseContainer(verdict.spec.name), cause=verdict.cause, after=after)
            self._started.setdefault(verdict.spec.service, []).append(step)

    def _rootfs(self, verdict: Verdict) -> Iterator[int]:
        """The step that unpacks the container's archive: one per archive, whoever comes first asks for it."""
        source = verdict.spec.rootfs
        if isinstance(source, Archive):
            if source.path not in self._prepared:
                cause = f"{verdict.spec.service} is made from it"
                self._prepared[source.path] = self._draft.add(PrepareRootfs(source.path), cause=cause)
            yield self._prepared[source.path]

    # ---- what is waited for -------------------------------------------------------------------------------------

    def _gate(self, name: str) -> Iterator[int]:
        """The steps that must be over before a container of this service may start."""
        if not self._options.start:
            return
        for edge in self._graph.edges[name]:
            if edge.service in self._verdicts:
                yield from self._gate_of(edge)

    def _gate_of(self, edge: Dependency) -> Iterator[int]:
        started = self._started.get(edge.service, ())
        if edge.condition is Condition.STARTED and (edge.required or not started):
            yield from started
        elif self._open(edge):
            yield self._await(edge.service, edge.condition, required=edge.required, cause=self._who_waits(edge))

    def _open(self, edge: Dependency) -> bool:
        """Whether the condition is still to be met. A service of no containers is not waited for."""
        verdicts = self._verdicts[edge.service]
        if edge.condition is not Condition.HEALTHY:
            return bool(verdicts)
        return any(
            verdict.fate is not Fate.LEAVE or verdict.there is None or verdict.there.health is not HealthStatus.HEALTHY
            for verdict in verdicts
        )

    def _await(self, service: str, condition: Condition, *, required: bool, cause: str) -> int:
        key = (service, condition, required)
        if key not in self._awaited:
            containers = tuple(spec.name for spec in self._services[service].containers)
            action = AwaitService(service, containers, condition, required)
            self._awaited[key] = self._draft.add(action, cause=cause, after=self._started.get(service, ()))
        return self._awaited[key]

    def _who_waits(self, awaited: Dependency) -> str:
        """ "web and worker depend on it": those that this plan starts."""
        waiting = [
            name
            for name in self._order
            if any(verdict.fate is not Fate.LEAVE for verdict in self._verdicts[name])
            and any(_same_wait(edge, awaited) for edge in self._graph.edges[name])
        ]
        return f"{_listed(waiting)} depend{'s' if len(waiting) == 1 else ''} on it"

    def _await_all(self, named: frozenset[str]) -> None:
        for name in self._order:
            if name in named and self._services[name].containers:
                goal = self._graph.goal(self._services[name])
                self._await(name, goal, required=True, cause="--wait")


def _same_wait(edge: Dependency, other: Dependency) -> bool:
    return (edge.service, edge.condition, edge.required) == (other.service, other.condition, other.required)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
