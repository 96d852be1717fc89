"""Walks of plans without a machine: each step takes what the test says, and begins when what it waits for is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from composer.planner.observed import Observed
from composer.planner.options import UpOptions
from composer.planner.plan import (
    Action,
    AwaitService,
    Plan,
    PrepareRootfs,
    StartContainer,
    Step,
    StopContainer,
    named_container,
)
from composer.planner.reconcile import reconcile
from composer.planner.walk import Begun, Finished, Moment, Outcome, Probing, Taken, Walk, unchanged
from composer.spec.desired import Condition, Desired

MS = 1_000_000
S = 1000 * MS
PLANNED = 100 * MS
WALL = 1_700_000_000 * S
NOTHING = Observed()


@dataclass
class World:
    """How long things take. Containers by name."""

    launch: int = 10 * MS
    ready: Mapping[str, int] = field(default_factory=dict)  # from the start until a probe finds it healthy
    probing: Mapping[str, Probing] = field(default_factory=dict)  # its moments counted from the start
    runs: Mapping[str, int] = field(default_factory=dict)  # what ends by itself, with status 0
    crashes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # (ends, is started again), from the start
    fails: frozenset[str] = frozenset()  # cannot be launched
    stop: int = 0
    unpack: int = 0


def walked(
    desired: Desired,
    world: World,
    *,
    observed: Observed = NOTHING,
    until: int | None = None,
    wait: bool = False,
    force: bool = False,
) -> Walk:
    """`up` of a project. Nothing is known of what came after `until`."""
    plan = reconcile(desired, observed, options=UpOptions(wait=wait, force_recreate=force))
    walk = _Walker(plan, world).walk(unchanged(plan, observed))
    return walk if until is None else _cut(walk, until)


def _cut(walk: Walk, until: int) -> Walk:
    steps = tuple(taken for taken in walk.steps if taken.ended_ns <= until)
    moments = tuple(moment for moment in walk.moments if moment.at_ns <= until)
    return replace(walk, steps=steps, moments=moments, finished=None)


class _Walker:
    def __init__(self, plan: Plan, world: World) -> None:
        self.plan = plan
        self.world = world
        self.over: dict[int, Taken] = {}
        self.started: dict[str, int] = {}
        self.moments: list[Moment] = []

    def walk(self, left: tuple[str, ...]) -> Walk:
        for step in self.plan.steps:
            self.over[step.number] = self.take(step)
        end = max([PLANNED, *(taken.ended_ns for taken in self.over.values())])
        failed = [taken.note for taken in self.over.values() if taken.outcome is Outcome.FAILED]
        begun = Begun("up", "pycompose up (pid 1)", WALL, 60 * MS, 60 * MS, PLANNED, self.plan, left)
        steps = tuple(sorted(self.over.values(), key=lambda taken: taken.ended_ns))
        moments = tuple(sorted(self.moments, key=lambda moment: moment.at_ns))
        return Walk(begun, steps, moments, Finished(end, WALL + end, "\n".join(failed)))

    def take(self, step: Step) -> Taken:
        before = [self.over[number] for number in step.after]
        began = max([PLANNED, *(taken.ended_ns for taken in before)])
        if any(taken.outcome is not Outcome.DONE for taken in before):
            return Taken(step.number, began, began, Outcome.LEFT_OUT, "a step before it failed")
        if named_container(step.action) in self.world.fails and isinstance(step.action, StartContainer):
            return Taken(step.number, began, began + self.world.launch, Outcome.FAILED, "no such command")
        return Taken(step.number, began, self.end(step.action, began))

    def end(self, action: Action, began: int) -> int:
        match action:
            case StartContainer(name):
                return self.start(name, began)
            case StopContainer():
                return began + self.world.stop
            case PrepareRootfs():
                return began + self.world.unpack
            case AwaitService(_, containers, Condition.HEALTHY):
                return max([began, *(self.started.get(it, 0) + self.world.ready.get(it, 0) for it in containers)])
            case AwaitService(_, containers, Condition.COMPLETED):
                return max([began, *(self.started.get(it, 0) + self.world.runs.get(it, 0) for it in containers)])
            case _:
                return began

    def start(self, name: str, began: int) -> int:
        self.started[name] = at = began + self.world.launch
        self.moments.append(Moment(name, "start", at))
        if name in self.world.crashes:
            died, again = self.world.crashes[name]
            self.moments += [Moment(name, "die", at + died, exit_code="3"), Moment(name, "start", at + again)]
        if name in self.world.ready:
            probing = self.world.probing.get(name)
            moved = probing and Probing(
                probing.probes, at + probing.first_ns, at + probing.failed_ns, at + probing.last_ns
            )
            self.moments.append(
                Moment(name, "health_status: healthy", at + self.world.ready[name], probing=moved or None)
            )
        if name in self.world.runs:
            self.moments.append(Moment(name, "die", at + self.world.runs[name], exit_code="0"))
        return at
