"""The critical chain of a start: what its last step waited for longest, what that waited for, and so on.

And what the start would take if one step took less: other chains, which were shorter, then may be the longest.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.hints import Iterable
from composer.planner.plan import AwaitService, Step, named_container
from composer.planner.timeline import Steps
from composer.planner.walk import Outcome
from composer.spec.desired import Condition, Desired


@frozen
class Link:
    """A step on the chain. It began when the one before it had ended."""

    step: Step
    began_ns: int
    ended_ns: int
    container: str = ""  # whose step it is; of several, who was last
    under_way: bool = False
    failed: bool = False

    @property
    def took_ns(self) -> int:
        return self.ended_ns - self.began_ns


def critical_chain(steps: Steps, desired: Desired, *, services: Iterable[str] = ()) -> tuple[Link, ...]:
    """The chain, its first step first; that of the last step of some services, or of the start. () where nothing was
    done."""
    wanted = frozenset(services)
    owners = {spec.name: service.name for service in desired.services for spec in service.containers}
    links = {number: link for number in steps.all if (link := _link(steps, number)) is not None}
    numbers = {number for number, step in steps.all.items() if not wanted or _service(step, owners) in wanted}
    goals = [links[number] for number in _begun(steps, numbers, links)]
    failed = [link for link in goals if link.failed]
    chain: list[Link] = []
    following = _last(failed or goals)
    while following is not None:
        chain.append(following)
        following = _last([links[number] for number in following.step.after if number in links])
    return tuple(reversed(chain))


def _begun(steps: Steps, numbers: set[int], links: dict[int, Link]) -> set[int]:
    """Of these steps those that have begun; of one that has not, what it waits or has waited for."""
    found: set[int] = set()
    waiting = set(numbers)
    while waiting:
        found |= waiting & links.keys()
        waiting = {before for number in waiting - links.keys() for before in steps.all[number].after}
    return found


def _link(steps: Steps, number: int) -> Link | None:
    """A step that has begun."""
    taken = steps.over.get(number)
    began_ns, ended_ns = steps.began_ns(number), steps.ended_ns(number)
    if began_ns is None or ended_ns is None or (taken is not None and taken.outcome is Outcome.LEFT_OUT):
        return None
    return Link(
        steps.all[number],
        began_ns,
        ended_ns,
        container=_container(steps, number),
        under_way=taken is None,
        failed=taken is not None and taken.outcome is Outcome.FAILED,
    )


def _last(links: list[Link]) -> Link | None:
    return max(links, key=lambda link: (link.ended_ns, link.step.number), default=None)


_MET_BY = {
    Condition.STARTED: "start",
    Condition.HEALTHY: "health_status: healthy",
    Condition.COMPLETED: "die",
}


def _container(steps: Steps, number: int) -> str:
    """Whose step it is; of those that were waited for, the one that met the condition last, or has not met it."""
    action = steps.all[number].action
    if not isinstance(action, AwaitService):
        return named_container(action)
    ended_ns = steps.ended_ns(number) or 0

    def met_ns(name: str) -> int:
        moments = [it.at_ns for it in steps.moments.get(name, ()) if it.action == _MET_BY[action.condition]]
        return max((at_ns for at_ns in moments if at_ns <= ended_ns), default=0)

    open_yet = [name for name in action.containers if not met_ns(name)] if number not in steps.over else []
    return open_yet[0] if open_yet else max(action.containers, key=met_ns, default="")


def _service(step: Step, owners: dict[str, str]) -> str:
    if isinstance(step.action, AwaitService):
        return step.action.service
    return owners.get(named_container(step.action), "")


def saved_ns(steps: Steps, number: int, *, cut_ns: int) -> int:
    """By how much the whole walk would have been shorter, had this step taken `cut_ns` less."""
    return _length_ns(steps, {}) - _length_ns(steps, {number: cut_ns})


def _length_ns(steps: Steps, cuts: dict[int, int]) -> int:
    """When the last step ends, if each begins as soon as it may. Steps come after what they wait for."""
    ends: dict[int, int] = {}
    for number, step in steps.all.items():
        began_ns, ended_ns = steps.began_ns(number), steps.ended_ns(number)
        if began_ns is None or ended_ns is None:
            continue
        took_ns = max(0, ended_ns - began_ns - cuts.get(number, 0))
        begins = [ends[it] for it in step.after if it in ends]
        ends[number] = max([steps.walk.begun.planned_ns, *begins]) + took_ns
    return max(ends.values(), default=0)
