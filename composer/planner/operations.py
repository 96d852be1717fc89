"""Plans for containers that are there already: start, stop, restart, kill, pause, unpause, rm.

None of them makes a container or looks at what changed in the files: that is `reconcile`'s. `scale` is `up` with
another number of replicas.
"""

from __future__ import annotations

from composer.errors import NoSuchThing
from composer.hints import Callable, Iterable
from composer.planner import dependencies, ports
from composer.planner.dependencies import Graph
from composer.planner.draft import Draft
from composer.planner.observed import Observed, ObservedContainer, State
from composer.planner.options import RemoveOptions, RestartOptions
from composer.planner.plan import (
    Action,
    Anonymous,
    AwaitService,
    KillContainer,
    PauseContainer,
    Plan,
    RemoveContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from composer.planner.verdicts import ALIVE, existing
from composer.spec.desired import Condition, Dependency, Desired


def start_plan(desired: Desired, observed: Observed, *, services: tuple[str, ...] = (), wait: bool = False) -> Plan:
    """Start what is stopped, with what it depends on, in dependency order. Raises NoSuchThing.

    With `wait`, the plan ends when the services named are running, healthy or through.
    """
    graph = Graph.of(desired)
    named = dependencies.selected(desired, services)
    for name in services:
        if not existing(observed, name):
            raise NoSuchThing(f"cannot start service {name}: it has no container", hint="`pycompose up` makes one")
    closure = graph.closure(named)
    ports.require_free(desired, observed, _names(desired, observed, closure, lambda there: there.state not in ALIVE))
    forward = _Forward(desired, observed, graph=graph)
    return forward.write(closure, _started, waiting_for=named if wait else frozenset())


def restart_plan(desired: Desired, observed: Observed, *, options: RestartOptions) -> Plan:
    """Restart in dependency order, and with them the dependents that ask for it. Raises NoSuchThing."""
    graph = Graph.of(desired)
    named = dependencies.selected(desired, options.services)
    causes = dict.fromkeys(named, "restart")
    if not options.no_deps:
        causes |= {name: cause for name, cause in _followers(graph, named).items() if name not in causes}

    def restarted(there: ObservedContainer) -> tuple[Action, str] | None:
        if there.service not in named and there.state not in ALIVE:
            return None  # nobody asked for it
        return RestartContainer(there.name), causes[there.service]

    restarting = _names(desired, observed, frozenset(causes), lambda there: restarted(there) is not None)
    ports.require_free(desired, observed, restarting)
    return _Forward(desired, observed, graph=graph).write(frozenset(causes), restarted)


def stop_plan(desired: Desired, observed: Observed, *, services: tuple[str, ...] = ()) -> Plan:
    """Stop what runs, dependents before dependencies. Raises NoSuchThing."""
    graph = Graph.of(desired)
    named = dependencies.selected(desired, services)
    draft = Draft()
    stops: dict[str, list[int]] = {}
    for name in reversed(graph.order()):
        if name in named:
            after = [step for dependent in graph.all_dependents(name) for step in stops.get(dependent, ())]
            stops[name] = [
                draft.add(StopContainer(there.name), cause="stop", after=after)
                for there in existing(observed, name)
                if there.state in ALIVE
            ]
    return draft.plan()


def remove_plan(desired: Desired, observed: Observed, *, options: RemoveOptions) -> Plan:
    """Remove what is stopped; with `stop`, stop what runs first. Raises NoSuchThing."""
    named = dependencies.selected(desired, options.services)
    anonymous = Anonymous.REMOVE if options.volumes else Anonymous.RELEASE
    draft = Draft()
    for there in _of(desired, observed, named):
        after: tuple[int, ...] = ()
        if there.state in ALIVE and not options.stop:
            continue
        if there.state in ALIVE:
            after = (draft.add(StopContainer(there.name), cause="rm --stop"),)
        draft.add(RemoveContainer(there.name, anonymous), cause="rm", after=after)
    return draft.plan()


def kill_plan(desired: Desired, observed: Observed, *, signal: int, services: tuple[str, ...] = ()) -> Plan:
    """Send a signal to what runs. Raises NoSuchThing."""
    named = dependencies.selected(desired, services)
    running = (there for there in _of(desired, observed, named) if there.state in ALIVE)
    return _at_once((KillContainer(there.name, signal) for there in running), cause="kill")


def pause_plan(desired: Desired, observed: Observed, *, services: tuple[str, ...] = ()) -> Plan:
    """Freeze what runs. Raises NoSuchThing."""
    named = dependencies.selected(desired, services)
    running = (there for there in _of(desired, observed, named) if there.state is State.RUNNING)
    return _at_once((PauseContainer(there.name) for there in running), cause="pause")


def unpause_plan(desired: Desired, observed: Observed, *, services: tuple[str, ...] = ()) -> Plan:
    """Let go on what is frozen. Raises NoSuchThing."""
    named = dependencies.selected(desired, services)
    paused = (there for there in _of(desired, observed, named) if there.state is State.PAUSED)
    return _at_once((UnpauseContainer(there.name) for there in paused), cause="unpause")


def _started(there: ObservedContainer) -> tuple[Action, str] | None:
    if there.state is State.PAUSED:
        return UnpauseContainer(there.name), "paused"
    return None if there.state in ALIVE else (StartContainer(there.name), "stopped")


def _followers(graph: Graph, named: frozenset[str]) -> dict[str, str]:
    """Who asks to be restarted along with one of these, directly or through another, and because of whom."""
    causes: dict[str, str] = {}
    for name in graph.order():
        for edge in graph.edges[name]:
            if edge.restart and (edge.service in named or edge.service in causes):
                causes.setdefault(name, f"{edge.service} is restarted")
    return causes


def _of(desired: Desired, observed: Observed, named: frozenset[str]) -> Iterable[ObservedContainer]:
    for service in desired.services:
        if service.name in named:
            yield from existing(observed, service.name)


def _names(
    desired: Desired, observed: Observed, services: frozenset[str], chosen: Callable[[ObservedContainer], bool]
) -> frozenset[str]:
    return frozenset(there.name for there in _of(desired, observed, services) if chosen(there))


def _at_once(actions: Iterable[Action], *, cause: str) -> Plan:
    draft = Draft()
    for action in actions:
        draft.add(action, cause=cause)
    return draft.plan()


class _Forward:
    """Writes a plan that takes services in dependency order and waits for conditions between them."""

    def __init__(self, desired: Desired, observed: Observed, *, graph: Graph) -> None:
        self._services = {service.name: service for service in desired.services}
        self._observed = observed
        self._graph = graph
        self._draft = Draft()
        self._steps: dict[str, list[int]] = {}
        self._awaited: dict[tuple[str, Condition, bool], int] = {}

    def write(
        self,
        services: frozenset[str],
        decide: Callable[[ObservedContainer], tuple[Action, str] | None],
        *,
        waiting_for: frozenset[str] = frozenset(),
    ) -> Plan:
        for name in self._graph.order():
            decisions = [decide(there) for there in existing(self._observed, name)] if name in services else []
            after = (
                [step for edge in self._graph.edges[name] for step in self._gate(name, edge)] if any(decisions) else []
            )
            self._steps[name] = [
                self._draft.add(action, cause=cause, after=after) for action, cause in filter(None, decisions)
            ]
        for name in self._graph.order():
            if name in waiting_for and existing(self._observed, name):
                self._await(name, self._graph.goal(self._services[name]), required=True, cause="--wait")
        return self._draft.plan()

    def _gate(self, name: str, edge: Dependency) -> Iterable[int]:
        steps = self._steps[edge.service]
        if not steps or (edge.condition is Condition.STARTED and edge.required):
            return steps
        return (self._await(edge.service, edge.condition, required=edge.required, cause=f"{name} depends on it"),)

    def _await(self, service: str, condition: Condition, *, required: bool, cause: str) -> int:
        key = (service, condition, required)
        if key not in self._awaited:
            containers = tuple(there.name for there in existing(self._observed, service))
            action = AwaitService(service, containers, condition, required)
            self._awaited[key] = self._draft.add(action, cause=cause, after=self._steps[service])
        return self._awaited[key]
