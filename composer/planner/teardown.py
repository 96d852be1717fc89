"""The plan of `down`: dependents before dependencies, all else at once, and only what the project has made."""

from __future__ import annotations

from composer.hints import Iterable
from composer.planner import dependencies
from composer.planner.dependencies import Graph
from composer.planner.draft import Draft
from composer.planner.observed import Observed, ObservedContainer
from composer.planner.options import DownOptions
from composer.planner.plan import Anonymous, Plan, RemoveContainer, RemoveNetwork, StopContainer
from composer.planner.verdicts import ALIVE, orphans
from composer.planner.volumes import remove_volumes
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
    draft = Draft()
    anonymous = Anonymous.REMOVE if options.volumes else Anonymous.RELEASE
    removals = _remove_containers(draft, goers, graph=graph, anonymous=anonymous)
    if not options.services:
        gone = {there.name: step for there, step in removals}
        _remove_networks(draft, observed, removals=removals)
        if options.volumes:
            remove_volumes(draft, observed, gone=frozenset(gone), after=gone.values())
    return draft.plan(orphans=left)


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


def _remove_containers(
    draft: Draft, goers: list[ObservedContainer], *, graph: Graph, anonymous: Anonymous
) -> list[tuple[ObservedContainer, int]]:
    """The steps for these containers; with each, the number of the step that removes it."""
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
        removals.append((there, draft.add(RemoveContainer(there.name, anonymous), cause="down", after=after)))
    return removals


def _remove_networks(draft: Draft, observed: Observed, *, removals: list[tuple[ObservedContainer, int]]) -> None:
    """The project's own, once those that are in them have gone; `down SERVICE` leaves them all."""
    goers = {there.name for there, _ in removals}
    staying = {name for there in observed.containers if there.name not in goers for name in there.networks}
    for one in observed.networks:
        network = one.network
        if one.there and observed.project and network.project == observed.project and network.name not in staying:
            last = [step for there, step in removals if network.name in there.networks]
            draft.add(RemoveNetwork(network.name), cause="down", after=last)


def _dependents_stopped(service: str, graph: Graph, stops: dict[str, list[int]]) -> Iterable[int]:
    for dependent in graph.all_dependents(service):
        yield from stops.get(dependent, ())
