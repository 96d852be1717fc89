"""Waiting until containers meet a condition, and the words for why one never will."""

from __future__ import annotations

import anyio

from composer import errors
from composer.planner.life import Phase
from composer.planner.observed import HealthStatus
from composer.planner.plan import AwaitService
from composer.spec.desired import Condition
from composer.store.records import ContainerRecord, ProbeResult
from composer.supervisor.keeper import Keeper

_QUOTED = 500  # characters of a probe's output
_UP = frozenset((Phase.POST_START, Phase.RUNNING, Phase.PAUSED))


async def wait_for_service(action: AwaitService, keepers: list[Keeper]) -> None:
    """Wait until all replicas meet the condition. Raises DependencyFailed naming the first that cannot."""
    async with anyio.create_task_group() as group:
        failures: list[str] = []
        for keeper in keepers:
            group.start_soon(_wait_for, keeper, action, failures, group.cancel_scope)
    if failures:
        raise errors.DependencyFailed(failures[0])


async def _wait_for(keeper: Keeper, action: AwaitService, failures: list[str], scope: anyio.CancelScope) -> None:
    with keeper.interest:
        verdict = await keeper.changes.wait_for(lambda: judge(keeper, action.condition))
    if verdict:
        failures.append(f"{action.service} {verdict}")
        scope.cancel()


def judge(keeper: Keeper, condition: Condition) -> str | None:
    """ "" when the condition is met, why it never will be, None while that is open."""
    match condition:
        case Condition.STARTED:
            return _judge_started(keeper)
        case Condition.HEALTHY:
            return _judge_healthy(keeper)
        case Condition.COMPLETED:
            return _judge_completed(keeper)


def _judge_started(keeper: Keeper) -> str | None:
    if keeper.life.phase in _UP:
        return ""
    return _ended(keeper.record) if keeper.is_at_rest else None


def _judge_healthy(keeper: Keeper) -> str | None:
    if keeper.is_at_rest:
        return _ended(keeper.record)
    health = keeper.record.health
    if keeper.record.policy.health is None:
        return "has no health check"
    if health is None or keeper.life.phase not in _UP:
        return None
    if health.status is HealthStatus.UNHEALTHY:
        return f"is unhealthy: {last_words(health.log)}"
    return "" if health.status is HealthStatus.HEALTHY else None


def _judge_completed(keeper: Keeper) -> str | None:
    if not keeper.is_at_rest or keeper.record.started_ns == 0:
        return None
    return "" if keeper.record.exit_code == 0 else _ended(keeper.record)


def _ended(record: ContainerRecord) -> str:
    if record.error:
        return f"could not be started: {record.error}"
    if record.exit_code is None:
        return f"has ended, nobody knows how (container {record.spec.name})"
    why = ", killed for want of memory" if record.oom_killed else ""
    return f"exited with status {record.exit_code}{why} (container {record.spec.name})"


def last_words(log: tuple[ProbeResult, ...]) -> str:
    """What the last probe said: "its health check exited with status 1: connection refused"."""
    if not log:
        return "its health check has not said why"
    last = log[-1]
    text = last.output.strip()
    if last.exit_code < 0:
        return text
    return f"its health check exited with status {last.exit_code}" + (f": {text[-_QUOTED:]}" if text else "")
