"""The vocabulary of a container's life: its phases, what happens to it, what is done about it. See `lifecycle`."""

from __future__ import annotations

from typing import NamedTuple, assert_never

from composer.enums import Enum
from composer.frozen import frozen
from composer.planner.observed import State
from composer.spec.policy import StopPolicy

SIGKILL = 9


class Phase(Enum):
    """Where a container is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"  # a launch is in flight
    POST_START = "post-start"  # its process runs, its post_start hooks as well
    RUNNING = "running"
    PAUSED = "paused"
    PRE_STOP = "pre-stop"  # its pre_stop hooks run
    STOPPING = "stopping"  # asked to end; the grace period runs
    KILLING = "killing"
    BACKOFF = "back-off"  # has ended, will be launched again


class After(Enum):
    """What follows when the process has ended."""

    POLICY = "policy"  # the restart policy decides
    REST = "rest"  # nothing
    RECOVER = "recover"  # an automatic restart, whatever the policy says
    RELAUNCH = "relaunch"  # a restart by hand: at once, counters afresh


@frozen
class Life:
    """What there is to know about a container in order to answer the next event."""

    phase: Phase = Phase.STOPPED
    after: After = After.POLICY
    restarts: int = 0  # automatic ones since the last start by hand (Docker's RestartCount)
    attempts: int = 0  # those that count against `max_attempts`
    delay_ns: int = 0  # the last back-off delay
    manually_stopped: bool = False
    launched: bool = False  # has ever run
    stop: StopPolicy | None = None  # how to stop, where that differs from the policy

    @property
    def state(self) -> State:
        """The state that a person is shown."""
        match self.phase:
            case Phase.STARTING if self.restarts:
                return State.RESTARTING
            case Phase.STOPPED | Phase.STARTING:
                return State.EXITED if self.launched else State.CREATED
            case Phase.POST_START | Phase.RUNNING | Phase.PRE_STOP | Phase.STOPPING | Phase.KILLING:
                return State.RUNNING
            case Phase.PAUSED:
                return State.PAUSED
            case Phase.BACKOFF:
                return State.RESTARTING
            case _:
                assert_never(self.phase)


# ---- what happens to it -----------------------------------------------------------------------------------------


@frozen
class Launched:
    """The launch has succeeded: the process runs."""


@frozen
class LaunchFailed:
    """The launch has failed: there is no process."""


@frozen
class Exited:
    """PID 1 has ended. `exit_code` is 128 + n after signal n, None where nobody can know it."""

    exit_code: int | None
    ran_for_ns: int


@frozen
class Elapsed:
    """The delay that was armed has passed."""


@frozen
class Unhealthy:
    """The health check has turned from something else to unhealthy."""


@frozen
class HooksSucceeded:
    """The hooks that were being run have all succeeded."""


@frozen
class HooksFailed:
    """One of the hooks that were being run has failed; the rest are not run."""


@frozen
class StartRequested:
    """A person wants it to run."""


@frozen
class StopRequested:
    """A person wants it stopped. `stop` overrides how (`stop -t 3`)."""

    stop: StopPolicy | None = None


@frozen
class RestartRequested:
    """A person wants it stopped and started again."""

    stop: StopPolicy | None = None


@frozen
class KillRequested:
    """A person sends a signal."""

    signal: int = SIGKILL


@frozen
class PauseRequested:
    """A person wants it frozen."""


@frozen
class UnpauseRequested:
    """A person wants it to go on."""


Request = StartRequested | StopRequested | RestartRequested | KillRequested | PauseRequested | UnpauseRequested
Event = Launched | LaunchFailed | Exited | Elapsed | Unhealthy | HooksSucceeded | HooksFailed | Request


# ---- what is done about it --------------------------------------------------------------------------------------


@frozen
class Launch:
    """Start the container; answer with Launched or LaunchFailed."""


@frozen
class Terminate:
    """Ask PID 1 to end, with the stop signal."""

    signal: int


@frozen
class Signal:
    """Deliver a signal to PID 1 that is no request to end."""

    signal: int


@frozen
class Kill:
    """Kill everything in the container's cgroup."""


@frozen
class Arm:
    """Answer with Elapsed when this has passed; replaces what was armed before."""

    delay_ns: int


@frozen
class Hasten:
    """Answer with Elapsed no later than when this has passed; what is armed for earlier stays."""

    delay_ns: int


@frozen
class Disarm:
    """Forget what is armed."""


@frozen
class StartHealth:
    """Begin or go on probing."""


@frozen
class StopHealth:
    """End probing; a probe that runs is killed and its result dropped."""


@frozen
class RunPostStart:
    """Run the post_start hooks in order; answer with HooksSucceeded or HooksFailed."""


@frozen
class RunPreStop:
    """Run the pre_stop hooks in order; answer with HooksSucceeded or HooksFailed."""


@frozen
class CancelHooks:
    """Kill the hook that runs; its answer must not come any more."""


@frozen
class Freeze:
    """Freeze the container's cgroup."""


@frozen
class Thaw:
    """Thaw the container's cgroup."""


Effect = (
    Launch
    | Terminate
    | Signal
    | Kill
    | Arm
    | Hasten
    | Disarm
    | StartHealth
    | StopHealth
    | RunPostStart
    | RunPreStop
    | CancelHooks
    | Freeze
    | Thaw
)


class Outcome(NamedTuple):
    """The next life, and what to do, in this order."""

    life: Life
    effects: tuple[Effect, ...] = ()
