"""A container's state in docker's words: "Up 3 seconds (healthy)", "Exited (137) 2 minutes ago, out of memory"."""

from __future__ import annotations

from composer.cli.render import human
from composer.linux.identity import age_ns
from composer.planner.observed import HealthStatus, State
from composer.store.records import ContainerRecord


def status(record: ContainerRecord, *, now_ns: int) -> str:
    """The STATUS column of `ps`. How long it is up is told by a clock that is never set."""
    match record.state:
        case State.RUNNING | State.PAUSED:
            return f"Up {human.duration(age_ns(record.start_time) / 1e9)}{_remark(record)}"
        case State.RESTARTING:
            return f"Restarting ({_code(record)}) {human.since(record.finished_ns, now_ns=now_ns)} ago{_memory(record)}"
        case State.EXITED:
            ago = f" {human.since(record.finished_ns, now_ns=now_ns)} ago" if record.finished_ns else ""
            return f"Exited ({_code(record)}){ago}{_memory(record)}"
        case State.REMOVING:
            return "Removal In Progress"
        case State.CREATED | State.DEAD:
            return str(record.state.value).capitalize()


def health(record: ContainerRecord) -> str:
    """starting, healthy, unhealthy; "" without a health check."""
    if record.health is None or record.health.status is HealthStatus.NONE:
        return ""
    return str(record.health.status.value)


def _remark(record: ContainerRecord) -> str:
    if record.state is State.PAUSED:
        return " (Paused)"
    known = health(record)
    if not known:
        return ""
    return " (health: starting)" if known == "starting" else f" ({known})"


def _code(record: ContainerRecord) -> str:
    return "unknown" if record.exit_code is None else str(record.exit_code)


def _memory(record: ContainerRecord) -> str:
    return ", out of memory" if record.oom_killed else ""
