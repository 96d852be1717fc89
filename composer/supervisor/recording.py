"""Writes down how a plan is walked, while it is: see planner.walk.

It listens to what the executor tells the client and to the events. It must not be in the way: what cannot be written is
left out, with one line in the log.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from composer import errors
from composer.control.messages import Answer, StepDone, StepFailed, StepStarted
from composer.control.server import Session
from composer.frozen import frozen, replace
from composer.linux.identity import monotonic_start_ns
from composer.log import Log
from composer.planner import walk
from composer.planner.health import Health
from composer.planner.observed import Observed
from composer.planner.plan import Plan
from composer.planner.walk import Begun, Entry, Finished, Outcome, Probing, Taken
from composer.store import walks
from composer.store.events import Event
from composer.store.paths import ProjectPaths
from composer.store.walks import WalkLog
from composer.supervisor.launcher_link import LauncherLink

HealthOf = Callable[[str], Health | None]  # of a container, by name


@frozen
class Arrival:
    """A request for a start, and when it came this far. By the monotonic clock, in nanoseconds."""

    operation: str
    client: str
    asked_ns: int
    received_ns: int
    turn_ns: int = 0

    @classmethod
    def of(cls, session: Session, operation: object) -> Arrival:
        """It has just come."""
        now = time.monotonic_ns()
        asked_ns = session.asked_ns if 0 < session.asked_ns <= now else now
        return cls(type(operation).__name__.lower(), session.client, asked_ns, now)

    def has_turn(self) -> Arrival:
        """It has waited for others."""
        return replace(self, turn_ns=time.monotonic_ns())


class Recording:
    """One walk, as it is written down."""

    def __init__(self, zero_ns: int, *, file: WalkLog | None, health_of: HealthOf, log: Log) -> None:
        self._zero_ns = zero_ns
        self._file = file
        self._health_of = health_of
        self._log = log
        self._began: dict[int, int] = {}  # step → when

    def told(self, answer: Answer) -> None:
        """The executor has said how far it is."""
        match answer:
            case StepStarted(number):
                self._began[number] = self._now_ns()
            case StepDone(number, note):
                self._over(number, Outcome.DONE, note)
            case StepFailed(number, message, skipped):
                self._over(number, Outcome.LEFT_OUT if skipped else Outcome.FAILED, message)

    def happened(self, event: Event) -> None:
        """An event of the project."""
        if not walks.is_told(event):
            return
        at_ns = self._now_ns()
        moment = walks.moment_of(event, at_ns=at_ns)
        health = self._health_of(event.name) if event.action.startswith("health_status") else None
        self._write(replace(moment, probing=_probing(health, at_ns)) if health is not None else moment)

    def finished(self, error: str) -> None:
        """The walk is over."""
        self._write(Finished(self._now_ns(), time.time_ns(), error))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _over(self, number: int, outcome: Outcome, note: str) -> None:
        now = self._now_ns()
        self._write(Taken(number, self._began.pop(number, now), now, outcome, note))

    def _write(self, entry: Entry) -> None:
        if self._file is None:
            return
        try:
            self._file.append(entry)
        except OSError as error:
            self._log.warning("cannot write down how the start goes", why=str(error))
            self.close()

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._zero_ns


@contextmanager
def recording(
    paths: ProjectPaths,
    arrival: Arrival,
    *,
    plan: Plan,
    observed: Observed,
    health_of: HealthOf,
    link: LauncherLink,
    log: Log,
) -> Iterator[Recording]:
    """Write down how the body walks a plan. It has no end where the launcher is gone: then the next supervisor is
    asked to go on.
    """
    zero_ns, now_ns = arrival.asked_ns, time.monotonic_ns()
    begun = Begun(
        operation=arrival.operation,
        client=arrival.client,
        asked_ns=time.time_ns() - (now_ns - zero_ns),
        received_ns=arrival.received_ns - zero_ns,
        turn_ns=arrival.turn_ns - zero_ns,
        planned_ns=now_ns - zero_ns,
        awoken_ns=max(0, monotonic_start_ns(os.getpid()) - zero_ns),
        plan=plan,
        unchanged=walk.unchanged(plan, observed),
    )
    try:
        resumed = walks.is_resumed(paths, client=arrival.client)
        file = WalkLog(paths, replace(begun, resumed=resumed))
    except OSError as error:
        log.warning("cannot write down how the start goes", why=str(error))
        file = None
    record = Recording(zero_ns, file=file, health_of=health_of, log=log)
    why = "it was interrupted"
    try:
        yield record
        why = ""
    except errors.PycomposeError as error:
        why = error.message
        raise
    finally:
        if not link.is_gone:
            record.finished(why)
        record.close()


def _probing(health: Health, at_ns: int) -> Probing:
    """The probes up to now: what planner.health has as ages of the container, its last probe having just ended."""
    born_ns = at_ns - health.ended_ns
    return Probing(
        probes=health.probes,
        first_ns=born_ns + health.first_ns,
        failed_ns=born_ns + health.failed_ns if health.failed_ns else 0,
        last_ns=at_ns - health.took_ns,
    )
