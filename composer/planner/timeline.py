"""From how a plan was walked to what each container was doing when: rows of spans, for people to look at.

A container waits (for dependencies, networks, volumes), its predecessor is stopped, its root file system is unpacked,
it is launched, its post_start hooks run, it is probed, and then it is what it was to become. What it does once the walk
is over and it has settled is no part of its start any more: later restarts are not told.
"""

from __future__ import annotations

from itertools import pairwise

from composer.enums import Enum
from composer.frozen import frozen, replace
from composer.hints import Collection, Iterable, Iterator
from composer.planner.plan import (
    PrepareRootfs,
    RemoveContainer,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
    UnpauseContainer,
    named_container,
)
from composer.planner.walk import Moment, Outcome, Taken, Walk
from composer.spec.desired import Desired
from composer.spec.policy import Policy


class Phase(Enum):
    """What a container does, in the order in which it usually happens."""

    WAITING = "waiting"
    STOPPING = "stopping"  # its predecessor is stopped and removed
    UNPACKING = "unpacking"
    LAUNCHING = "launching"
    HOOKS = "hooks"  # post_start
    PROBING = "probing"
    RESTARTING = "restarting"  # it has ended, and will be launched again
    RUNNING = "running"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Standing(Enum):
    """How far a container has come."""

    UNCHANGED = "unchanged"  # it ran already
    WAITING = "waiting"
    LAUNCHING = "launching"
    PROBING = "probing"
    RESTARTING = "restarting"
    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"
    UNHEALTHY = "unhealthy"
    EXITED = "exited"
    FAILED = "failed"
    NOT_STARTED = "not started"


class State(Enum):
    """How far the whole start has come."""

    DONE = "done"
    FAILED = "failed"
    UNDER_WAY = "under way"
    ABANDONED = "abandoned"  # the supervisor was killed in the midst of it


@frozen
class Span:
    """One phase of one container, in nanoseconds since the start was asked for."""

    phase: Phase
    began_ns: int
    ended_ns: int

    @property
    def took_ns(self) -> int:
        return self.ended_ns - self.began_ns


@frozen
class Row:
    """One container, or several of one service that a person need not see one by one."""

    name: str
    service: str
    standing: Standing
    spans: tuple[Span, ...] = ()
    settled_ns: int | None = None  # since when that is how it stands
    restarts: int = 0  # automatic ones, during the start
    note: str = ""  # why it failed
    replicas: int = 1

    def took_ns(self, phase: Phase) -> int:
        """How long it was in a phase, all spans together."""
        return sum(span.took_ns for span in self.spans if span.phase is phase)


@frozen
class Timeline:
    """A whole start. `walk.begun` has what went before the plan."""

    project: str
    walk: Walk
    state: State
    rows: tuple[Row, ...]
    now_ns: int  # the end of the walk, or how far it is
    horizon_ns: int  # the end of all there is to show


def timeline(walk: Walk, desired: Desired, *, now_ns: int | None = None) -> Timeline:
    """What each container did. `now_ns` is how late it is where the walk is still under way, None where it is not."""
    until_ns = walk.last_ns if walk.finished is not None or now_ns is None else max(now_ns, walk.last_ns)
    steps = Steps(walk, until_ns=until_ns)
    policies = {spec.name: service.policy for service in desired.services for spec in service.containers}
    services = {spec.name: service.name for service in desired.services for spec in service.containers}
    changed = [
        _row(steps, step, service=services.get(step.action.container, ""), policy=policies.get(step.action.container))
        for step in walk.begun.plan.steps
        if isinstance(step.action, StartContainer | RestartContainer | UnpauseContainer)
    ]
    changed.sort(key=lambda row: (_began_ns(row), row.service, len(row.name), row.name))
    places = {name: place for place, name in enumerate(services)}
    left = [
        Row(name, services.get(name, ""), Standing.UNCHANGED)
        for name in sorted(walk.begun.unchanged, key=lambda name: places.get(name, len(places)))
    ]
    ends = [span.ended_ns for row in changed for span in row.spans]
    horizon_ns = max([until_ns, *ends])
    rows = (*(_prolonged(row, horizon_ns) for row in changed), *left)
    return Timeline(desired.project, walk, _state(walk, now_ns), rows, until_ns, horizon_ns)


def _state(walk: Walk, now_ns: int | None) -> State:
    if walk.finished is not None:
        return State.FAILED if walk.finished.error else State.DONE
    return State.ABANDONED if now_ns is None else State.UNDER_WAY


def _began_ns(row: Row) -> int:
    """When it was launched; who was not comes last."""
    return next((span.began_ns for span in row.spans if span.phase is Phase.LAUNCHING), 1 << 62)


_LASTING = {
    Standing.STARTED: Phase.RUNNING,
    Standing.HEALTHY: Phase.HEALTHY,
    Standing.UNHEALTHY: Phase.UNHEALTHY,
}


def _prolonged(row: Row, horizon_ns: int) -> Row:
    """What it has become, it is to the end of what is shown."""
    phase = _LASTING.get(row.standing)
    if phase is None or row.settled_ns is None:
        return row
    return replace(row, spans=(*row.spans, *_span(phase, row.settled_ns, horizon_ns)))


# ---- steps ------------------------------------------------------------------------------------------------------


class Steps:
    """When each step of a walk began and ended, those under way included, which have not ended before `until_ns`."""

    def __init__(self, walk: Walk, *, until_ns: int) -> None:
        self.walk = walk
        self.until_ns = until_ns
        self.all = {step.number: step for step in walk.begun.plan.steps}
        self.over = {taken.number: taken for taken in walk.steps}
        self.moments: dict[str, list[Moment]] = {}  # by container
        for moment in walk.moments:
            self.moments.setdefault(moment.container, []).append(moment)

    def under_way(self, number: int) -> bool:
        """Whether it has begun and not ended: the executor begins a step as soon as all it waits for is over."""
        if number in self.over or self.walk.finished is not None:
            return False
        before = [self.over.get(it) for it in self.all[number].after]
        return all(taken is not None and taken.outcome is Outcome.DONE for taken in before)

    def began_ns(self, number: int) -> int | None:
        """None where it has not."""
        if (taken := self.over.get(number)) is not None:
            return taken.began_ns
        if not self.under_way(number):
            return None
        return max([self.walk.begun.planned_ns, *(self.over[it].ended_ns for it in self.all[number].after)])

    def ended_ns(self, number: int) -> int | None:
        """None where it has not begun."""
        if (taken := self.over.get(number)) is not None:
            return taken.ended_ns
        return self.until_ns if self.under_way(number) else None


# ---- one container ----------------------------------------------------------------------------------------------


def _row(steps: Steps, step: Step, *, service: str, policy: Policy | None) -> Row:
    name = named_container(step.action)
    taken = steps.over.get(step.number)
    began_ns = steps.began_ns(step.number)
    waited = tuple(_before(steps, step, until_ns=steps.until_ns if began_ns is None else began_ns))
    if taken is not None and taken.outcome is Outcome.LEFT_OUT:
        return Row(name, service, Standing.NOT_STARTED, waited, taken.ended_ns, note=taken.note)
    if began_ns is None:
        going = steps.walk.finished is None
        return Row(name, service, Standing.WAITING if going else Standing.NOT_STARTED, waited)
    life = _Life(steps, policy=policy or Policy())
    return life.row(Row(name, service, Standing.LAUNCHING, waited), taken, began_ns=began_ns)


def _before(steps: Steps, step: Step, *, until_ns: int) -> Iterator[Span]:
    """What kept a container waiting, from the plan until it could be launched."""
    planned_ns = steps.walk.begun.planned_ns
    own = named_container(step.action)
    spans: list[Span] = []
    for number in _all_before(steps, step):
        action = steps.all[number].action
        phase = Phase.WAITING
        if isinstance(action, StopContainer | RemoveContainer) and action.container == own:
            phase = Phase.STOPPING
        elif isinstance(action, PrepareRootfs):
            phase = Phase.UNPACKING
        began_ns, ended_ns = steps.began_ns(number), steps.ended_ns(number)
        if phase is not Phase.WAITING and began_ns is not None and ended_ns is not None:
            spans += _span(phase, began_ns, min(ended_ns, until_ns))
    yield from _painted(spans, planned_ns, until_ns)


def _all_before(steps: Steps, step: Step) -> Iterable[int]:
    """What a step waits for, and what of that is about its own container."""
    own = named_container(step.action)
    found = set(step.after)
    waiting = list(step.after)
    while waiting:
        action, after = steps.all[(number := waiting.pop())].action, steps.all[number].after
        if named_container(action) == own:
            waiting += set(after) - found
            found.update(after)
    return sorted(found)


def _painted(spans: list[Span], began_ns: int, ended_ns: int) -> Iterator[Span]:
    """The time between, cut where a phase begins or ends; nothing else to do is waiting, to stop comes first."""
    cuts = sorted({began_ns, ended_ns, *(span.began_ns for span in spans), *(span.ended_ns for span in spans)})
    painted: list[Span] = []
    for left, right in pairwise(cuts):
        if left < began_ns or right > ended_ns:
            continue
        there = {span.phase for span in spans if span.began_ns <= left and right <= span.ended_ns}
        phase = next((it for it in (Phase.STOPPING, Phase.UNPACKING) if it in there), Phase.WAITING)
        if painted and painted[-1].phase is phase:
            painted[-1] = replace(painted[-1], ended_ns=right)
        else:
            painted.append(Span(phase, left, right))
    yield from painted


class _Life:
    """A container from its launch on."""

    def __init__(self, steps: Steps, *, policy: Policy) -> None:
        self._steps = steps
        self._policy = policy
        self._spans: list[Span] = []

    def row(self, row: Row, taken: Taken | None, *, began_ns: int) -> Row:
        """The row that begins with what it has waited for."""
        moments = [it for it in self._steps.moments.get(row.name, ()) if it.at_ns >= began_ns]
        first = next((number for number, moment in enumerate(moments) if moment.action == "start"), None)
        if taken is not None and taken.outcome is Outcome.FAILED and first is None:
            spans = (*row.spans, *_span(Phase.LAUNCHING, began_ns, taken.ended_ns))
            return replace(row, standing=Standing.FAILED, spans=spans, settled_ns=taken.ended_ns, note=taken.note)
        if first is None and taken is None:
            return replace(row, spans=(*row.spans, *_span(Phase.LAUNCHING, began_ns, self._steps.until_ns)))
        started_ns = moments[first].at_ns if first is not None else began_ns  # else it was only unpaused
        self._spans += _span(Phase.LAUNCHING, began_ns, started_ns)
        at_ns = self._after_hooks(taken, started_ns)
        lived = self._live(row, moments[first + 1 :] if first is not None else moments, at_ns=at_ns)
        lived = replace(lived, spans=(*row.spans, *self._spans))
        if taken is not None and taken.outcome is Outcome.FAILED:  # a hook of it has
            return replace(lived, standing=Standing.FAILED, settled_ns=taken.ended_ns, note=taken.note)
        return lived

    def _after_hooks(self, taken: Taken | None, started_ns: int) -> int:
        if not self._policy.post_start:
            return started_ns
        ended_ns = taken.ended_ns if taken is not None else self._steps.until_ns
        self._spans += _span(Phase.HOOKS, started_ns, ended_ns)
        return max(started_ns, ended_ns)

    def _live(self, row: Row, moments: list[Moment], *, at_ns: int) -> Row:
        """Go through what happened until it has settled; the spans of that are kept."""
        phase = Phase.PROBING if self._policy.health else Phase.RUNNING
        standing = Standing.PROBING if self._policy.health else Standing.STARTED
        settled_ns: int | None = None if self._policy.health else at_ns
        restarts, exit_code = 0, ""
        for moment in moments:
            is_later = moment.at_ns > self._steps.until_ns
            if is_later and phase is not Phase.PROBING:
                break  # the start is over, and it had settled
            self._spans += _span(phase, at_ns, moment.at_ns)
            at_ns = max(at_ns, moment.at_ns)
            if moment.action == "die":
                phase, exit_code = Phase.RESTARTING, moment.exit_code
                standing, settled_ns = (Standing.COMPLETED if exit_code == "0" else Standing.EXITED), at_ns
            elif moment.action == "start":
                restarts += 1
                phase = Phase.PROBING if self._policy.health else Phase.RUNNING
                standing = Standing.PROBING if self._policy.health else Standing.STARTED
                settled_ns = None if self._policy.health else at_ns
            else:
                phase = Phase.HEALTHY if moment.action.endswith(": healthy") else Phase.UNHEALTHY
                standing = Standing.HEALTHY if phase is Phase.HEALTHY else Standing.UNHEALTHY
                settled_ns = at_ns
            if is_later:
                break
        if phase is Phase.PROBING:
            self._spans += _span(phase, at_ns, self._steps.until_ns)
        note = f"exit code {exit_code}" if standing is Standing.EXITED else ""
        return replace(row, standing=standing, settled_ns=settled_ns, restarts=restarts, note=note)


def _span(phase: Phase, began_ns: int, ended_ns: int) -> tuple[Span, ...]:
    return (Span(phase, began_ns, ended_ns),) if ended_ns > began_ns else ()


# ---- many -------------------------------------------------------------------------------------------------------


def summarized(rows: Iterable[Row], *, above: int, critical: Collection[str] = ()) -> tuple[Row, ...]:
    """The rows, those of a service with more than `above` containers as one: that of the one that took longest, or is
    among the `critical`.

    Containers that stand otherwise than most of their service keep their rows.
    """
    by_service: dict[str, list[Row]] = {}
    for row in rows:
        by_service.setdefault(row.service, []).append(row)
    alike = {service: _alike(found) for service, found in by_service.items() if len(found) > above}
    shown: list[Row] = []
    for row in rows:
        others = alike.get(row.service, ())
        if not others or row.standing is not others[0].standing:
            shown.append(row)
        elif row is others[0]:
            slowest = max(others, key=lambda it: (it.name in critical, it.settled_ns or 0))
            shown.append(replace(slowest, replicas=len(others)))
    return tuple(shown)


def _alike(rows: list[Row]) -> list[Row]:
    """The most of them that stand alike."""
    return max(([row for row in rows if row.standing is standing] for standing in Standing), key=len)
