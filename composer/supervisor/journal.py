"""What is written down about one container: its record, its events, lines of ours in its log.

Every method takes one thing that has happened; the record is saved at each change. The events that a change makes
are part of the record and published after it is saved: who takes over from a supervisor that was killed between the
two publishes what is missing, and nothing twice.
"""

from __future__ import annotations

import time

from composer import errors
from composer.frozen import replace
from composer.log import Log
from composer.planner.health import Health
from composer.planner.life import After, Life
from composer.planner.observed import HealthStatus, State
from composer.runtime import births
from composer.store import records
from composer.store.events import Event
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord
from composer.supervisor.bus import Bus
from composer.supervisor.prober import Probed
from composer.supervisor.run import End, Run

_KEPT_PROBES = 5  # as Docker
_NS = 1_000_000_000


class Journal:
    """The record of one container, and who is told about it."""

    def __init__(
        self,
        record: ContainerRecord,
        *,
        paths: ProjectPaths,
        boot_id: str,
        bus: Bus,
        log: Log,
        story: tuple[Event, ...] = (),
    ) -> None:
        """`story` goes with a change of `record` that is not saved yet."""
        self.record = record
        self._story = list(story)
        self._paths = paths
        self._boot_id = boot_id
        self._bus = bus
        self._log = log
        self._is_saved = not story

    # ---- its life -----------------------------------------------------------------------------------------------

    def created(self) -> None:
        """It is new."""
        self._tell("create")
        self._save()

    def lives(self, life: Life) -> None:
        """The machine has moved on."""
        self._change(
            state=life.state,
            restart_count=life.restarts,
            delay_ns=life.delay_ns,
            manually_stopped=life.manually_stopped,
        )

    def began(self, run: Run) -> None:
        """It has a process."""
        check = self.record.policy.health
        self._story.append(started(self.record))
        self._change(
            state=State.RUNNING,
            boot_id=self._boot_id,
            pid=run.child.pid,
            start_time=run.child.start_time,
            cgroup=run.cgroup.directories,
            attachments=run.attachments,
            ports=run.ports,
            started_ns=time.time_ns(),
            exit_code=None,
            oom_killed=False,
            earlier_oom_kills=self.record.oom_kills,
            error="",
            health=records.Health() if check else None,
        )
        self._forget_birth()

    def adopted(self, run: Run) -> None:
        """It has a process that a supervisor before this one has started, and perhaps not lived to write down."""
        if (self.record.pid, self.record.start_time) != (run.child.pid, run.child.start_time):
            self.began(run)
        else:
            self._forget_birth()

    def _forget_birth(self) -> None:
        if self._is_saved:  # else the birth is all there is
            births.forget(self._paths.state(self.record.spec.name))

    def could_not_begin(self, error: errors.PycomposeError) -> None:
        """It could not be started."""
        self._log.warning("cannot start", why=error.message)
        self._change(error=error.message, exit_code=error.exit_status, finished_ns=time.time_ns())

    def ended(self, run: Run, end: End, life: Life) -> None:
        """Its process has ended while `life` was as it was; `lives` follows and saves."""
        if end.oom_kills is not None:
            self.out_of_memory(run, end.oom_kills)
        if end.oom_killed:
            run.pump.notice(f"killed: out of memory{self._memory_limit()}")
        self.record = replace(
            self.record,
            pid=0,
            start_time=0,
            ended=(run.child.pid, run.child.start_time),
            cgroup=(),
            finished_ns=end.finished_ns or time.time_ns(),
            exit_code=end.exit_code,
            oom_killed=end.oom_killed,
        )
        code = "unknown" if end.exit_code is None else str(end.exit_code)
        self._tell("die", exitCode=code, execDuration=str(run.age_ns() // _NS))
        if life.after is After.RELAUNCH or (life.after is After.REST and life.manually_stopped):
            self._tell("stop")

    def out_of_memory(self, run: Run, kills: int) -> None:
        """The kernel has killed processes of this run, so many by now."""
        new = self.record.earlier_oom_kills + kills - self.record.oom_kills
        if new <= 0:
            return
        self._tell("oom")
        self._change(oom_kills=self.record.oom_kills + new)
        run.pump.notice(f"a process was killed: out of memory{self._memory_limit()}")

    def _memory_limit(self) -> str:
        limit = self.record.spec.resources.memory
        return f" (limit {_size(limit)})" if limit else ""

    def removing(self) -> None:
        """It is about to go: what a crash leaves of it is no container any more."""
        self._change(state=State.REMOVING)

    def removed(self) -> None:
        """It goes, and its record as the last of it. Raises OSError."""
        story = (happened(self.record, "destroy"),)
        self._write(story)
        records.put_away(self._paths, self.record.spec.name)
        self._publish(story)

    # ---- its health ---------------------------------------------------------------------------------------------

    def probed(self, probed: Probed, *, before: Health) -> None:
        """A probe has ended."""
        known = self.record.health or records.Health()
        kept = (*known.log, probed.result)[-_KEPT_PROBES:] if probed.counted else known.log
        health = records.Health(probed.health.status, probed.health.failing_streak, kept)
        if probed.health.status is not before.status:
            self._tell(f"health_status: {probed.health.status.value}")
        self._change(health=health)

    @property
    def health(self) -> Health:
        """Its health as planner.health counts it, from what is written down."""
        known = self.record.health
        if known is None:
            return Health(status=HealthStatus.NONE)
        return Health(status=known.status, failing_streak=known.failing_streak)

    # ---- writing ------------------------------------------------------------------------------------------------

    def publish(self, action: str, **attributes: str) -> None:
        """Tell that something happened which changes nothing in the record."""
        self._bus.publish(happened(self.record, action, **attributes))

    def _tell(self, action: str, **attributes: str) -> None:
        """Something happened; it is published with the change that follows."""
        self._story.append(happened(self.record, action, **attributes))

    def _change(self, **fields: object) -> None:
        changed = replace(self.record, **fields)  # type: ignore[arg-type]  # names and types are those of the callers above
        if changed != self.record or self._story:
            self.record = changed
            self._save()

    def _save(self) -> None:
        story, self._story = tuple(self._story), []
        self._write(story)
        self._publish(story)

    def _write(self, story: tuple[Event, ...]) -> None:
        self.record = replace(self.record, story=story, story_at=self._bus.position())
        try:
            records.save(self._paths, self.record)
        except OSError as error:  # supervision goes on; what is on disk is older than the truth, and checked by readers
            self._log.error("cannot save record", why=str(error))
            self._is_saved = False
        else:
            self._is_saved = True

    def _publish(self, story: tuple[Event, ...]) -> None:
        for event in story:
            self._bus.publish(event)


def started(record: ContainerRecord) -> Event:
    """This container has a process, now."""
    count = record.restart_count
    return happened(record, "start", **({"restarts": str(count)} if count else {}))


def happened(record: ContainerRecord, action: str, **attributes: str) -> Event:
    """An event of this container, now."""
    named = {"name": record.spec.name, **attributes}
    return Event(time.time_ns(), action, record.id, record.spec.service, tuple(named.items()))


def _size(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"
