"""What a start is called, and how its steps and containers stand, in words: the same in text and in a drawing."""

from __future__ import annotations

import time

from composer.planner.advice import span
from composer.planner.analysis import Analysis
from composer.planner.critical import Link
from composer.planner.plan import AwaitService
from composer.planner.timeline import Phase, Row, Standing, State, Timeline

BEFORE = "(pycompose)"  # whose time it is until there is a plan
CHAIN = "Critical chain: each step waited for the one above it"

_NS = 1_000_000_000
_PHASES = {Phase.HOOKS: "post_start hooks", Phase.STOPPING: "stopping its predecessor"}
_HOW = {
    State.DONE: "took {}",
    State.FAILED: "failed after {}",
    State.UNDER_WAY: "is under way since {}",
    State.ABANDONED: "was never finished: its supervisor died, what follows is known of the first {}",
}


def title(timeline: Timeline) -> str:
    """ "shop: up at 2026-01-02 03:04:05 took 1.20 s"."""
    begun = timeline.walk.begun
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(begun.asked_ns // _NS))
    return f"{timeline.project}: {command(timeline)} at {moment} {_HOW[timeline.state].format(span(timeline.now_ns))}"


def command(timeline: Timeline) -> str:
    """What was typed: "up", "scale", "start"."""
    words = timeline.walk.begun.client.split()
    return words[1] if len(words) > 1 and words[0] == "pycompose" else timeline.walk.begun.operation


def failure(timeline: Timeline) -> str:
    """Why it failed, "" where it has not."""
    return timeline.walk.finished.error if timeline.walk.finished is not None else ""


def remark(timeline: Timeline) -> str:
    """What one should know about it, or ""."""
    if not timeline.walk.begun.resumed:
        return ""
    return "its supervisor or launcher died and others went on: what had been started before is told as unchanged"


def name(row: Row) -> str:
    """ "shop-web-1", or "web (12 containers)"."""
    return row.name if row.replicas == 1 else f"{row.service} ({row.replicas} containers)"


def phase(phase: Phase) -> str:
    """What a container does in it, for a legend."""
    return _PHASES.get(phase, phase.value)


def standing(row: Row) -> str:
    """ "healthy at 1.20 s"."""
    if row.standing is Standing.UNCHANGED:
        return "unchanged: it ran already"
    words = row.standing.value
    if row.settled_ns is not None and row.standing is not Standing.NOT_STARTED:
        words += f" at {span(row.settled_ns)}"
    if row.replicas > 1:
        words += ", the last one"
    if row.restarts:
        words += f", restarted {'once' if row.restarts == 1 else f'{row.restarts} times'}"
    return f"{words} ({row.note})" if row.note and row.standing is Standing.EXITED else words


def step(link: Link) -> str:
    """What was done in a step of the chain, and by whom of several."""
    text = str(link.step.action)
    if isinstance(link.step.action, AwaitService) and len(link.step.action.containers) > 1:
        text = f"wait for service {link.step.action.service}: {link.container} was the last of {_count(link)}"
    if link.under_way:
        return f"{text}, under way"
    return f"{text}, failed" if link.failed else text


def _count(link: Link) -> int:
    return len(link.step.action.containers) if isinstance(link.step.action, AwaitService) else 1


def planned(found: Analysis) -> str:
    """ "planned at 90 ms"."""
    return f"planned at {span(found.timeline.walk.begun.planned_ns)}"


def before_plan(found: Analysis) -> tuple[tuple[str, int, int], ...]:
    """(what, from, to) of what went before the first step.

    Where no supervisor was there, the files are read while it and the launcher start: one cannot tell them apart.
    """
    begun = found.timeline.walk.begun
    awoken_ns = min(begun.awoken_ns, begun.received_ns)
    first = "read the files, start the launcher" if awoken_ns else "read the files, reach the supervisor"
    parts = (
        (first, 0, awoken_ns or begun.received_ns),
        ("read on, start the supervisor", awoken_ns or begun.received_ns, begun.received_ns),
        ("wait for another command", begun.received_ns, begun.turn_ns),
        ("look at what there is, and plan", begun.turn_ns, begun.planned_ns),
    )
    return tuple(part for part in parts if part[2] - part[1] >= 1_000_000)
