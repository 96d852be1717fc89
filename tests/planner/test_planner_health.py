"""Health: Docker's counting, and probes ahead of Docker's schedule for those who wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from composer.planner.health import Health, Probe, begin, next_delay_ns, record, resume, timeout_ns
from composer.planner.observed import HealthStatus
from composer.spec.policy import HealthCheck

MS = 1_000_000
S = 1000 * MS
CHECK = HealthCheck(("true",), interval_ns=3 * S, timeout_ns=5 * S, retries=3)
PATIENT = HealthCheck(("true",), interval_ns=30 * S, start_period_ns=10 * S, start_interval_ns=2 * S, retries=2)


def probes(check: HealthCheck, codes: list[int], *, waited_for: bool = False, took_ns: int = MS) -> list[Health]:
    """The health after each of these results, each probe made when the machine says."""
    health, age, found = begin(check), 0, []
    for code in codes:
        began = age + next_delay_ns(health, check=check, age_ns=age, waited_for=waited_for)
        age = began + took_ns
        health = record(health, Probe(code, began, age), check=check)
        found.append(health)
    return found


def statuses(check: HealthCheck, codes: list[int]) -> list[tuple[str, int]]:
    return [(health.status.value, health.failing_streak) for health in probes(check, codes)]


def test_one_success_is_enough_and_retries_failures_in_a_row_are_too_many() -> None:
    assert statuses(CHECK, [1, 0, 1, 1, 0, 1, 1, 1, 0]) == [
        ("starting", 1),
        ("healthy", 0),
        ("healthy", 1),
        ("healthy", 2),
        ("healthy", 0),
        ("healthy", 1),
        ("healthy", 2),
        ("unhealthy", 3),
        ("healthy", 0),
    ]


def test_a_container_that_is_never_ready_turns_unhealthy() -> None:
    assert statuses(CHECK, [1, -1, 2])[-1] == ("unhealthy", 3)


def test_failures_of_the_start_period_do_not_count() -> None:
    assert statuses(PATIENT, [1] * 7) == [("starting", 0)] * 4 + [("starting", 1), ("unhealthy", 2), ("unhealthy", 3)]


def test_a_success_ends_the_start_period() -> None:
    assert statuses(PATIENT, [1, 0, 1]) == [("starting", 0), ("healthy", 0), ("healthy", 1)]


def test_the_schedule_is_dockers_where_nobody_waits() -> None:
    assert next_delay_ns(begin(CHECK), check=CHECK, age_ns=0) == 3 * S
    assert next_delay_ns(begin(PATIENT), check=PATIENT, age_ns=0) == 2 * S
    (after,) = probes(PATIENT, [0])
    assert next_delay_ns(after, check=PATIENT, age_ns=2 * S + MS) == 30 * S
    assert next_delay_ns(after, check=PATIENT, age_ns=90 * S) == 0


def test_who_is_waited_for_is_probed_at_once_and_then_ever_more_rarely() -> None:
    health, age, begun = begin(CHECK), 0, []
    while age < 6 * S:
        age += next_delay_ns(health, check=CHECK, age_ns=age, waited_for=True)
        begun.append(age // MS)
        health = record(health, Probe(1, age, age + MS), check=CHECK)
        age += MS
    assert begun[:8] == [0, 6, 17, 38, 79, 160, 321, 642]
    assert 3000 in begun, "never later than Docker would"
    assert begun[-1] == 6001
    assert health.failing_streak == 2


def test_a_slow_probe_takes_at_most_half_of_the_time() -> None:
    health = record(begin(CHECK), Probe(1, 0, 400 * MS), check=CHECK)
    assert next_delay_ns(health, check=CHECK, age_ns=400 * MS, waited_for=True) == 400 * MS


def test_an_impatient_waiter_does_not_use_up_the_retries() -> None:
    assert [health.failing_streak for health in probes(CHECK, [1] * 9, waited_for=True)] == [0] * 9


def test_an_early_success_counts() -> None:
    (health,) = probes(CHECK, [0], waited_for=True)
    assert health.status is HealthStatus.HEALTHY
    assert next_delay_ns(health, check=CHECK, age_ns=MS, waited_for=True) == 3 * S


def test_an_early_probe_that_hangs_makes_way_for_the_regular_one() -> None:
    assert timeout_ns(begin(CHECK), check=CHECK, began_ns=0) == 3 * S
    assert timeout_ns(begin(CHECK), check=CHECK, began_ns=3 * S) == 5 * S


def test_the_healthy_are_not_hurried() -> None:
    health = Health(status=HealthStatus.HEALTHY, scheduled_ns=10 * S)
    assert next_delay_ns(health, check=CHECK, age_ns=11 * S, waited_for=True) == 2 * S


def test_after_a_break_the_next_probe_is_an_interval_away() -> None:
    health = resume(Health(status=HealthStatus.HEALTHY), age_ns=100 * S)
    assert next_delay_ns(health, check=CHECK, age_ns=100 * S) == 3 * S


def test_without_a_check_there_is_no_health() -> None:
    assert begin(None).status is HealthStatus.NONE


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.booleans(), st.integers(0, 4 * S)), max_size=40))
def test_waiting_never_makes_a_container_unhealthy_sooner(results: list[tuple[int, bool, int]]) -> None:
    """However it is probed, `retries` failures need as many intervals, and no two probes overlap."""
    health, age, last_good = begin(CHECK), 0, 0
    for code, waited_for, took in results:
        delay = next_delay_ns(health, check=CHECK, age_ns=age, waited_for=waited_for)
        assert 0 <= delay <= CHECK.interval_ns
        began, age = age + delay, age + delay + took
        health = record(health, Probe(code, began, age), check=CHECK)
        last_good = age if code == 0 else last_good
        if health.status is HealthStatus.UNHEALTHY:
            assert began - last_good >= CHECK.retries * (CHECK.interval_ns - MS)
