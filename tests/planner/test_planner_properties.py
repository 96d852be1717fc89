"""What holds for every plan: it respects the order of dependencies, and carrying it out leaves nothing to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.planner.dependencies import Graph
from composer.planner.observed import HealthStatus, Observed, ObservedContainer, State
from composer.planner.options import DownOptions, UpOptions
from composer.planner.plan import (
    AwaitService,
    CreateContainer,
    Plan,
    RemoveContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from composer.planner.reconcile import reconcile
from composer.planner.teardown import teardown
from composer.spec.desired import Condition, Dependency, Desired
from composer.spec.fingerprint import fingerprint
from composer.spec.rootfs import Archive
from tests.planner.planner_projects import HEALTH, project, running, service

NAMES = "abcde"
LAYERS = {"/x.tar": "sha256:new"}


@st.composite
def projects(draw: st.DrawFn) -> Desired:
    """Services that depend on earlier ones, in any order in the file."""
    services = []
    for index, name in enumerate(NAMES[: draw(st.integers(1, 5))]):
        needs = [
            Dependency(
                other,
                draw(st.sampled_from(tuple(Condition))),
                restart=draw(st.booleans()),
                required=draw(st.booleans()),
            )
            for other in NAMES[:index]
            if draw(st.booleans())
        ]
        services.append(
            service(
                name,
                *needs,
                replicas=draw(st.integers(0, 2)),
                archive=draw(st.sampled_from(["", "/x.tar"])),
                command=draw(st.sampled_from(["one", "two"])),
                health=draw(st.sampled_from([None, HEALTH])),
                joins=f"shop-{NAMES[index - 1]}-1" if index and draw(st.booleans()) else "",
            )
        )
    return project(*draw(st.permutations(services)))


@st.composite
def worlds(draw: st.DrawFn) -> Observed:
    """Whatever an earlier project may have left behind."""
    observed = running(draw(projects()))
    containers = tuple(
        replace(
            there, state=draw(st.sampled_from(tuple(State))), layer=draw(st.sampled_from(["sha256:new", "sha256:old"]))
        )
        for there in observed.containers
        if draw(st.booleans())
    )
    return Observed(containers, LAYERS)


def perform(plan: Plan, desired: Desired, observed: Observed) -> Observed:
    """Carry a plan out in a world where everything succeeds; no step may find it in a state it does not fit."""
    specs = {spec.name: (spec, service.policy) for service in desired.services for spec in service.containers}
    there = {container.name: container for container in observed.containers}
    alive = (State.RUNNING, State.PAUSED, State.RESTARTING)
    for step in plan.steps:
        assert all(number < step.number for number in step.after)
        match step.action:
            case StopContainer(name):
                assert there[name].state in alive
                there[name] = replace(there[name], state=State.EXITED)
            case RemoveContainer(name):
                assert there[name].state not in alive
                del there[name]
            case UnpauseContainer(name) | RestartContainer(name):
                there[name] = replace(there[name], state=State.RUNNING)
            case StartContainer(name):
                assert name not in there or there[name].state not in alive
                spec, policy = specs[name]
                made = there.get(name) or ObservedContainer(
                    name,
                    spec.service,
                    spec.number,
                    fingerprint(spec, policy),
                    State.CREATED,
                    layer=LAYERS["/x.tar"] if isinstance(spec.rootfs, Archive) else "",
                )
                there[name] = replace(made, state=State.RUNNING, health=HealthStatus.HEALTHY)
            case CreateContainer(name):
                raise AssertionError(f"{name} was to be started")
            case _:
                pass
    return replace(observed, containers=tuple(there.values()))


@settings(max_examples=300, deadline=None)
@given(projects(), worlds())
def test_a_plan_carried_out_leaves_nothing_to_do(desired: Desired, observed: Observed) -> None:
    options = UpOptions(remove_orphans=True)
    after = perform(reconcile(desired, observed, options=options), desired, observed)
    assert {there.name for there in after.containers} == {c.name for s in desired.services for c in s.containers}
    again = reconcile(desired, after, options=options)
    assert [step for step in again.steps if not isinstance(step.action, AwaitService)] == []


def ancestors(plan: Plan) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for step in plan.steps:
        found[step.number] = set(step.after).union(*(found[number] for number in step.after))
    return found


@settings(max_examples=300, deadline=None)
@given(projects(), worlds())
def test_nobody_starts_before_what_it_depends_on(desired: Desired, observed: Observed) -> None:
    plan = reconcile(desired, observed, options=UpOptions(remove_orphans=True))
    before = ancestors(plan)
    owner = {spec.name: service.name for service in desired.services for spec in service.containers}
    starts = [(s.number, owner[s.action.container]) for s in plan.steps if isinstance(s.action, StartContainer)]
    waits = {
        (s.action.service, s.action.condition, s.action.required): s.number
        for s in plan.steps
        if isinstance(s.action, AwaitService)
    }
    graph = Graph.of(desired)
    for number, name in starts:
        for edge in graph.edges[name]:
            assert {n for n, other in starts if other == edge.service} <= before[number]
            if edge.condition is not Condition.STARTED and any(other == edge.service for _, other in starts):
                assert waits[edge.service, edge.condition, edge.required] in before[number]


@settings(max_examples=200, deadline=None)
@given(projects())
def test_down_stops_dependents_first_and_leaves_nothing(desired: Desired) -> None:
    observed = running(desired)
    plan = teardown(observed, desired, options=DownOptions())
    assert perform(plan, desired, observed).containers == ()
    before = ancestors(plan)
    owner = {there.name: there.service for there in observed.containers}
    stops = [(s.number, owner[s.action.container]) for s in plan.steps if isinstance(s.action, StopContainer)]
    graph = Graph.of(desired)
    for number, name in stops:
        for dependent in graph.all_dependents(name):
            assert {n for n, other in stops if other == dependent} <= before[number]


def test_dependencies_and_dependents_reach_through_others() -> None:
    graph = Graph.of(project(service("web", "api", "log"), service("api", "db"), service("db"), service("log")))
    assert graph.closure(["api"]) == {"api", "db"}
    assert graph.all_dependents("db") == {"web", "api"}


def test_a_shared_namespace_is_a_dependency() -> None:
    graph = Graph.of(project(service("web", joins="shop-db-1"), service("db")))
    assert graph.edges["web"] == (Dependency("db", restart=True),)


@pytest.mark.parametrize("count", [2000])
def test_long_chains_are_no_matter(count: int) -> None:
    links = [service(f"s{i}", *([f"s{i - 1}"] if i else [])) for i in range(count)]
    plan = reconcile(project(*links), Observed(), options=UpOptions())
    assert len(plan.steps) == count
