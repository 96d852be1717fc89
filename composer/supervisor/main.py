"""The supervisor's process: adopts what runs, serves clients, leaves when nothing is left to do.

It may be killed at any time: the launcher starts another one, which adopts. Its exit status 0 tells the launcher that
nothing is left to supervise.
"""

from __future__ import annotations

import gc
import os
import time
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup, TaskStatus

from composer.control import server
from composer.control.config import SupervisorConfig
from composer.linux.prctl import set_name
from composer.log import Log, open_log
from composer.runtime.launcher.client import adopt_descriptor
from composer.store.events import EventLog
from composer.store.observe import boot_id
from composer.store.paths import Paths
from composer.supervisor import lifetime, succession
from composer.supervisor.adoption import adopt_all
from composer.supervisor.bus import Bus
from composer.supervisor.changes import Changes
from composer.supervisor.launcher_link import LauncherGone, LauncherLink
from composer.supervisor.operations import Operations
from composer.supervisor.project import Project

NOTHING_LEFT = 0
LAUNCHER_DIED = 1
_FIRST_CLIENT = 5.0  # seconds that whoever had us started has to connect
LASTED = 2.0  # seconds after which a launcher's death is bad luck and no reason to stop trying


def main(config: SupervisorConfig, *, descriptor: int) -> int:
    """Supervise a project until nothing is left to do; the exit status."""
    set_name("pycompose-super")
    paths = Paths(run=config.run, root=config.root)
    places = paths.project(config.project)
    launcher = adopt_descriptor(descriptor)
    try:
        log = open_log(places.supervisor_log).bind(pid=os.getpid())
        if lifetime.acquire(places.supervisor_lock, launcher=launcher, log=log) is None:
            return LAUNCHER_DIED
    except FileNotFoundError:
        return NOTHING_LEFT  # somebody has deleted the project's directory: nobody could reach us any more
    supervisor = Supervisor(paths, config.project, link=LauncherLink(launcher), log=log)
    log.info("started")
    began = time.monotonic()
    try:
        anyio.run(supervisor.run)
    except BaseException:
        log.exception("crashed")
        raise
    log.info("left", launcher_died=supervisor.has_lost_launcher)
    if not supervisor.has_lost_launcher:
        return NOTHING_LEFT
    if supervisor.has_foreign_launcher or time.monotonic() - began >= LASTED:
        succession.become_launcher(config, dismissed=supervisor.has_foreign_launcher)
    return LAUNCHER_DIED


class Supervisor:
    """Everything that runs in this process."""

    def __init__(self, paths: Paths, project: str, *, link: LauncherLink, log: Log) -> None:
        self.has_lost_launcher = False
        self._paths = paths
        self._project = project
        self._places = paths.project(project)
        self._link = link
        self._log = log
        self._changes = Changes()
        self._clients = 0
        self._expecting: anyio.CancelScope | None = None  # the client that had us started
        self._is_asked_to_leave = False

    @property
    def has_foreign_launcher(self) -> bool:
        """Whether the launcher was of another version and has been asked to leave."""
        return self._link.is_foreign

    async def run(self) -> None:
        """Adopt, serve, and leave in the end."""
        boot = boot_id()
        bus = Bus(EventLog(self._places.events), complaints=self._log)
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow_launcher)
            project = Project(
                self._paths,
                self._project,
                link=self._link,
                bus=bus,
                changes=self._changes,
                group=group,
                boot_id=boot,
                log=self._log,
            )
            project.recall()
            with suppress(LauncherGone):  # then it is noted, and we leave
                await adopt_all(project, await self._link.list_containers(), boot=boot)
                await self._serve(project, group)
            group.cancel_scope.cancel()

    async def _serve(self, project: Project, group: TaskGroup) -> None:
        operations = Operations(project, leave=self._leave)
        async with server.listen(self._places.supervisor_socket, operations.handle, changed=self._count):
            await group.start(self._expect_client)
            gc.collect()
            gc.freeze()
            await self._changes.wait_for(lambda: self._may_leave(project))

    def _may_leave(self, project: Project) -> bool | None:
        if self._is_asked_to_leave or self.has_lost_launcher:
            return True
        is_needed = self._clients or self._expecting or not project.is_at_rest
        return None if is_needed else True

    async def _follow_launcher(self) -> None:
        await self._link.run()
        self.has_lost_launcher = True
        self._changes.tell()

    async def _expect_client(self, *, task_status: TaskStatus[None]) -> None:
        with anyio.CancelScope() as self._expecting:
            task_status.started()
            await anyio.sleep(_FIRST_CLIENT)
        self._expecting = None
        self._changes.tell()

    def _count(self, clients: int) -> None:
        self._clients = clients
        if self._expecting is not None:
            self._expecting.cancel()
        self._changes.tell()

    def _leave(self) -> None:
        self._is_asked_to_leave = True
        self._changes.tell()
