"""Health as Docker counts it, and when to look next.

Docker probes for the first time after one interval. Here a service that somebody waits for is also probed ahead of
that schedule: at once, then after 5 ms, 10 ms, 20 ms and so on, never later than Docker would and never more than half
of the time. A probe ahead of schedule that succeeds counts; one that fails does not, else an impatient waiter would
use up the retries in milliseconds. So nothing turns unhealthy earlier than with Docker, and much turns healthy sooner.

All times are the container's age: nanoseconds since its process started, by a monotonic clock. Running the probe and
keeping its output are beyond this module.
"""

from __future__ import annotations

from composer.frozen import frozen, replace
from composer.planner.observed import HealthStatus
from composer.spec.policy import HealthCheck

FIRST_EXTRA_DELAY_NS = 5_000_000
SLACK_NS = 1_000_000  # a timer may fire this much early (the clock resolution of the event loop)


@frozen
class Health:
    """What the probes have said so far. A container that starts, starts with a fresh one."""

    status: HealthStatus = HealthStatus.STARTING
    failing_streak: int = 0
    scheduled_ns: int = 0  # when the last probe on Docker's schedule ended; 0: none yet
    extra: int = 0  # probes ahead of schedule
    took_ns: int = 0  # how long the last probe took
    probes: int = 0  # all of them
    first_ns: int = 0  # when the first one began
    ended_ns: int = 0  # when the last one ended
    failed_ns: int = 0  # when the last one ended that failed; 0: none has


@frozen
class Probe:
    """A finished probe. `exit_code` is -1 where it was killed at its timeout."""

    exit_code: int
    began_ns: int
    ended_ns: int


def begin(check: HealthCheck | None) -> Health:
    """The health of a container that has just started."""
    return Health() if check else Health(status=HealthStatus.NONE)


def record(health: Health, probe: Probe, *, check: HealthCheck) -> Health:
    """The health after a probe."""
    ahead = probe.began_ns < _due_ns(health, check) - SLACK_NS
    health = replace(
        health,
        took_ns=probe.ended_ns - probe.began_ns,
        extra=health.extra + ahead,
        probes=health.probes + 1,
        first_ns=health.first_ns if health.probes else probe.began_ns,
        ended_ns=probe.ended_ns,
    )
    if probe.exit_code == 0:
        return replace(health, status=HealthStatus.HEALTHY, failing_streak=0, scheduled_ns=probe.ended_ns)
    health = replace(health, failed_ns=probe.ended_ns)
    if ahead:
        return health
    health = replace(health, scheduled_ns=probe.ended_ns)
    if health.status is HealthStatus.STARTING and probe.began_ns < check.start_period_ns:
        return health
    streak = health.failing_streak + 1
    status = HealthStatus.UNHEALTHY if streak >= check.retries else health.status
    return replace(health, failing_streak=streak, status=status)


def next_delay_ns(health: Health, *, check: HealthCheck, age_ns: int, waited_for: bool = False) -> int:
    """How long to wait, at this age, before the next probe. Ask again when somebody begins to wait."""
    regular = max(0, _due_ns(health, check) - age_ns)
    if not waited_for or health.status is not HealthStatus.STARTING:
        return regular
    return min(regular, _extra_delay_ns(health))


def timeout_ns(health: Health, *, check: HealthCheck, began_ns: int) -> int:
    """How long a probe may take that begins at this age: one ahead of schedule makes way for the regular one."""
    left = _due_ns(health, check) - began_ns
    return min(check.timeout_ns, left) if left > SLACK_NS else check.timeout_ns


def resume(health: Health, *, age_ns: int) -> Health:
    """The health when probing goes on after a break (a pause, a new supervisor): the next probe is an interval away."""
    return replace(health, scheduled_ns=age_ns)


def _due_ns(health: Health, check: HealthCheck) -> int:
    """When Docker would probe next: one interval after the end of the last scheduled probe, or after the start."""
    in_start_period = health.status is HealthStatus.STARTING and health.scheduled_ns < check.start_period_ns
    return health.scheduled_ns + (check.start_interval_ns if in_start_period else check.interval_ns)


def _extra_delay_ns(health: Health) -> int:
    if health.extra == 0:
        return 0
    doubled: int = FIRST_EXTRA_DELAY_NS << min(health.extra - 1, 40)
    return max(doubled, health.took_ns)
