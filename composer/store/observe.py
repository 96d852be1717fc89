"""From records to what is: a record says what was true when it was written, the kernel says whether it still is.

A container runs if its record says so, in this boot, and a process with that pid and that start time is there.
"""

from __future__ import annotations

from composer.frozen import replace
from composer.hints import Mapping
from composer.linux.identity import start_time
from composer.planner.observed import HealthStatus, Observed, ObservedContainer, State
from composer.store import records
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord

_WITH_PROCESS = frozenset((State.RUNNING, State.PAUSED))


def observe(paths: ProjectPaths, *, layers: Mapping[str, str] | None = None) -> Observed:
    """A project as it is, without asking anybody. `layers` are digests of rootfs archives, where known.

    Raises OSError, and codec.DecodeError for a damaged record.
    """
    boot = boot_id()
    found = tuple(observed_container(as_it_is(record, boot=boot)) for record in records.load_all(paths))
    return Observed(found, layers=dict(layers or {}))


def observed_container(record: ContainerRecord) -> ObservedContainer:
    """What the planner wants to know of a container."""
    return ObservedContainer(
        name=record.spec.name,
        service=record.spec.service,
        number=record.spec.number,
        fingerprint=record.fingerprint,
        state=record.state,
        health=record.health.status if record.health else HealthStatus.NONE,
        exit_code=record.exit_code,
        oneoff=record.spec.oneoff,
        layer=record.layer,
        networks=tuple(endpoint.network for endpoint in record.spec.endpoints),
    )


def as_it_is(record: ContainerRecord, *, boot: str) -> ContainerRecord:
    """The record, corrected where its process has ended unseen: then it has exited, nobody knows how."""
    if record.state not in _WITH_PROCESS or is_alive(record, boot=boot):
        return record
    return replace(record, state=State.EXITED, pid=0, start_time=0, cgroup=(), exit_code=None)


def is_alive(record: ContainerRecord, *, boot: str) -> bool:
    """Whether the process of the record is there."""
    return record.pid != 0 and record.boot_id == boot and is_process(record.pid, record.start_time)


def is_process(pid: int, began: int) -> bool:
    """Whether the process that began then is there: the number alone may be another's by now."""
    try:
        return start_time(pid) == began
    except ProcessLookupError:
        return False


def is_kept_elsewhere(record: ContainerRecord, *, boot: str) -> bool:
    """Whether a foreground `run` looks after the container, and so no supervisor must."""
    keeper = replace(record, pid=record.keeper_pid, start_time=record.keeper_start_time)
    return is_alive(keeper, boot=boot)


def boot_id() -> str:
    """Names this boot of this kernel. Raises OSError."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
