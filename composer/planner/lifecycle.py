"""One container's life as a state machine: (life, event, policy) → (life, effects).

                    ┌────────────────────────── Elapsed ◄─────────────────────────┐
                    ▼                                                             │
    STOPPED ──► STARTING ──► POST_START ──► RUNNING ◄──► PAUSED                BACKOFF
       ▲            │             └──────┬─────┴────────────┘                     ▲
       │            │                    │ stop, restart, unhealthy               │
       │            │                    ▼                                        │
       │            │     PRE_STOP ──► STOPPING ──► KILLING                       │
       │            │                    │                                        │
       └────────────┴──── Exited: what `after` says (the restart policy, rest, start again) ──┘

Docker's rules (restart manager and monitor of the engine): the delay comes before every restart, the first included;
it doubles from 100 ms to one minute and starts afresh after a run of ten seconds; a start that fails is not tried
again; what a person stopped stays stopped. Every pair of phase and event is answered below, if only by ignoring it.
Performing the effects, and telling the time, is the keeper's work.
"""

from __future__ import annotations

from typing import assert_never

from composer.frozen import replace
from composer.planner.life import (
    SIGKILL,
    After,
    Arm,
    CancelHooks,
    Disarm,
    Effect,
    Elapsed,
    Event,
    Exited,
    Freeze,
    Hasten,
    HooksFailed,
    HooksSucceeded,
    Kill,
    KillRequested,
    Launch,
    Launched,
    LaunchFailed,
    Life,
    Outcome,
    PauseRequested,
    Phase,
    Request,
    RestartRequested,
    RunPostStart,
    RunPreStop,
    Signal,
    StartHealth,
    StartRequested,
    StopHealth,
    StopRequested,
    Terminate,
    Thaw,
    Unhealthy,
    UnpauseRequested,
)
from composer.planner.observed import State
from composer.spec.policy import OnUnhealthy, Policy, RestartCondition, RestartPolicy, StopPolicy

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
FIRST_DELAY_NS = 100 * MILLISECOND
LONGEST_DELAY_NS = 60 * SECOND
HEALTHY_RUN_NS = 10 * SECOND  # a run this long starts the back-off afresh
KILL_AGAIN_NS = 10 * SECOND  # SIGKILL is final, but a cgroup may be slow to thaw or a process stuck in the kernel


def advance(life: Life, event: Event, policy: Policy) -> Outcome:
    """Answer `event` with the next state and what to do about it."""
    match event:
        case Launched():
            return _launched(life, policy)
        case LaunchFailed():
            return _launch_failed(life)
        case Exited():
            return _exited(life, event, policy)
        case Elapsed():
            return _elapsed(life)
        case Unhealthy():
            return _unhealthy(life, policy)
        case HooksSucceeded():
            return _hooks_ended(life, policy, succeeded=True)
        case HooksFailed():
            return _hooks_ended(life, policy, succeeded=False)
        case StartRequested():
            return _start(life)
        case StopRequested(stop):
            return _stop_requested(life, stop, policy)
        case RestartRequested(stop):
            return _restart_requested(life, stop, policy)
        case KillRequested(signal):
            return _kill_requested(life, signal, policy)
        case PauseRequested():
            return _pause(life)
        case UnpauseRequested():
            return _unpause(life)
        case _:
            assert_never(event)


def refusal(life: Life, request: Request) -> str | None:
    """Why a request of a person means nothing now ("it is not running"), None where it can be met."""
    if isinstance(request, PauseRequested) and life.phase is Phase.PAUSED:
        return "it is paused already"
    if isinstance(request, PauseRequested) and life.phase is Phase.POST_START:
        return "its post_start hooks are running"
    if isinstance(request, PauseRequested) and life.phase is not Phase.RUNNING:
        return "it is not running"
    if isinstance(request, UnpauseRequested) and life.phase is not Phase.PAUSED:
        return "it is not paused"
    if isinstance(request, KillRequested) and life.phase in (Phase.STOPPED, Phase.BACKOFF):
        return "it is not running"
    return None


def adopt(state: State, *, restarts: int = 0, delay_ns: int = 0, manually_stopped: bool = False) -> Outcome:
    """The life of a container that a supervisor before this one looked after, from what its record says."""
    life = Life(
        # a stop that the other supervisor did not live to see through: whatever ends it now, it stays down
        after=After.REST if manually_stopped else After.POLICY,
        restarts=restarts,
        attempts=restarts,
        delay_ns=delay_ns,
        manually_stopped=manually_stopped,
        launched=state is not State.CREATED,
    )
    match state:
        case State.RUNNING:
            return Outcome(replace(life, phase=Phase.RUNNING), (StartHealth(),))
        case State.PAUSED:
            return Outcome(replace(life, phase=Phase.PAUSED))
        case State.RESTARTING:
            return Outcome(replace(life, phase=Phase.BACKOFF), (Arm(delay_ns or FIRST_DELAY_NS),))
        case State.CREATED | State.EXITED | State.DEAD | State.REMOVING:
            return _rest(life)
        case _:
            assert_never(state)


def _ignored(life: Life) -> Outcome:
    """An event that finds nothing to do: late, doubled, or already being done."""
    return Outcome(life)


def _launched(life: Life, policy: Policy) -> Outcome:
    if life.phase is not Phase.STARTING:
        return _ignored(life)
    life = replace(life, phase=Phase.RUNNING, launched=True)
    if life.after is not After.POLICY:  # a stop was asked for while the launch was in flight
        return _terminate(life, policy)
    if policy.post_start:
        return Outcome(replace(life, phase=Phase.POST_START), (StartHealth(), RunPostStart()))
    return Outcome(life, (StartHealth(),))


def _launch_failed(life: Life) -> Outcome:
    """A failed start ends the matter, also that of an automatic restart: trying again would fail the same way."""
    return _rest(life) if life.phase is Phase.STARTING else _ignored(life)


def _exited(life: Life, exited: Exited, policy: Policy) -> Outcome:
    match life.phase:
        case Phase.STARTING:  # it has ended before word of its launch came
            return _after_exit(replace(life, launched=True), exited, policy)
        case Phase.RUNNING:
            return _after_exit(life, exited, policy, first=(StopHealth(),))
        case Phase.PAUSED:  # killed while frozen: cgroup v2 lets SIGKILL through
            return _after_exit(life, exited, policy, first=(Thaw(),))
        case Phase.POST_START:
            return _after_exit(life, exited, policy, first=(StopHealth(), CancelHooks()))
        case Phase.PRE_STOP:
            return _after_exit(life, exited, policy, first=(CancelHooks(),))
        case Phase.STOPPING | Phase.KILLING:
            return _after_exit(life, exited, policy, first=(Disarm(),))
        case Phase.STOPPED | Phase.BACKOFF:
            return _ignored(life)
        case _:
            assert_never(life.phase)


def _after_exit(life: Life, exited: Exited, policy: Policy, *, first: tuple[Effect, ...] = ()) -> Outcome:
    match life.after:
        case After.POLICY:
            following = _by_policy(life, exited, policy.restart)
        case After.REST:
            following = _rest(life)
        case After.RECOVER:
            following = _back_off(life, exited, policy.restart)
        case After.RELAUNCH:
            following = _launch_by_hand(life)
        case _:
            assert_never(life.after)
    return Outcome(following.life, first + following.effects)


def _by_policy(life: Life, exited: Exited, restart: RestartPolicy) -> Outcome:
    if restart.window_ns is not None and exited.ran_for_ns >= restart.window_ns:
        life = replace(life, attempts=0)
    if restart.max_attempts and life.attempts >= restart.max_attempts:
        return _rest(life)
    match restart.condition:
        case RestartCondition.NO:
            return _rest(life)
        case RestartCondition.ON_FAILURE:
            # an exit status that nobody knows is no success
            return _rest(life) if exited.exit_code == 0 else _back_off(life, exited, restart)
        case RestartCondition.ALWAYS | RestartCondition.UNLESS_STOPPED:
            return _back_off(life, exited, restart)
        case _:
            assert_never(restart.condition)


def _back_off(life: Life, exited: Exited, restart: RestartPolicy) -> Outcome:
    delay_ns = _delay_ns(life, exited, restart)
    life = replace(
        life,
        phase=Phase.BACKOFF,
        after=After.POLICY,
        restarts=life.restarts + 1,
        attempts=life.attempts + 1,
        delay_ns=delay_ns,
        stop=None,
    )
    return Outcome(life, (Arm(delay_ns),))


def _delay_ns(life: Life, exited: Exited, restart: RestartPolicy) -> int:
    if restart.delay_ns is not None:
        return restart.delay_ns
    if life.delay_ns == 0 or exited.ran_for_ns >= HEALTHY_RUN_NS:
        return FIRST_DELAY_NS
    return min(2 * life.delay_ns, LONGEST_DELAY_NS)


def _rest(life: Life) -> Outcome:
    return Outcome(replace(life, phase=Phase.STOPPED, after=After.POLICY, stop=None))


def _elapsed(life: Life) -> Outcome:
    match life.phase:
        case Phase.BACKOFF:
            return Outcome(replace(life, phase=Phase.STARTING), (Launch(),))
        case Phase.STOPPING | Phase.KILLING:
            return _kill(life)
        case (
            Phase.STOPPED | Phase.STARTING | Phase.POST_START | Phase.RUNNING | Phase.PAUSED | Phase.PRE_STOP
        ):  # fired before it was disarmed
            return _ignored(life)
        case _:
            assert_never(life.phase)


def _kill(life: Life) -> Outcome:
    return Outcome(replace(life, phase=Phase.KILLING), (Kill(), Arm(KILL_AGAIN_NS)))


def _unhealthy(life: Life, policy: Policy) -> Outcome:
    if life.phase not in (Phase.POST_START, Phase.RUNNING) or life.after is not After.POLICY:
        return _ignored(life)  # it is going, or has gone, already
    return _act_on_unhealthy(life, policy)


def _act_on_unhealthy(life: Life, policy: Policy) -> Outcome:
    match policy.on_unhealthy:
        case OnUnhealthy.NONE:
            return _ignored(life)
        case OnUnhealthy.RESTART:
            return _ask_to_end(replace(life, after=After.RECOVER), policy)
        case OnUnhealthy.STOP:
            return _ask_to_end(replace(life, after=After.REST), policy)
        case OnUnhealthy.KILL:
            return _cut_short(life)
        case _:
            assert_never(policy.on_unhealthy)


def _hooks_ended(life: Life, policy: Policy, *, succeeded: bool) -> Outcome:
    match life.phase:
        case Phase.POST_START if succeeded:
            return Outcome(replace(life, phase=Phase.RUNNING))
        case Phase.POST_START:  # as a start that failed
            return _ask_to_end(replace(life, after=After.REST), policy)
        case Phase.PRE_STOP:  # a hook that fails does not keep a container alive
            return _terminate(life, policy)
        case _:  # cancelled a moment too late
            return _ignored(life)


# ---- requests of a person ---------------------------------------------------------------------------------------


def _start(life: Life) -> Outcome:
    match life.phase:
        case Phase.STOPPED:
            return _launch_by_hand(life)
        case Phase.BACKOFF:
            launch = _launch_by_hand(life)
            return Outcome(launch.life, (Disarm(), *launch.effects))
        case Phase.STARTING | Phase.POST_START | Phase.RUNNING | Phase.PAUSED:  # a pending stop is taken back
            return Outcome(replace(life, after=After.POLICY, manually_stopped=False, stop=None))
        case Phase.PRE_STOP | Phase.STOPPING | Phase.KILLING:  # what is under way cannot be taken back
            return Outcome(replace(life, after=After.RELAUNCH, manually_stopped=False))
        case _:
            assert_never(life.phase)


def _launch_by_hand(life: Life) -> Outcome:
    return Outcome(Life(phase=Phase.STARTING, launched=life.launched), (Launch(),))


def _stop_requested(life: Life, stop: StopPolicy | None, policy: Policy) -> Outcome:
    life = replace(life, manually_stopped=True)
    match life.phase:
        case Phase.STOPPED:
            return Outcome(life)
        case Phase.BACKOFF:
            return Outcome(_rest(life).life, (Disarm(),))
        case Phase.STARTING:
            return Outcome(replace(life, after=After.REST, stop=stop))
        case Phase.POST_START | Phase.RUNNING | Phase.PAUSED:
            return _ask_to_end(replace(life, after=After.REST, stop=stop), policy)
        case Phase.PRE_STOP | Phase.STOPPING | Phase.KILLING:
            return _hurry(replace(life, after=After.REST), stop, policy)
        case _:
            assert_never(life.phase)


def _restart_requested(life: Life, stop: StopPolicy | None, policy: Policy) -> Outcome:
    match life.phase:
        case Phase.STOPPED | Phase.BACKOFF:
            return _start(life)
        case Phase.STARTING:  # as fresh as can be
            return _start(life)
        case Phase.POST_START | Phase.RUNNING | Phase.PAUSED:
            return _ask_to_end(replace(life, after=After.RELAUNCH, stop=stop), policy)
        case Phase.PRE_STOP | Phase.STOPPING | Phase.KILLING:
            return _hurry(replace(life, after=After.RELAUNCH, manually_stopped=False), stop, policy)
        case _:
            assert_never(life.phase)


def _hurry(life: Life, stop: StopPolicy | None, policy: Policy) -> Outcome:
    """A second request to stop: ends the hooks' time; a grace period of its own only ever shortens the first."""
    match life.phase:
        case Phase.PRE_STOP:
            ended = _terminate(replace(life, stop=stop or life.stop), policy)
            return Outcome(ended.life, (CancelHooks(), *ended.effects))
        case Phase.STOPPING if stop is not None and stop.grace_ns == 0:
            return _kill(life)
        case Phase.STOPPING if stop is not None and stop.grace_ns is not None:
            return Outcome(life, (Hasten(stop.grace_ns),))
        case _:
            return Outcome(life)


def _kill_requested(life: Life, signal: int, policy: Policy) -> Outcome:
    """SIGKILL and the stop signal are a person's word that it shall end; any other signal is delivered, no more.

    The engine without a configured stop signal gives up its restart policy after any signal, a SIGHUP to reload
    included; nobody wants that.
    """
    ending = signal in (SIGKILL, policy.stop.signal)
    match life.phase:
        case Phase.STOPPED:
            return _ignored(life)
        case Phase.BACKOFF:
            return _stop_requested(life, None, policy) if ending else _ignored(life)
        case Phase.STARTING:  # nobody is there yet to be signalled
            return _stop_requested(life, StopPolicy(signal, grace_ns=0), policy) if ending else _ignored(life)
        case Phase.POST_START | Phase.RUNNING | Phase.PAUSED | Phase.PRE_STOP | Phase.STOPPING | Phase.KILLING:
            if ending:
                life = replace(life, after=After.REST, manually_stopped=True)
            if signal == SIGKILL:
                return _cut_short(life)
            first = _unpause(life) if ending else Outcome(life)  # a frozen process does not hear it
            return Outcome(first.life, (*first.effects, Signal(signal)))
        case _:
            assert_never(life.phase)


def _pause(life: Life) -> Outcome:
    if life.phase is not Phase.RUNNING:
        return _ignored(life)  # `refusal` tells the person why
    return Outcome(replace(life, phase=Phase.PAUSED), (StopHealth(), Freeze()))


def _unpause(life: Life) -> Outcome:
    if life.phase is not Phase.PAUSED:
        return _ignored(life)  # `refusal` tells the person why
    return Outcome(replace(life, phase=Phase.RUNNING), (Thaw(), StartHealth()))


# ---- the way to an end ------------------------------------------------------------------------------------------


def _ask_to_end(life: Life, policy: Policy) -> Outcome:
    """Graceful: hooks, the stop signal, the grace period. From a phase in which the process runs."""
    first = _farewell(life)
    if policy.pre_stop and not _at_once(life, policy):
        return Outcome(replace(life, phase=Phase.PRE_STOP), (*first, RunPreStop()))
    ending = _terminate(life, policy)
    return Outcome(ending.life, first + ending.effects)


def _farewell(life: Life) -> tuple[Effect, ...]:
    """What ends with a container's normal life. A frozen process hears no signal and runs no hook."""
    match life.phase:
        case Phase.PAUSED:
            return (Thaw(),)
        case Phase.POST_START:
            return StopHealth(), CancelHooks()
        case _:
            return (StopHealth(),)


def _at_once(life: Life, policy: Policy) -> bool:
    return (life.stop or policy.stop).grace_ns == 0


def _terminate(life: Life, policy: Policy) -> Outcome:
    stop = life.stop or policy.stop
    if _at_once(life, policy):
        return _kill(life)
    life = replace(life, phase=Phase.STOPPING)
    if stop.grace_ns is None:
        return Outcome(life, (Terminate(stop.signal),))
    return Outcome(life, (Terminate(stop.signal), Arm(stop.grace_ns)))


def _cut_short(life: Life) -> Outcome:
    """No grace: from any phase in which the process runs."""
    killing = _kill(life)
    match life.phase:
        case Phase.PRE_STOP:
            return Outcome(killing.life, (CancelHooks(), *killing.effects))
        case Phase.STOPPING | Phase.KILLING:
            return killing
        case _:
            return Outcome(killing.life, _farewell(life) + killing.effects)
