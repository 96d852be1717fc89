"""What clients ask for, each operation as a plan that is made and walked, or as something to wait for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import assert_never

import anyio
import anyio.to_thread

from composer import __version__, errors
from composer.control.messages import (
    Answer,
    Attach,
    Done,
    Down,
    Happened,
    Kill,
    Leave,
    Notice,
    Operation,
    Pause,
    Ping,
    Pong,
    Queued,
    Remove,
    Resize,
    Restart,
    Run,
    Start,
    Stop,
    Stopped,
    Timeout,
    Unpause,
    Up,
    Wait,
    Watch,
)
from composer.control.server import Session
from composer.planner import operations as plans
from composer.planner.life import StartRequested
from composer.planner.observed import Observed
from composer.planner.plan import Anonymous, Plan
from composer.planner.reconcile import reconcile
from composer.planner.teardown import teardown
from composer.planner.volumes import differences
from composer.spec.desired import Desired
from composer.store.events import Event
from composer.supervisor.adoption import adopt_kept
from composer.supervisor.attaching import attach, resize
from composer.supervisor.executor import execute
from composer.supervisor.keeper import Keeper
from composer.supervisor.launcher_link import LauncherGone
from composer.supervisor.project import Project
from composer.supervisor.recording import Arrival, Recording, recording
from composer.supervisor.steps import Steps

_NS = 1_000_000_000
Planner = Callable[[Desired, Observed], Plan]


class Operations:
    """The operations on one project. `leave` is called when a client wants the supervisor gone."""

    def __init__(self, project: Project, *, leave: Callable[[], None]) -> None:
        self._project = project
        self._leave = leave

    async def handle(self, session: Session, operation: Operation) -> Done:
        """Do what a client asks for. Raises PycomposeError."""
        try:
            return await self._handle(session, operation)
        except LauncherGone:
            # this process is about to leave: the client's connection ends, and it asks the next supervisor
            await anyio.sleep_forever()
            raise

    async def _handle(self, session: Session, operation: Operation) -> Done:
        match operation:
            case Up():
                return await self._up(session, operation)
            case Down():
                return await self._down(session, operation)
            case Start():
                return await self._start(session, operation)
            case Restart():
                return await self._restart(session, operation)
            case Stop():
                return await self._stop(session, operation)
            case Remove():
                return await self._take_down(session, lambda d, o: plans.remove_plan(d, o, options=operation.options))
            case Kill(services, signal):
                return await self._at_once(
                    session, lambda d, o: plans.kill_plan(d, o, signal=signal, services=services)
                )
            case Pause(services):
                return await self._at_once(session, lambda d, o: plans.pause_plan(d, o, services=services))
            case Unpause(services):
                return await self._at_once(session, lambda d, o: plans.unpause_plan(d, o, services=services))
            case Run():
                return await self._run(operation)
            case Wait():
                return await self._wait(session, operation)
            case Watch(services):
                return await self._watch(session, services)
            case Attach(container):
                return await attach(session, self._project.keeper(container))
            case Resize():
                resize(self._project.keeper(operation.container), operation)
            case Ping():
                session.tell(Pong(os.getpid(), __version__, self._project.turn.holder))
            case Leave():
                self._leave()
            case _:
                assert_never(operation)
        return Done()

    # ---- plans --------------------------------------------------------------------------------------------------

    async def _up(self, session: Session, up: Up) -> Done:
        project = self._project
        arrival = Arrival.of(session, up)
        async with project.turn.to_bring_up(session.client, queued=_queued(session)):
            arrival = arrival.has_turn()
            observed = await self._observe(up.desired, starting=up.desired)
            plan = reconcile(up.desired, observed, options=up.options)
            project.want(up.desired)
            project.supervise(wanted=up.supervise)
            for sentence in differences(up.desired, observed):
                session.tell(Notice(sentence))
            if plan.orphans:
                session.tell(Notice(_orphans(project.name, plan.orphans)))
            # containers that are made only are no start
            recorded = self._recording(arrival, plan, observed) if up.options.start else nullcontext()
            with recorded as record, self._within(up.wait_timeout_ns):
                await self._walk(session, plan, timeout_ns=up.timeout_ns, record=record)
        return Done()

    async def _start(self, session: Session, start: Start) -> Done:
        def planner(desired: Desired, observed: Observed) -> Plan:
            return plans.start_plan(desired, observed, services=start.services, wait=start.wait)

        arrival = Arrival.of(session, start)
        with self._within(start.wait_timeout_ns):
            return await self._bring_up(session, planner, arrival=arrival)

    @contextmanager
    def _within(self, limit_ns: int | None) -> Iterator[None]:
        """A limit for the body. Raises PycomposeError that says how far the containers have come."""
        limit = None if limit_ns is None else limit_ns / _NS
        with anyio.move_on_after(limit) as waiting:
            yield
        if waiting.cancelled_caught:
            states = ", ".join(f"{keeper.name} is {_state(keeper)}" for keeper in self._project.of_services(()))
            raise errors.PycomposeError(f"cannot bring up project {self._project.name} within {limit:g} s: {states}")

    async def _down(self, session: Session, down: Down) -> Done:
        project = self._project
        async with project.turn.to_take_down(session.client, queued=_queued(session)):
            if not down.options.services:
                await adopt_kept(project, boot=project.boot_id)
            desired = down.desired or project.desired
            plan = teardown(await self._observe(None), desired, options=down.options)
            await self._walk(session, plan, timeout_ns=down.timeout_ns)
            if not down.options.services and not project.keepers:
                await project.clear_cgroups()
        return Done()

    async def _restart(self, session: Session, restart: Restart) -> Done:
        def planner(desired: Desired, observed: Observed) -> Plan:
            return plans.restart_plan(desired, observed, options=restart.options)

        return await self._bring_up(session, planner, timeout_ns=restart.timeout_ns)

    async def _stop(self, session: Session, stop: Stop) -> Done:
        def planner(desired: Desired, observed: Observed) -> Plan:
            return plans.stop_plan(stop.desired or desired, observed, services=stop.services)

        return await self._take_down(session, planner, timeout_ns=stop.timeout_ns)

    async def _bring_up(
        self, session: Session, planner: Planner, *, timeout_ns: Timeout = None, arrival: Arrival | None = None
    ) -> Done:
        """Plan and walk when it is our turn; what has an `arrival` is written down as the last start."""
        async with self._project.turn.to_bring_up(session.client, queued=_queued(session)):
            arrival = arrival.has_turn() if arrival else None
            return await self._at_once(session, planner, timeout_ns=timeout_ns, starts=True, arrival=arrival)

    async def _take_down(self, session: Session, planner: Planner, *, timeout_ns: Timeout = None) -> Done:
        async with self._project.turn.to_take_down(session.client, queued=_queued(session)):
            return await self._at_once(session, planner, timeout_ns=timeout_ns)

    async def _at_once(
        self,
        session: Session,
        planner: Planner,
        *,
        timeout_ns: Timeout = None,
        starts: bool = False,
        arrival: Arrival | None = None,
    ) -> Done:
        """Plan and walk, whoever has the turn."""
        desired = self._project.desired or Desired(self._project.name, ())
        observed = await self._observe(None, starting=desired if starts else None)
        plan = planner(desired, observed)
        with self._recording(arrival, plan, observed) if arrival else nullcontext() as record:
            await self._walk(session, plan, timeout_ns=timeout_ns, record=record)
        return Done()

    async def _observe(self, desired: Desired | None, *, starting: Desired | None = None) -> Observed:
        await self._project.wait_launches()
        return await anyio.to_thread.run_sync(self._project.observed, desired, starting)

    async def _walk(
        self, session: Session, plan: Plan, *, timeout_ns: Timeout, record: Recording | None = None
    ) -> None:
        def tell(answer: Answer) -> None:
            if record is not None:
                record.told(answer)
            session.tell(answer)

        def happened(event: Event) -> None:
            if record is not None:
                record.happened(event)
            session.tell(Happened(event))

        steps = Steps(self._project, tell=session.tell, timeout_ns=timeout_ns)
        with self._project.bus.listening(happened):
            await execute(plan, steps.perform, tell=tell, service_of=self._project.service_of)

    def _recording(self, arrival: Arrival, plan: Plan, observed: Observed) -> AbstractContextManager[Recording]:
        keepers = self._project.keepers
        return recording(
            self._project.paths,
            arrival,
            plan=plan,
            observed=observed,
            health_of=lambda name: keepers[name].health if name in keepers else None,
            link=self._project.link,
            log=self._project.log,
        )

    # ---- one-off containers -------------------------------------------------------------------------------------

    async def _run(self, run: Run) -> Done:
        name = run.spec.name
        if name in self._project.keepers:
            raise errors.Conflict(f"cannot run container {name}: there is one of that name already")
        for volume in run.volumes:
            await self._project.create_volume_as(volume)
        keeper = await self._project.create(run.spec, run.policy, auto_remove=run.remove)
        try:
            await keeper.request(StartRequested())
            await keeper.wait_started()
        except errors.PycomposeError:
            await self._project.remove(name, anonymous=Anonymous.REMOVE)
            raise
        return Done((name,))

    # ---- waiting ------------------------------------------------------------------------------------------------

    async def _wait(self, session: Session, wait: Wait) -> Done:
        keepers = [self._project.keeper(name) for name in wait.containers]
        if wait.services or not wait.containers:
            keepers += self._project.of_services(wait.services)
        async with session.while_connected(), anyio.create_task_group() as group:
            for keeper in keepers:
                group.start_soon(_tell_stopped, session, keeper, group.cancel_scope if wait.first else None)
        return Done()

    async def _watch(self, session: Session, services: tuple[str, ...]) -> Done:
        def all_at_rest() -> bool | None:
            return True if all(keeper.is_at_rest for keeper in self._project.of_services(services)) else None

        with self._project.bus.listening(lambda event: session.tell(Happened(event))):
            async with session.while_connected():
                await self._project.changes.wait_for(all_at_rest)
        return Done()


async def _tell_stopped(session: Session, keeper: Keeper, first: anyio.CancelScope | None) -> None:
    await keeper.wait_at_rest()
    session.tell(Stopped(keeper.name, keeper.record.spec.service, keeper.record.exit_code))
    if first is not None:
        first.cancel()


def _queued(session: Session) -> Callable[[str], None]:
    return lambda holder: session.tell(Queued(holder))


def _state(keeper: Keeper) -> str:
    health = keeper.record.health
    return f"{keeper.record.state.value} ({health.status.value})" if health else keeper.record.state.value


def _orphans(project: str, names: tuple[str, ...]) -> str:
    return (
        f"project {project} has containers of services that the files no longer have: {', '.join(names)} "
        "(--remove-orphans removes them)"
    )
