"""A plan being written: steps get their numbers in the order in which they are added."""

from __future__ import annotations

from composer.hints import Iterable
from composer.planner.plan import Action, Plan, Step


class Draft:
    """Steps may only wait for steps that are there already, so what comes out cannot have a cycle."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, action: Action, *, cause: str, after: Iterable[int] = ()) -> int:
        """Append a step and return its number."""
        before = tuple(sorted(set(after)))  # first of all: whoever works it out may be adding steps meanwhile
        number = len(self._steps) + 1
        self._steps.append(Step(number, action, cause, before))
        return number

    def plan(self, *, orphans: Iterable[str] = ()) -> Plan:
        return Plan(tuple(self._steps), tuple(orphans))
