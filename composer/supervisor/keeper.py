"""Looks after one container: one task owns its life, everything else sends it messages.

    requests of people ──┐                           ┌─► launcher: start, probe, hook
    alarm, probes, hooks ─┼─► inbox ─► this task ────┼─► pidfd: signals; cgroup: kill, freeze, thaw
    launch, end, oom ────┘      planner.lifecycle    └─► journal; change told to whoever waits

What to do is decided by planner.lifecycle and planner.health; this module performs it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import assert_never

import anyio
from anyio.abc import TaskGroup, TaskStatus

from composer import errors
from composer.log import Log
from composer.planner import health as health_machine
from composer.planner import lifecycle
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
    Launch,
    Launched,
    LaunchFailed,
    Life,
    Outcome,
    Phase,
    Request,
    RunPostStart,
    RunPreStop,
    Signal,
    StartHealth,
    StopHealth,
    Terminate,
    Thaw,
    Unhealthy,
)
from composer.planner.observed import HealthStatus
from composer.spec.policy import Hook
from composer.store.logs.block import STDOUT
from composer.store.records import ContainerRecord
from composer.supervisor.alarm import Alarm
from composer.supervisor.changes import Changes
from composer.supervisor.facts import (
    Began,
    CouldNotBegin,
    Ended,
    Fact,
    HooksEnded,
    OutOfMemory,
    ProbeEnded,
    Rang,
)
from composer.supervisor.hooks import run_hook
from composer.supervisor.journal import Journal
from composer.supervisor.launcher_link import LauncherGone, LauncherLink
from composer.supervisor.prober import Interest, Probed, Prober
from composer.supervisor.run import Run


class Keeper:
    """One container. Its state may be read by anyone and is changed by its own task only."""

    def __init__(
        self,
        journal: Journal,
        *,
        link: LauncherLink,
        launch: Callable[[ContainerRecord], Awaitable[Run]],
        state: str,
        changed: Callable[[], None],
        log: Log,
    ) -> None:
        self.life = Life(launched=journal.record.started_ns > 0)
        self.changes = Changes()
        self.interest = Interest()
        self.failure: errors.PycomposeError | None = None  # why the last start was none
        self.run: Run | None = None
        self.journal = journal
        self._link = link
        self._launch = launch
        self._state = state
        self._changed = changed
        self._log = log
        self._outbox, self._inbox = anyio.create_memory_object_stream[tuple[Fact, anyio.Event]](float("inf"))
        self._group: TaskGroup
        self._alarm: Alarm
        self._health = health_machine.begin(None)
        self._probing = anyio.CancelScope()
        self._hooks = anyio.CancelScope()

    @property
    def record(self) -> ContainerRecord:
        return self.journal.record

    @property
    def name(self) -> str:
        return self.record.spec.name

    @property
    def health(self) -> health_machine.Health:
        """What the probes of its last run have said so far."""
        return self._health

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing will happen to it unless somebody asks."""
        return self.life.phase is Phase.STOPPED

    @property
    def is_starting(self) -> bool:
        """Whether a launch is in flight."""
        return self.life.phase is Phase.STARTING

    # ---- what others ask of it ----------------------------------------------------------------------------------

    async def request(self, request: Request) -> None:
        """Put a person's request to the machine; returns when it is under way. Raises Conflict: it has no meaning."""
        refusal = lifecycle.refusal(self.life, request)
        if refusal is not None:
            raise errors.Conflict(f"cannot {_VERBS[type(request).__name__]} container {self.name}: {refusal}")
        handled = self._post(request)
        await handled.wait()

    async def wait_started(self) -> None:
        """Wait until a start or restart under way has come out. Raises PycomposeError: why it failed."""
        await self.changes.wait_for(lambda: True if self._is_settled() else None)
        if self.failure is not None:
            raise self.failure

    async def wait_at_rest(self) -> None:
        """Wait until it has stopped for good."""
        await self.changes.wait_for(lambda: True if self.is_at_rest else None)

    def _is_settled(self) -> bool:
        match self.life.phase:
            case Phase.STARTING | Phase.POST_START:
                return False
            case Phase.PRE_STOP | Phase.STOPPING | Phase.KILLING:
                return self.life.after is not After.RELAUNCH
            case _:
                return True

    def open_input(self) -> int | None:
        """A descriptor to write to its standard input with, the caller's to close. None where it has no such thing."""
        if self.run is not None and self.run.terminal is not None:
            return os.dup(self.run.terminal)
        if not self.record.spec.process.stdin_open:
            return None
        return os.open(f"{self._state}/stdin", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)

    # ---- its task -----------------------------------------------------------------------------------------------

    async def look_after(
        self, adopted: Outcome, run: Run | None = None, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Live through facts until cancelled, beginning with a life and a run that may be there already."""
        async with self._inbox, self._outbox, anyio.create_task_group() as group:
            self._group = group
            self._alarm = Alarm(group, self._ring)
            if run is not None:
                self.journal.adopted(run)
                self._follow(run)
                self._health = self.journal.health
                await self._tell_health()
            self._enter(adopted)
            await self._perform_all(adopted)
            task_status.started()
            try:
                async for fact, handled in self._inbox:
                    await self._handle(fact)
                    handled.set()
            finally:
                self._let_go()

    def _let_go(self) -> None:
        """Nobody is to wait for what will not be handled any more."""
        while self._inbox.statistics().current_buffer_used:
            _, handled = self._inbox.receive_nowait()
            handled.set()

    def _ring(self, setting: int) -> None:
        self._post(Rang(setting))

    def _post(self, fact: Fact) -> anyio.Event:
        handled = anyio.Event()
        self._outbox.send_nowait((fact, handled))
        return handled

    async def _handle(self, fact: Fact) -> None:
        event = self._note(fact)
        if event is not None:
            outcome = lifecycle.advance(self.life, event, self.record.policy)
            self._enter(outcome)
            if isinstance(fact, Ended):  # the record has its end now, and a new launch has not begun
                await self._link.forget(fact.run.child)
            await self._perform_all(outcome)

    def _enter(self, outcome: Outcome) -> None:
        self.life = outcome.life
        self.journal.lives(outcome.life)

    async def _perform_all(self, outcome: Outcome) -> None:
        for effect in outcome.effects:
            await self._perform(effect)
        self.changes.tell()
        self._changed()

    def _note(self, fact: Fact) -> Event | None:
        """Write a fact down; what it means to the machine, None where it is stale or means nothing."""
        match fact:
            case Began(run):
                self.journal.began(run)
                self._health = health_machine.begin(self.record.policy.health)
                self._follow(run)
                return Launched()
            case CouldNotBegin(error):
                self.failure = error
                self.journal.could_not_begin(error)
                return LaunchFailed()
            case Ended(run, end):
                self.journal.ended(run, end, self.life)
                run.close()
                self.run = None
                return Exited(end.exit_code, run.age_ns())
            case OutOfMemory(run, kills):
                self.journal.out_of_memory(run, kills)
                return None
            case Rang(setting):
                return Elapsed() if setting == self._alarm.setting else None
            case ProbeEnded(scope, probed):
                return self._note_probe(probed) if scope is self._probing and not scope.cancel_called else None
            case HooksEnded(scope, error):
                return self._note_hooks(error) if scope is self._hooks and not scope.cancel_called else None
            case _:
                return fact

    def _note_probe(self, probed: Probed) -> Event | None:
        before, self._health = self._health, probed.health
        self.journal.probed(probed, before=before)
        self.changes.tell()
        turned = probed.health.status is not before.status
        if turned:
            self._group.start_soon(self._tell_health)
        return Unhealthy() if turned and probed.health.status is HealthStatus.UNHEALTHY else None

    async def _tell_health(self) -> None:
        """To whom it matters for names."""
        if self.record.spec.names.only_healthy:
            await self._link.set_healthy(self.name, healthy=self._health.status is HealthStatus.HEALTHY)

    def _note_hooks(self, error: errors.PycomposeError | None) -> Event:
        if error is None:
            return HooksSucceeded()
        self._log.warning("hook failed", why=error.message)
        if self.life.phase is Phase.POST_START:
            self.failure = error
        return HooksFailed()

    # ---- one run ------------------------------------------------------------------------------------------------

    def _follow(self, run: Run) -> None:
        self.run = run
        self._group.start_soon(self._see_through, run)

    async def _see_through(self, run: Run) -> None:
        """Carry a run's output and watch its memory until it ends, then say so."""
        async with anyio.create_task_group() as group:
            group.start_soon(run.pump.run)
            group.start_soon(self._watch_memory, run)
            end = await run.wait_end(self._link, state=self._state)
            group.cancel_scope.cancel()
        run.pump.drain()
        self._post(Ended(run, end))

    async def _watch_memory(self, run: Run) -> None:
        try:
            async for kills in run.memory_kills():
                self._post(OutOfMemory(run, kills))
        except (errors.HostError, OSError) as error:
            self._log.warning("cannot watch memory", why=str(error))

    # ---- effects ------------------------------------------------------------------------------------------------

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Launch():
                self.failure = None
                self._group.start_soon(self._begin)
            case Terminate(signal) | Signal(signal):
                self._signal(signal)
            case Kill():
                await self._kill()
            case Arm(delay_ns):
                self._alarm.arm(delay_ns)
            case Hasten(delay_ns):
                self._alarm.hasten(delay_ns)
            case Disarm():
                self._alarm.disarm()
            case StartHealth():
                self._start_health()
            case StopHealth():
                self._probing.cancel()
            case RunPostStart():
                self._run_hooks(self.record.policy.post_start, kind="post_start")
            case RunPreStop():
                self._run_hooks(self.record.policy.pre_stop, kind="pre_stop")
            case CancelHooks():
                self._hooks.cancel()
            case Freeze():
                await self._freeze(frozen=True)
            case Thaw():
                await self._freeze(frozen=False)
            case _:
                assert_never(effect)

    async def _begin(self) -> None:
        try:
            run = await self._launch(self.record)
        except LauncherGone:
            pass  # whether it has begun is found out by the next supervisor, as this one leaves
        except errors.PycomposeError as error:
            self._post(CouldNotBegin(error))
        else:
            self._post(Began(run))

    def _signal(self, number: int) -> None:
        if self.run is not None:
            self.journal.publish("kill", signal=str(number))
            self.run.send_signal(number)

    async def _kill(self) -> None:
        if self.run is None:
            return
        self.journal.publish("kill", signal="9")
        try:
            await self.run.kill()
        except errors.HostError as error:  # the alarm rings again
            self._log.error("cannot kill", why=error.message)

    async def _freeze(self, *, frozen: bool) -> None:
        if self.run is None:
            return
        try:
            await (self.run.freeze() if frozen else self.run.thaw())
        except errors.HostError as error:
            self._log.error("cannot freeze or thaw", why=error.message)
        else:
            self.journal.publish("pause" if frozen else "unpause")

    def _start_health(self) -> None:
        check = self.record.policy.health
        if check is None or self.run is None:
            return
        self._probing = scope = anyio.CancelScope()
        prober = Prober(
            self._link,
            container=self.name,
            process=self.record.spec.process,
            check=check,
            interest=self.interest,
            age_ns=self.run.age_ns,
        )
        self._health = health_machine.resume(self._health, age_ns=self.run.age_ns())
        self._group.start_soon(self._probe, scope, prober)

    async def _probe(self, scope: anyio.CancelScope, prober: Prober) -> None:
        with scope:
            async for probed in prober.results(self._health):
                self._post(ProbeEnded(scope, probed))

    def _run_hooks(self, hooks: tuple[Hook, ...], *, kind: str) -> None:
        self._hooks = anyio.CancelScope()
        self._group.start_soon(self._run_each, self._hooks, hooks, kind)

    async def _run_each(self, scope: anyio.CancelScope, hooks: tuple[Hook, ...], kind: str) -> None:
        with scope:
            try:
                for hook in hooks:
                    await self._run_hook(hook, kind)
            except errors.PycomposeError as error:
                self._post(HooksEnded(scope, error))
            else:
                self._post(HooksEnded(scope))

    async def _run_hook(self, hook: Hook, kind: str) -> None:
        result = await run_hook(self._link, hook, container=self.name, process=self.record.spec.process, kind=kind)
        if self.run is not None:
            self.run.pump.put(STDOUT, result.output.encode())


_VERBS = {
    "StartRequested": "start",
    "StopRequested": "stop",
    "RestartRequested": "restart",
    "KillRequested": "kill",
    "PauseRequested": "pause",
    "UnpauseRequested": "unpause",
}
