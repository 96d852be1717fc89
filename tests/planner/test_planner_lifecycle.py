"""One container's life: what follows from what, and what never may."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.planner.life import (
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
from composer.planner.lifecycle import KILL_AGAIN_NS, MILLISECOND, SECOND, adopt, advance, refusal
from composer.planner.observed import State
from composer.spec.policy import Hook, OnUnhealthy, Policy, RestartCondition, RestartPolicy, StopPolicy

ALWAYS = Policy(restart=RestartPolicy(RestartCondition.ALWAYS))
UNLESS_STOPPED = Policy(restart=RestartPolicy(RestartCondition.UNLESS_STOPPED))
NEVER = Policy()
NEW = Life()
GRACE = 10 * SECOND
SHORT = 1 * SECOND


def on_failure(attempts: int = 0, **rest: int) -> Policy:
    return Policy(restart=RestartPolicy(RestartCondition.ON_FAILURE, attempts, **rest))


def live(events: Iterable[Event], policy: Policy = NEVER, life: Life = NEW) -> tuple[Life, list[Effect]]:
    """The life after these events, and what the last of them led to."""
    effects: tuple[Effect, ...] = ()
    for event in events:
        life, effects = advance(life, event, policy)
    return life, list(effects)


def crash(after_ns: int = SHORT, code: int = 1) -> Exited:
    return Exited(code, after_ns)


STARTED: tuple[Event, ...] = (StartRequested(), Launched())


def again(run: Exited, times: int) -> list[Event]:
    """A run that ends so and is followed by another, several times."""
    events: list[Event] = [run, Elapsed(), Launched()]
    return events * times


def test_a_start_launches_and_probes() -> None:
    life, effects = live([StartRequested()])
    assert (life.phase, life.state, effects) == (Phase.STARTING, State.CREATED, [Launch()])
    life, effects = live(STARTED)
    assert (life.phase, life.state, effects) == (Phase.RUNNING, State.RUNNING, [StartHealth()])


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [
        (NEVER, 1, False),
        (NEVER, 0, False),
        (ALWAYS, 0, True),
        (ALWAYS, 137, True),
        (UNLESS_STOPPED, 0, True),
        (on_failure(), 0, False),
        (on_failure(), 1, True),
        (on_failure(), None, True),
    ],
)
def test_the_restart_policy_decides_after_an_exit(policy: Policy, code: int | None, restarts: bool) -> None:
    life, effects = live([*STARTED, Exited(code, SHORT)], policy)
    if restarts:
        assert (life.phase, life.state, life.restarts) == (Phase.BACKOFF, State.RESTARTING, 1)
        assert effects == [StopHealth(), Arm(100 * MILLISECOND)]
    else:
        assert (life.phase, life.state, life.restarts) == (Phase.STOPPED, State.EXITED, 0)
        assert effects == [StopHealth()]


def delays(runs_ns: Iterable[int], policy: Policy) -> list[int]:
    """The delay before each restart of a container that crashes after each of these times."""
    life, _ = live(STARTED, policy)
    found = []
    for ran_for_ns in runs_ns:
        life, effects = live([crash(ran_for_ns)], policy, life)
        found += [effect.delay_ns // MILLISECOND for effect in effects if isinstance(effect, Arm)]
        life, _ = live([Elapsed(), Launched()], policy, life)
    return found


def test_the_delay_doubles_to_a_minute_and_starts_afresh_after_ten_seconds() -> None:
    doubled = [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]
    assert delays([0] * 12, ALWAYS) == doubled
    assert delays([0, 0, 10 * SECOND, 0, 10 * SECOND - 1], ALWAYS) == [100, 200, 100, 200, 400]


def test_a_delay_of_its_own_is_constant() -> None:
    assert delays([0, 0, 20 * SECOND], on_failure(delay_ns=3 * SECOND)) == [3000, 3000, 3000]


def test_attempts_end() -> None:
    life, _ = live([*STARTED, *again(crash(20 * SECOND), 3), crash()], on_failure(3))
    assert (life.phase, life.restarts) == (Phase.STOPPED, 3)


def test_a_run_as_long_as_the_window_counts_attempts_afresh() -> None:
    policy = on_failure(1, window_ns=5 * SECOND)
    assert len(delays([SHORT], policy)) == 1
    life, _ = live([*STARTED, *again(crash(5 * SECOND), 4)], policy)
    assert (life.phase, life.restarts) == (Phase.RUNNING, 4)
    assert live([crash()], policy, life)[0].phase is Phase.STOPPED


def test_a_start_by_hand_counts_afresh() -> None:
    life, _ = live([*STARTED, *again(crash(), 3), StopRequested(), crash()], ALWAYS)
    assert (life.phase, life.restarts) == (Phase.STOPPED, 3)
    life, effects = live([StartRequested()], ALWAYS, life)
    assert (life.restarts, life.delay_ns, life.manually_stopped, effects) == (0, 0, False, [Launch()])


def test_what_a_person_is_shown_while_a_launch_is_in_flight() -> None:
    assert live([StartRequested()])[0].state is State.CREATED
    assert live([*STARTED, StopRequested(), crash(), StartRequested()])[0].state is State.EXITED
    assert live([*STARTED, crash(), Elapsed()], ALWAYS)[0].state is State.RESTARTING


@pytest.mark.parametrize("before", [[], [*STARTED, crash(), Elapsed()]], ids=["first", "automatic"])
def test_a_failed_start_is_not_tried_again(before: list[Event]) -> None:
    life, effects = live([*(before or [StartRequested()]), LaunchFailed()], ALWAYS)
    assert (life.phase, effects) == (Phase.STOPPED, [])


def test_an_exit_before_word_of_the_launch() -> None:
    life, effects = live([StartRequested(), crash()], ALWAYS)
    assert (life.phase, effects) == (Phase.BACKOFF, [Arm(100 * MILLISECOND)])


# ---- stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [NEVER, ALWAYS, UNLESS_STOPPED, on_failure()])
def test_a_stop_is_signal_then_grace_then_kill_and_then_rest(policy: Policy) -> None:
    life, effects = live([*STARTED, StopRequested()], policy)
    assert (life.phase, life.state, effects) == (
        Phase.STOPPING,
        State.RUNNING,
        [StopHealth(), Terminate(15), Arm(GRACE)],
    )
    life, effects = live([Elapsed()], policy, life)
    assert (life.phase, effects) == (Phase.KILLING, [Kill(), Arm(KILL_AGAIN_NS)])
    life, effects = live([crash(code=137)], policy, life)
    assert (life.phase, life.manually_stopped, effects) == (Phase.STOPPED, True, [Disarm()])


def test_a_stop_may_say_how() -> None:
    stop = StopPolicy(signal=2, grace_ns=None)
    assert live([*STARTED, StopRequested(stop)])[1] == [StopHealth(), Terminate(2)]
    at_once = StopPolicy(grace_ns=0)
    assert live([*STARTED, StopRequested(at_once)])[1] == [StopHealth(), Kill(), Arm(KILL_AGAIN_NS)]


def test_a_kill_that_does_not_end_it_is_repeated() -> None:
    life, _ = live([*STARTED, KillRequested()])
    assert live([Elapsed()], NEVER, life)[1] == [Kill(), Arm(KILL_AGAIN_NS)]


def test_a_stop_during_back_off() -> None:
    life, effects = live([*STARTED, crash(), StopRequested()], ALWAYS)
    assert (life.phase, life.manually_stopped, effects) == (Phase.STOPPED, True, [Disarm()])
    assert live([Elapsed()], ALWAYS, life) == (life, [])


def test_a_stop_during_the_launch_waits_for_its_end() -> None:
    life, effects = live([StartRequested(), StopRequested()], ALWAYS)
    assert (life.phase, effects) == (Phase.STARTING, [])
    assert live([Launched()], ALWAYS, life)[1] == [Terminate(15), Arm(GRACE)]
    assert live([LaunchFailed()], ALWAYS, life)[0].phase is Phase.STOPPED


def test_a_second_stop_only_ever_shortens() -> None:
    stopping, _ = live([*STARTED, StopRequested()])
    assert live([StopRequested()], NEVER, stopping)[1] == []
    assert live([StopRequested(StopPolicy(grace_ns=2 * SECOND))], NEVER, stopping)[1] == [Hasten(2 * SECOND)]
    assert live([StopRequested(StopPolicy(grace_ns=None))], NEVER, stopping)[1] == []
    assert live([StopRequested(StopPolicy(grace_ns=0))], NEVER, stopping)[1] == [Kill(), Arm(KILL_AGAIN_NS)]
    assert live([KillRequested()], NEVER, stopping)[1] == [Kill(), Arm(KILL_AGAIN_NS)]


def test_a_start_while_stopping_starts_again_once_it_is_down() -> None:
    life, effects = live([*STARTED, StopRequested(), StartRequested()], ALWAYS)
    assert (life.phase, effects) == (Phase.STOPPING, [])
    life, effects = live([crash(code=143)], ALWAYS, life)
    assert (life.phase, life.manually_stopped, effects) == (Phase.STARTING, False, [Disarm(), Launch()])


def test_a_restart_stops_and_launches_at_once() -> None:
    life, effects = live([*STARTED, RestartRequested()])
    assert effects == [StopHealth(), Terminate(15), Arm(GRACE)]
    life, effects = live([crash(code=143)], NEVER, life)
    assert (life.phase, life.restarts, effects) == (Phase.STARTING, 0, [Disarm(), Launch()])
    assert live([*STARTED, crash(), RestartRequested()], ALWAYS)[1] == [Disarm(), Launch()]
    assert live([RestartRequested()])[1] == [Launch()]


def test_signals_of_a_person() -> None:
    life, effects = live([*STARTED, KillRequested(1)], ALWAYS)
    assert (life.after, effects) == (After.POLICY, [Signal(1)])
    assert live([crash()], ALWAYS, life)[0].phase is Phase.BACKOFF
    life, effects = live([*STARTED, KillRequested(15)], ALWAYS)
    assert effects == [Signal(15)]
    assert live([crash()], ALWAYS, life)[0].phase is Phase.STOPPED
    life, effects = live([*STARTED, KillRequested()], ALWAYS)
    assert effects == [StopHealth(), Kill(), Arm(KILL_AGAIN_NS)]
    assert live([crash(code=137)], ALWAYS, life)[0].phase is Phase.STOPPED


# ---- pause, health, hooks ---------------------------------------------------------------------------------------


def test_a_paused_container_is_thawed_before_it_is_stopped() -> None:
    life, effects = live([*STARTED, PauseRequested()])
    assert (life.state, effects) == (State.PAUSED, [StopHealth(), Freeze()])
    assert live([UnpauseRequested()], NEVER, life)[1] == [Thaw(), StartHealth()]
    assert live([StopRequested()], NEVER, life)[1] == [Thaw(), Terminate(15), Arm(GRACE)]
    assert live([KillRequested(15)], NEVER, life)[1] == [Thaw(), StartHealth(), Signal(15)]
    assert live([crash(code=137)], NEVER, life)[1] == [Thaw()]


def test_a_healthy_policy_for_the_unhealthy() -> None:
    def unhealthy(what: OnUnhealthy, restart: RestartCondition = RestartCondition.NO) -> tuple[list[Effect], Phase]:
        policy = Policy(restart=RestartPolicy(restart), on_unhealthy=what)
        life, effects = live([*STARTED, Unhealthy()], policy)
        return effects, live([crash(30 * SECOND)], policy, life)[0].phase

    stop: list[Effect] = [StopHealth(), Terminate(15), Arm(GRACE)]
    kill: list[Effect] = [StopHealth(), Kill(), Arm(KILL_AGAIN_NS)]
    assert unhealthy(OnUnhealthy.NONE) == ([], Phase.STOPPED)
    assert unhealthy(OnUnhealthy.RESTART) == (stop, Phase.BACKOFF)
    assert unhealthy(OnUnhealthy.STOP, RestartCondition.ALWAYS) == (stop, Phase.STOPPED)
    assert unhealthy(OnUnhealthy.KILL) == (kill, Phase.STOPPED)
    assert unhealthy(OnUnhealthy.KILL, RestartCondition.ALWAYS) == (kill, Phase.BACKOFF)


def test_an_unhealthy_restart_counts_and_backs_off() -> None:
    policy = Policy(on_unhealthy=OnUnhealthy.RESTART)
    life, effects = live([*STARTED, Unhealthy(), crash()], policy)
    assert (life.restarts, effects) == (1, [Disarm(), Arm(100 * MILLISECOND)])
    assert live([Elapsed()], policy, life)[1] == [Launch()]


HOOKED = Policy(post_start=(Hook(("a",)),), pre_stop=(Hook(("b",)),))


def test_post_start_hooks() -> None:
    life, effects = live(STARTED, HOOKED)
    assert (life.phase, life.state, effects) == (Phase.POST_START, State.RUNNING, [StartHealth(), RunPostStart()])
    assert live([HooksSucceeded()], HOOKED, life)[0].phase is Phase.RUNNING
    failed, effects = live([HooksFailed()], Policy(restart=ALWAYS.restart, post_start=HOOKED.post_start), life)
    assert effects == [StopHealth(), CancelHooks(), Terminate(15), Arm(GRACE)]
    assert live([crash()], ALWAYS, failed)[0].phase is Phase.STOPPED
    assert live([crash()], HOOKED, life)[1] == [StopHealth(), CancelHooks()]


def test_pre_stop_hooks() -> None:
    running, _ = live([*STARTED, HooksSucceeded()], HOOKED)
    life, effects = live([StopRequested()], HOOKED, running)
    assert (life.phase, effects) == (Phase.PRE_STOP, [StopHealth(), RunPreStop()])
    for ended in (HooksSucceeded(), HooksFailed()):
        assert live([ended], HOOKED, life)[1] == [Terminate(15), Arm(GRACE)]
    assert live([StopRequested()], HOOKED, life)[1] == [CancelHooks(), Terminate(15), Arm(GRACE)]
    assert live([KillRequested()], HOOKED, life)[1] == [CancelHooks(), Kill(), Arm(KILL_AGAIN_NS)]
    assert live([crash()], HOOKED, life)[1] == [CancelHooks()]
    at_once = StopRequested(StopPolicy(grace_ns=0))
    assert live([at_once], HOOKED, running)[1] == [StopHealth(), Kill(), Arm(KILL_AGAIN_NS)]


# ---- adoption, refusals -----------------------------------------------------------------------------------------


def test_adoption() -> None:
    life, effects = adopt(State.RUNNING, restarts=2)
    assert (life.phase, life.restarts, effects) == (Phase.RUNNING, 2, (StartHealth(),))
    life, effects = adopt(State.RESTARTING, restarts=2, delay_ns=400 * MILLISECOND)
    assert (life.phase, effects) == (Phase.BACKOFF, (Arm(400 * MILLISECOND),))
    assert adopt(State.PAUSED).life.phase is Phase.PAUSED
    assert adopt(State.EXITED).life == Life(launched=True)
    assert adopt(State.CREATED).life == Life()


def test_a_stop_is_not_forgotten_by_the_next_supervisor() -> None:
    life, _ = adopt(State.RUNNING, manually_stopped=True)
    assert live([crash()], ALWAYS, life)[0].phase is Phase.STOPPED


@pytest.mark.parametrize(
    ("phase", "request_", "why"),
    [
        (Phase.STOPPED, PauseRequested(), "it is not running"),
        (Phase.PAUSED, PauseRequested(), "it is paused already"),
        (Phase.POST_START, PauseRequested(), "its post_start hooks are running"),
        (Phase.RUNNING, PauseRequested(), None),
        (Phase.RUNNING, UnpauseRequested(), "it is not paused"),
        (Phase.BACKOFF, KillRequested(), "it is not running"),
        (Phase.KILLING, KillRequested(), None),
        (Phase.STOPPED, StopRequested(), None),
    ],
)
def test_refusals(phase: Phase, request_: Request, why: str | None) -> None:
    assert refusal(Life(phase=phase), request_) == why


# ---- whatever happens -------------------------------------------------------------------------------------------

EVENTS = st.one_of(
    st.sampled_from(
        [
            Launched(),
            LaunchFailed(),
            Elapsed(),
            Unhealthy(),
            HooksSucceeded(),
            HooksFailed(),
            StartRequested(),
            StopRequested(),
            StopRequested(StopPolicy(grace_ns=0)),
            StopRequested(StopPolicy(grace_ns=None)),
            RestartRequested(),
            KillRequested(),
            KillRequested(15),
            KillRequested(1),
            PauseRequested(),
            UnpauseRequested(),
        ]
    ),
    st.builds(Exited, st.sampled_from([0, 1, 137, None]), st.sampled_from([0, SHORT, 60 * SECOND])),
)
POLICIES = st.builds(
    Policy,
    restart=st.builds(
        RestartPolicy,
        st.sampled_from(tuple(RestartCondition)),
        st.sampled_from([0, 2]),
        st.sampled_from([None, 0, SECOND]),
    ),
    on_unhealthy=st.sampled_from(tuple(OnUnhealthy)),
    stop=st.sampled_from([StopPolicy(), StopPolicy(grace_ns=0), StopPolicy(grace_ns=None)]),
    post_start=st.sampled_from([(), HOOKED.post_start]),
    pre_stop=st.sampled_from([(), HOOKED.pre_stop]),
)


class World:
    """The part of the world that a life depends on: a launch in flight, a process, a timer, hooks."""

    def __init__(self) -> None:
        self.launching = self.process = self.armed = self.hooks = self.frozen = False

    def can(self, event: Event) -> bool:
        """Whether the world could let this happen now."""
        match event:
            case Launched() | LaunchFailed():
                return self.launching
            case Exited():
                return self.process
            case Elapsed():
                return self.armed
            case HooksSucceeded() | HooksFailed():
                return self.hooks
            case _:
                return True

    def happen(self, event: Event) -> None:
        match event:
            case Launched():
                self.launching, self.process, self.frozen = False, True, False
            case LaunchFailed():
                self.launching = False
            case Exited():
                self.process = False
            case Elapsed():
                self.armed = False
            case HooksSucceeded() | HooksFailed():
                self.hooks = False
            case _:
                pass

    def perform(self, effect: Effect) -> None:
        match effect:
            case Launch():
                assert not self.launching, "two launches in flight"
                assert not self.process, "a launch beside a running process"
                self.launching = True
            case Terminate() | Signal() | Kill():
                assert self.process, f"{effect} without a process"
            case Arm():
                self.armed = True
            case Hasten():
                assert self.armed, "nothing to hasten"
            case Disarm():
                self.armed = False
            case RunPostStart() | RunPreStop():
                assert self.process
                assert not self.frozen, "hooks in a frozen cgroup"
                self.hooks = True
            case CancelHooks():
                self.hooks = False
            case Freeze():
                self.frozen = True
            case Thaw():
                self.frozen = False
            case _:
                pass


@settings(max_examples=400, deadline=None)
@given(POLICIES, st.lists(EVENTS, max_size=30))
def test_whatever_happens_the_life_agrees_with_the_world(policy: Policy, events: list[Event]) -> None:
    life, world, wanted = Life(), World(), False
    for event in events:
        if not world.can(event):
            continue
        world.happen(event)
        life, effects = advance(life, event, policy)
        for effect in effects:
            world.perform(effect)
        assert world.launching == (life.phase is Phase.STARTING)
        assert world.process == (life.state in (State.RUNNING, State.PAUSED))
        assert world.frozen == (life.phase is Phase.PAUSED)
        assert world.hooks == (life.phase in (Phase.POST_START, Phase.PRE_STOP))
        assert not (world.armed and life.phase in (Phase.STOPPED, Phase.RUNNING)), "a timer that nobody wants"
        assert world.armed or life.phase not in (Phase.BACKOFF, Phase.KILLING), "nobody would ever wake it"
        match event:
            case StartRequested() | RestartRequested():
                wanted = True
            case StopRequested():
                wanted = False
            case _:
                pass
        if not wanted:
            assert Launch() not in effects, "restarted after a stop by hand"


@settings(max_examples=300, deadline=None)
@given(
    POLICIES,
    st.builds(Life, st.sampled_from(tuple(Phase)), st.sampled_from(tuple(After)), st.integers(0, 5), st.integers(0, 5)),
    EVENTS,
)
def test_every_phase_answers_every_event(policy: Policy, life: Life, event: Event) -> None:
    after, effects = advance(life, event, policy)
    assert isinstance(after.state, State)
    assert all(not isinstance(effect, Arm | Hasten) or effect.delay_ns >= 0 for effect in effects)


@pytest.mark.parametrize("phase", Phase)
def test_late_words_change_nothing(phase: Phase) -> None:
    """What may arrive twice or too late does no harm in any phase that does not wait for it."""
    waits: dict[type[Launched | LaunchFailed | Elapsed | HooksSucceeded | HooksFailed], tuple[Phase, ...]] = {
        Launched: (Phase.STARTING,),
        LaunchFailed: (Phase.STARTING,),
        Elapsed: (Phase.BACKOFF, Phase.STOPPING, Phase.KILLING),
        HooksSucceeded: (Phase.POST_START, Phase.PRE_STOP),
        HooksFailed: (Phase.POST_START, Phase.PRE_STOP),
    }
    for event, phases in waits.items():
        if phase not in phases:
            assert advance(Life(phase), event(), ALWAYS) == (Life(phase), ())
