"""Where the time of a start went: the timeline, its critical chain and what to change, from what is written down."""

from __future__ import annotations

from composer.frozen import frozen
from composer.hints import Iterable
from composer.planner.advice import Advice, advise
from composer.planner.critical import Link, critical_chain
from composer.planner.timeline import Row, State, Steps, Timeline, summarized, timeline
from composer.planner.walk import Walk
from composer.spec.desired import Desired

MANY = 4  # replicas of one service that are shown one by one


@frozen
class Analysis:
    """All there is to say. `rows` are those to show."""

    timeline: Timeline
    rows: tuple[Row, ...]
    chain: tuple[Link, ...]
    advice: tuple[Advice, ...]


def analyze(
    walk: Walk,
    desired: Desired,
    *,
    services: Iterable[str] = (),
    now_ns: int | None = None,
    summary: bool = True,
) -> Analysis:
    """Look at one start, or how some services came up in it; see `timeline` for `now_ns`.

    With `summary`, the replicas of a service that has many are one row.
    """
    wanted = frozenset(services)
    whole = timeline(walk, desired, now_ns=now_ns)
    steps = Steps(walk, until_ns=whole.now_ns)
    chain = critical_chain(steps, desired, services=wanted)
    rows = tuple(row for row in whole.rows if not wanted or row.service in wanted)
    advice = advise(whole, steps, desired, chain) if whole.state in (State.DONE, State.FAILED) else ()
    if summary:
        rows = summarized(rows, above=MANY, critical={link.container for link in chain})
    return Analysis(whole, rows, chain, advice)
