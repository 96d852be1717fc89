"""Where the time of a start went: made-up walks, and what is read off them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.planner.advice import span, written
from composer.planner.analysis import MANY, Analysis, analyze
from composer.planner.critical import saved_ns
from composer.planner.health import Health, Probe, record
from composer.planner.observed import State as ContainerState
from composer.planner.timeline import Row, Standing, State, Steps
from composer.planner.walk import Moment, Outcome, Probing, Walk
from composer.spec.desired import Dependency, Desired, Service
from composer.spec.policy import HealthCheck, Hook, StopPolicy
from tests.planner.planner_projects import COMPLETED, HEALTH, HEALTHY, project, running, service, without
from tests.planner.walking import MS, PLANNED, S, World, walked


def chain(found: Analysis) -> list[str]:
    return [f"{link.began_ns // MS}+{link.took_ns // MS} {link.step.action}" for link in found.chain]


def row(found: Analysis, name: str) -> Row:
    return next(it for it in found.rows if it.name == f"shop-{name}")


def spans(found: Analysis, name: str) -> list[str]:
    return [f"{it.phase.value} {it.began_ns // MS}-{it.ended_ns // MS}" for it in row(found, name).spans]


def gains(found: Analysis) -> list[tuple[str, int]]:
    """(the first words of what is to be changed, milliseconds)."""
    return [(advice.change.split(":")[0], advice.gain_ns // MS) for advice in found.advice]


# ---- chains -----------------------------------------------------------------------------------------------------

CHAIN = project(
    service("db", health=HEALTH),
    service("migrate", Dependency("db", HEALTHY)),
    service("web", Dependency("migrate", COMPLETED), "cache", health=HEALTH),
    service("cache"),
)
SLOW_DB = World(ready={"shop-db-1": 2 * S, "shop-web-1": 20 * MS}, runs={"shop-migrate-1": 500 * MS})


def test_a_chain_is_told_from_its_first_step_to_its_last() -> None:
    found = analyze(walked(CHAIN, SLOW_DB), CHAIN)
    assert chain(found) == [
        "100+10 start container shop-db-1",
        "110+2000 wait until shop-db-1 is healthy",
        "2110+10 start container shop-migrate-1",
        "2120+500 wait until shop-migrate-1 has completed successfully",
        "2620+10 start container shop-web-1",
    ]
    assert spans(found, "db-1") == ["launching 100-110", "probing 110-2110", "healthy 2110-2650"]
    assert spans(found, "migrate-1") == ["waiting 100-2110", "launching 2110-2120", "running 2120-2620"]
    assert spans(found, "web-1")[:2] == ["waiting 100-2620", "launching 2620-2630"]
    standings = [(it.name, it.standing) for it in found.rows]
    assert standings == [
        ("shop-cache-1", Standing.STARTED),
        ("shop-db-1", Standing.HEALTHY),
        ("shop-migrate-1", Standing.COMPLETED),
        ("shop-web-1", Standing.HEALTHY),
    ]


def test_what_nobody_waited_for_is_seen_to_settle_and_is_not_on_the_chain() -> None:
    found = analyze(walked(CHAIN, SLOW_DB), CHAIN)
    assert row(found, "web-1").settled_ns == 2650 * MS
    assert found.timeline.now_ns == 2630 * MS
    assert found.timeline.horizon_ns == 2650 * MS
    assert chain(analyze(walked(CHAIN, SLOW_DB, wait=True), CHAIN))[-1] == "2630+20 wait until shop-web-1 is healthy"


def test_the_chain_of_a_service_ends_with_it() -> None:
    found = analyze(walked(CHAIN, SLOW_DB), CHAIN, services=("migrate",))
    assert chain(found)[-1] == "2120+500 wait until shop-migrate-1 has completed successfully"
    assert [it.name for it in found.rows] == ["shop-migrate-1"]


DIAMOND = project(
    service("base"),
    service("left", "base", health=HEALTH),
    service("right", "base", health=HEALTH),
    service("top", Dependency("left", HEALTHY), Dependency("right", HEALTHY)),
)


def test_in_a_diamond_the_slower_side_counts_and_gains_no_more_than_what_it_is_slower_by() -> None:
    walk = walked(DIAMOND, World(ready={"shop-left-1": 300 * MS, "shop-right-1": 800 * MS}))
    found = analyze(walk, DIAMOND)
    assert chain(found) == [
        "100+10 start container shop-base-1",
        "110+10 start container shop-right-1",
        "120+800 wait until shop-right-1 is healthy",
        "920+10 start container shop-top-1",
    ]
    steps = Steps(walk, until_ns=found.timeline.now_ns)
    waiting = found.chain[2].step.number
    assert saved_ns(steps, waiting, cut_ns=200 * MS) == 200 * MS
    assert saved_ns(steps, waiting, cut_ns=800 * MS) == 500 * MS


def test_of_replicas_the_last_one_is_named() -> None:
    desired = project(service("db", replicas=3, health=HEALTH), service("web", Dependency("db", HEALTHY)))
    ready = {"shop-db-1": 100 * MS, "shop-db-2": 900 * MS, "shop-db-3": 300 * MS}
    found = analyze(walked(desired, World(ready=ready)), desired)
    assert [link.container for link in found.chain] == ["shop-db-3", "shop-db-2", "shop-web-1"]


# ---- what is not as it should be --------------------------------------------------------------------------------


def test_a_failed_start_ends_with_what_failed() -> None:
    desired = project(service("db"), service("web", "db"), service("slow", health=HEALTH))
    walk = walked(desired, World(fails=frozenset({"shop-db-1"}), ready={"shop-slow-1": 2 * S}), wait=True)
    found = analyze(walk, desired)
    assert found.timeline.state is State.FAILED
    assert (row(found, "db-1").standing, row(found, "db-1").note) == (Standing.FAILED, "no such command")
    assert row(found, "web-1").standing is Standing.NOT_STARTED
    assert chain(found) == ["100+10 start container shop-db-1"]
    assert [link.failed for link in found.chain] == [True]
    assert chain(analyze(walk, desired, services=("web",))) == ["100+10 start container shop-db-1"]


def test_a_start_that_is_under_way_shows_how_far_it_is() -> None:
    walk = walked(CHAIN, SLOW_DB, until=500 * MS)
    found = analyze(walk, CHAIN, now_ns=700 * MS)
    assert found.timeline.state is State.UNDER_WAY
    assert spans(found, "db-1") == ["launching 100-110", "probing 110-700"]
    assert spans(found, "web-1") == ["waiting 100-700"]
    assert row(found, "db-1").standing is Standing.PROBING
    assert row(found, "web-1").standing is Standing.WAITING
    assert chain(found) == ["100+10 start container shop-db-1", "110+590 wait until shop-db-1 is healthy"]
    assert found.chain[-1].under_way
    assert found.advice == ()


def test_a_start_whose_supervisor_died_ends_with_what_is_known() -> None:
    found = analyze(walked(CHAIN, SLOW_DB, until=500 * MS), CHAIN)
    assert found.timeline.state is State.ABANDONED
    assert found.timeline.now_ns == 110 * MS


def test_a_start_that_had_not_begun_anything_is_shown_too() -> None:
    found = analyze(walked(CHAIN, SLOW_DB, until=0), CHAIN)
    assert {it.standing for it in found.rows} == {Standing.LAUNCHING, Standing.WAITING}


def test_what_ran_already_is_unchanged() -> None:
    desired = project(service("db"), service("web", "db"))
    observed = without(running(desired), "web")
    found = analyze(walked(desired, World(), observed=observed), desired)
    assert [(it.name, it.standing) for it in found.rows] == [
        ("shop-web-1", Standing.STARTED),
        ("shop-db-1", Standing.UNCHANGED),
    ]
    nothing = analyze(walked(desired, World(), observed=running(desired)), desired)
    assert {it.standing for it in nothing.rows} == {Standing.UNCHANGED}
    assert (nothing.chain, nothing.advice) == ((), ())


def test_restarts_after_the_start_do_not_count() -> None:
    walk = walked(CHAIN, SLOW_DB)
    later = [
        Moment("shop-db-1", "die", 60 * S, exit_code="1"),
        Moment("shop-db-1", "start", 61 * S),
        Moment("shop-cache-1", "die", 62 * S, exit_code="1"),
        Moment("shop-web-1", "health_status: unhealthy", 63 * S),
    ]
    found, before = analyze(replace(walk, moments=(*walk.moments, *later)), CHAIN), analyze(walk, CHAIN)
    assert (found.rows, found.chain, found.advice) == (before.rows, before.chain, before.advice)
    assert found.timeline.horizon_ns == before.timeline.horizon_ns


def test_what_is_probed_when_the_start_is_over_is_followed_until_it_settles() -> None:
    walk = walked(CHAIN, World(ready={"shop-db-1": 50 * MS, "shop-web-1": 20 * S}))
    assert row(analyze(walk, CHAIN), "web-1").settled_ns == PLANNED + 80 * MS + 20 * S
    unknown = replace(walk, moments=tuple(it for it in walk.moments if it.container != "shop-web-1"))
    assert row(analyze(unknown, CHAIN), "web-1").standing is Standing.PROBING


def test_a_crash_before_it_was_healthy_is_seen_and_advised_about() -> None:
    world = replace(SLOW_DB, crashes={"shop-db-1": (600 * MS, 700 * MS)})
    found = analyze(walked(CHAIN, world), CHAIN)
    assert spans(found, "db-1")[1:4] == ["probing 110-710", "restarting 710-810", "probing 810-2110"]
    assert row(found, "db-1").restarts == 1
    assert "shop-db-1 ended once (exit code 3)" in found.advice[0].finding


# ---- many -------------------------------------------------------------------------------------------------------


def test_many_replicas_are_one_row_with_the_slowest() -> None:
    desired = project(service("web", replicas=MANY + 2, health=HEALTH), service("db"))
    ready = {f"shop-web-{number}": number * 100 * MS for number in range(1, MANY + 3)}
    walk = walked(desired, World(ready=ready))
    found = analyze(walk, desired)
    assert [(it.name, it.replicas) for it in found.rows] == [("shop-db-1", 1), (f"shop-web-{MANY + 2}", MANY + 2)]
    assert len(analyze(walk, desired, summary=False).rows) == MANY + 3


def test_who_stands_otherwise_than_the_other_replicas_keeps_its_row() -> None:
    desired = project(service("web", replicas=MANY + 2))
    found = analyze(walked(desired, World(fails=frozenset({"shop-web-3"}))), desired)
    assert [(it.standing, it.replicas) for it in found.rows] == [(Standing.STARTED, MANY + 1), (Standing.FAILED, 1)]


# ---- advice -----------------------------------------------------------------------------------------------------


def probed(check: HealthCheck, probing: Probing, *, ready: int) -> Analysis:
    desired = project(service("db", health=check), service("web", Dependency("db", HEALTHY)))
    world = World(ready={"shop-db-1": ready}, probing={"shop-db-1": probing})
    return analyze(walked(desired, world), desired)


def test_an_interval_is_named_where_it_cost_time() -> None:
    check = HealthCheck(("true",), interval_ns=5 * S)
    found = probed(check, Probing(9, 0, 800 * MS, 4800 * MS), ready=4800 * MS)
    assert found.advice[0].finding == (
        "web waited 4.80 s for db to become healthy: "
        "4.00 s of that passed between the last probe that failed and the next one."
    )
    assert found.advice[0].change == (
        "Set start_interval: 1s in the healthcheck of db (interval is 5s), "
        "and a start_period of more than 5s, for which it counts."
    )
    assert found.advice[0].gain_ns == 3 * S
    assert [advice.is_own for advice in found.advice] == [False, True]


def test_within_the_start_period_it_is_the_start_interval() -> None:
    check = HealthCheck(("true",), start_period_ns=10 * S)
    found = probed(check, Probing(9, 0, 800 * MS, 4800 * MS), ready=4800 * MS)
    assert found.advice[0].change == "Set start_interval: 1s in the healthcheck of db (start_interval is 5s)."


def test_a_slow_test_is_named() -> None:
    found = probed(HEALTH, Probing(1, 0, 0, 5 * MS), ready=900 * MS)
    assert gains(found) == [("Make the test of db cheaper", 895)]


def test_hooks_are_named() -> None:
    hooked = service("db")
    hooked = replace(hooked, policy=replace(hooked.policy, post_start=(Hook(("sleep", "1")),)))
    desired = project(hooked, service("web", "db"))
    walk = walked(desired, World(launch=10 * MS))
    slow = tuple(
        replace(it, ended_ns=it.ended_ns + 900 * MS, began_ns=it.began_ns + (900 * MS if it.number == 2 else 0))
        for it in walk.steps
    )
    assert walk.finished is not None
    walk = replace(walk, steps=slow, finished=replace(walk.finished, at_ns=walk.finished.at_ns + 900 * MS))
    found = analyze(walk, desired)
    assert found.advice[0].finding == "The post_start hooks of shop-db-1 took 900 ms."
    assert found.advice[0].gain_ns == 900 * MS


def test_a_predecessor_that_would_not_stop_is_named() -> None:
    stubborn = service("db")
    stubborn = replace(stubborn, policy=replace(stubborn.policy, stop=StopPolicy(grace_ns=3 * S)))
    desired = project(stubborn)
    found = analyze(walked(desired, World(stop=3 * S), observed=running(desired), force=True), desired)
    assert spans(found, "db-1")[0] == "stopping 100-3100"
    assert gains(found) == [("Let db end at its stop signal", 3000)]
    assert "killed after 3s" in found.advice[0].finding


def test_an_archive_that_was_unpacked_is_named() -> None:
    desired = project(service("db", archive="/images/db.tar.xz"))
    found = analyze(walked(desired, World(unpack=2 * S)), desired)
    assert spans(found, "db-1")[0] == "unpacking 100-2100"
    assert found.advice[0].gain_ns == 2 * S
    assert "/images/db.tar.xz took 2.00 s" in found.advice[0].finding
    assert "zstd or gzip" in found.advice[0].change


def test_to_wait_for_another_command_is_named() -> None:
    walk = walked(CHAIN, World())
    begun = replace(walk.begun, received_ns=10 * MS, turn_ns=90 * MS)
    assert gains(analyze(replace(walk, begun=begun), CHAIN)) == [("Start it when the other one is through.", 80)]


def test_a_start_that_could_not_be_faster_gets_no_advice() -> None:
    assert analyze(walked(CHAIN, World(ready={"shop-db-1": 5 * MS})), CHAIN).advice == ()


# ---- whatever the project ---------------------------------------------------------------------------------------


@st.composite
def starts(draw: st.DrawFn) -> tuple[Desired, Walk]:
    """Projects without cycles, and how long everything took."""
    services: list[Service] = []
    for number in range(draw(st.integers(1, 6))):
        needs = draw(st.lists(st.sampled_from(services), unique_by=lambda it: it.name, max_size=3)) if services else []
        conditions = [HEALTHY if it.policy.health else draw(st.sampled_from([COMPLETED, None])) for it in needs]
        edges = [
            Dependency(it.name, condition) if condition else Dependency(it.name)
            for it, condition in zip(needs, conditions, strict=True)
        ]
        health = HEALTH if draw(st.booleans()) else None
        archive = draw(st.sampled_from(["", "/a.tar", "/b.tar"]))
        replicas = draw(st.integers(1, 7))
        services.append(service(f"s{number}", *edges, health=health, archive=archive, replicas=replicas))
    desired = project(*services)
    names = [spec.name for it in services for spec in it.containers]
    times = st.integers(0, 3 * S)
    healthy = {spec.name for it in services if it.policy.health for spec in it.containers}
    world = World(
        ready={name: draw(times) for name in sorted(healthy)},
        runs={name: draw(times) for name in names if name not in healthy},
        fails=frozenset(draw(st.lists(st.sampled_from(names), max_size=2))),
        unpack=draw(times),
        stop=draw(times),
    )
    until = draw(st.none() | st.integers(0, 6 * S))
    observed = running(desired, **{it.name: ContainerState.EXITED for it in services if draw(st.booleans())})
    force = draw(st.booleans())
    return desired, walked(desired, world, observed=observed, until=until, wait=draw(st.booleans()), force=force)


@given(starts())
def test_whatever_the_project_the_parts_fit_together(start: tuple[Desired, Walk]) -> None:
    desired, walk = start
    found = analyze(walk, desired, summary=False, now_ns=None if walk.finished else walk.last_ns + S)
    for it in found.rows:
        assert all(piece.ended_ns == following.began_ns for piece, following in pairwise(it.spans)), it
        assert all(PLANNED <= piece.began_ns < piece.ended_ns <= found.timeline.horizon_ns for piece in it.spans), it
    for left, right in pairwise(found.chain):
        assert left.ended_ns == right.began_ns
        assert left.step.number in right.step.after
    if found.chain:
        assert found.chain[0].began_ns == PLANNED
    steps = Steps(walk, until_ns=found.timeline.now_ns)
    for link in found.chain:
        assert 0 <= saved_ns(steps, link.step.number, cut_ns=link.took_ns) <= link.took_ns
    if walk.finished and not any(taken.outcome is not Outcome.DONE for taken in walk.steps) and found.chain:
        assert found.chain[-1].ended_ns == walk.finished.at_ns


# ---- the pieces it is made from ---------------------------------------------------------------------------------


def test_probes_are_counted_with_the_moments_that_tell_of_lost_time() -> None:
    health = Health()
    for code, began, ended in ((1, 5, 6), (1, 10, 14), (0, 30, 33)):
        health = record(health, Probe(code, began * MS, ended * MS), check=HEALTH)
    assert (health.probes, health.first_ns, health.failed_ns, health.ended_ns) == (3, 5 * MS, 14 * MS, 33 * MS)


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (0, "0 ms"),
        (83_400_000, "83 ms"),
        (999_400_000, "999 ms"),
        (999_600_000, "1.00 s"),
        (4_834_000_000, "4.83 s"),
        (59_999_000_000, "1 min 0 s"),
        (65_000_000_000, "1 min 5 s"),
    ],
)
def test_durations_read_well(ns: int, words: str) -> None:
    assert span(ns) == words


def test_durations_of_files_can_be_written_there() -> None:
    assert (written(500 * MS), written(5 * S), written(1500 * MS)) == ("500ms", "5s", "1500ms")
