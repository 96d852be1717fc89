"""The plan of `down`: dependents before dependencies, all else at once, and only what the project has made."""

from __future__ import annotations

from collections.abc import Iterable

from composer.planner import dependencies
from composer.planner.dependencies import Graph
from composer.planner.draft import Draft
from composer.planner.observed import Observed, ObservedContainer
from composer.planner.options import DownOptions
from composer.planner.plan import Plan, RemoveContainer, RemoveNetwork, StopContainer
from composer.planner.verdicts import ALIVE, orphans
from composer.spec.desired import Desired


def teardown(observed: Observed, desired: Desired | None = None, *, options: DownOptions) -> Plan:
    """Stop and remove. `desired` gives the order and tells orphans; without it, all containers go at the same time.

    Raises NoSuchThing for a named service that is neither in the files nor has containers.
    """
    graph = Graph.of(desired) if desired is not None else Graph({})
    named = _named(observed, desired, options)
    left = _left_alone(observed, desired, options)
    goers = [
        there
        for there in observed.containers
        if there.name not in left and (not options.services or (there.service in named and not there.oneoff))
    ]
    names = {there.name for there in goers}
    staying = {name for there in observed.containers if there.name not in names for name in there.networks}
    networks = [name for name in _own_networks(observed, options) if name not in staying]
    return _write(goers, graph=graph, orphans=left, networks=networks)


def _own_networks(observed: Observed, options: DownOptions) -> list[str]:
    """The project's own; `down SERVICE` leaves them."""
    own = (one.network for one in observed.networks if one.there and one.network.project == observed.project)
    return [] if options.services or not observed.project else [network.name for network in own]


def _named(observed: Observed, desired: Desired | None, options: DownOptions) -> frozenset[str]:
    there = {container.service for container in observed.containers}
    missing = [name for name in options.services if name not in there]
    if desired is not None:
        dependencies.selected(desired, [name for name in missing if name not in desired.disabled])
        return frozenset(options.services)
    for name in missing:
        raise dependencies.no_such_service(name, sorted(there))
    return frozenset(options.services)


def _left_alone(observed: Observed, desired: Desired | None, options: DownOptions) -> tuple[str, ...]:
    if desired is None or options.remove_orphans or options.services:
        return ()
    return tuple(there.name for there in orphans(desired, observed))


def _write(goers: list[ObservedContainer], *, graph: Graph, orphans: tuple[str, ...], networks: list[str]) -> Plan:
    draft = Draft()
    stops: dict[str, list[int]] = {}  # service → the steps that stop its containers
    removals: list[tuple[ObservedContainer, int]] = []
    ranks = {name: rank for rank, name in enumerate(graph.order())}
    for there in sorted(goers, key=lambda there: (-ranks.get(there.service, -1), there.service, there.number)):
        after = set(_dependents_stopped(there.service, graph, stops))
        if there.state in ALIVE:
            stop = draft.add(StopContainer(there.name), cause="down", after=after)
            if not there.oneoff:
                stops.setdefault(there.service, []).append(stop)
            after = {stop}
        removals.append((there, draft.add(RemoveContainer(there.name), cause="down", after=after)))
    for network in networks:
        last = [step for there, step in removals if network in there.networks]
        draft.add(RemoveNetwork(network), cause="down", after=last)
    return draft.plan(orphans=orphans)


def _dependents_stopped(service: str, graph: Graph, stops: dict[str, list[int]]) -> Iterable[int]:
    for dependent in graph.all_dependents(service):
        yield from stops.get(dependent, ())
