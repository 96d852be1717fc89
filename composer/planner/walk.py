"""How a plan was walked: what the supervisor writes down of the last start of a project, for whoever asks where the
time went.

All moments are nanoseconds since a person asked for it, by the monotonic clock: a wall clock that is set meanwhile
changes none of them. What it said in the beginning and in the end is there as well, to find what happened later in the
events, which have no other clock.
"""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen
from composer.planner.observed import Observed
from composer.planner.plan import Plan, named_container
from composer.planner.verdicts import ALIVE

VERSION = 1


class Outcome(Enum):
    """How a step came out."""

    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left-out"  # what it waited for has failed


@frozen
class Begun:
    """A plan is about to be walked. The moments tell what went before."""

    operation: str  # "up", "start"
    client: str  # "pycompose up (pid 812)"
    asked_ns: int  # wall clock, nanoseconds since the epoch: all other moments count from here
    received_ns: int  # the supervisor was there and had read what is wanted
    turn_ns: int  # nobody else's operation was under way any more
    planned_ns: int
    plan: Plan
    unchanged: tuple[str, ...] = ()  # containers that ran already and were left alone
    awoken_ns: int = 0  # the supervisor's process was made for it; 0: it was there already
    resumed: bool = False  # a supervisor before this one had begun with it and died
    version: int = VERSION


@frozen
class Taken:
    """A step of the plan is over."""

    number: int
    began_ns: int
    ended_ns: int
    outcome: Outcome = Outcome.DONE
    note: str = ""  # why it failed, or that it was dispensable


@frozen
class Probing:
    """The probes of one run of a container up to a moment."""

    probes: int
    first_ns: int  # when the first one began
    failed_ns: int  # when the last one ended that failed; 0: none has
    last_ns: int  # when the last one began


@frozen
class Moment:
    """Something happened to a container: `action` is that of the event."""

    container: str
    action: str
    at_ns: int
    exit_code: str = ""  # where it ended; "unknown" where nobody knows
    probing: Probing | None = None  # where its health turned


@frozen
class Finished:
    """Nothing of the plan is left to do. `time_ns` is wall clock; `error` is "" where all has succeeded."""

    at_ns: int
    time_ns: int
    error: str = ""


Entry = Begun | Taken | Moment | Finished


@frozen
class Walk:
    """All that is known of one walk. `finished` None: it is still under way, or nobody lived to finish it."""

    begun: Begun
    steps: tuple[Taken, ...] = ()
    moments: tuple[Moment, ...] = ()  # in the order in which they came
    finished: Finished | None = None

    @property
    def last_ns(self) -> int:
        """The last moment of the walk that is written down."""
        if self.finished is not None:
            return self.finished.at_ns
        ends = [taken.ended_ns for taken in self.steps] + [moment.at_ns for moment in self.moments]
        return max([self.begun.planned_ns, *ends])


def unchanged(plan: Plan, observed: Observed) -> tuple[str, ...]:
    """The containers that run already and that a plan does nothing to."""
    touched = {named_container(step.action) for step in plan.steps}
    return tuple(
        there.name
        for there in observed.containers
        if there.state in ALIVE and not there.oneoff and there.name not in touched
    )
