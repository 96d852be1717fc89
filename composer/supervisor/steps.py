"""Performs one step of a plan: an action becomes a request to a keeper, and waiting until it is met."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import anyio.from_thread

from composer import errors
from composer.control.messages import Answer, StepProgress, Timeout
from composer.frozen import replace
from composer.planner.life import (
    KillRequested,
    PauseRequested,
    RestartRequested,
    StartRequested,
    StopRequested,
    UnpauseRequested,
)
from composer.planner.plan import (
    AwaitService,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    KillContainer,
    PauseContainer,
    PrepareRootfs,
    RemoveContainer,
    RemoveNetwork,
    RemoveVolume,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
    UnpauseContainer,
)
from composer.spec.policy import StopPolicy
from composer.spec.rootfs import Archive
from composer.supervisor.awaiting import wait_for_service
from composer.supervisor.keeper import Keeper
from composer.supervisor.project import Project

WITHOUT_END = -1
_REPORTS = 200  # of one archive's progress


class Steps:
    """How the steps of one operation are done."""

    def __init__(self, project: Project, *, tell: Callable[[Answer], None], timeout_ns: Timeout = None) -> None:
        self._project = project
        self._tell = tell
        self._timeout_ns = timeout_ns

    async def perform(self, step: Step) -> str:
        """Do what the step says; a note for the user, or "". Raises PycomposeError."""
        match step.action:
            case PrepareRootfs(path):
                await self._prepare(path, step.number)
            case CreateNetwork(name):
                await self._project.networks.create(name)
            case RemoveNetwork(name):
                return await self._project.networks.remove(name)
            case CreateContainer(name):
                await self._made(name)
            case StartContainer(name):
                keeper = await self._made(name)
                await keeper.request(StartRequested())
                await keeper.wait_started()
            case StopContainer(name):
                keeper = self._project.keeper(name)
                await keeper.request(StopRequested(self._stop(keeper)))
                await keeper.wait_at_rest()
            case RestartContainer(name):
                await self._restart(self._project.keeper(name))
            case PauseContainer(name):
                await self._project.keeper(name).request(PauseRequested())
            case UnpauseContainer(name):
                await self._project.keeper(name).request(UnpauseRequested())
            case KillContainer(name, signal):
                await self._project.keeper(name).request(KillRequested(signal))
            case RemoveContainer(name, anonymous):
                await self._project.remove(name, anonymous=anonymous)
            case CreateVolume(name):
                await self._project.create_volume(name)
            case RemoveVolume(name):
                return await self._remove_volume(name)
            case AwaitService():
                return await self._await(step.action)
            case _:
                assert_never(step.action)
        return ""

    async def _prepare(self, path: str, number: int) -> None:
        """Unpack, telling how far it is: at most so many times, for a large archive has many blocks."""
        told = 0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if done * _REPORTS >= told * total:
                told += 1
                anyio.from_thread.run_sync(self._tell, StepProgress(number, done, total))

        await self._project.launching.resolve(Archive(path), progress=progress)

    async def _made(self, name: str) -> Keeper:
        """The container, made where it is missing."""
        if name in self._project.keepers:
            return self._project.keeper(name)
        found = self._project.wanted(name)
        if found is None:
            raise errors.NoSuchThing(f"cannot make container {name}: nothing says how")
        spec, policy = found
        return await self._project.create(spec, policy)

    async def _restart(self, keeper: Keeper) -> None:
        await keeper.request(RestartRequested(self._stop(keeper)))
        await keeper.wait_started()
        keeper.journal.publish("restart")

    def _stop(self, keeper: Keeper) -> StopPolicy | None:
        """How to stop it, where that differs from its own policy."""
        if self._timeout_ns is None:
            return None
        grace_ns = None if self._timeout_ns == WITHOUT_END else self._timeout_ns
        return replace(keeper.record.policy.stop, grace_ns=grace_ns)

    async def _remove_volume(self, name: str) -> str:
        """What others use stays: `down` of one project is not to fail for the sake of another."""
        try:
            await self._project.remove_volume(name)
        except (errors.Conflict, errors.NoSuchThing) as error:
            return error.message
        return ""

    async def _await(self, action: AwaitService) -> str:
        try:
            await wait_for_service(action, [self._project.keeper(name) for name in action.containers])
        except errors.DependencyFailed as error:
            if action.required:
                raise
            return f"optional dependency {error.message}"
        return ""
