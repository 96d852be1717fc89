"""One project: its containers, what they should be, and whose turn it is to change them.

Beyond this module: what an operation does (operations, steps), how one container is looked after (keeper).
"""

from __future__ import annotations

import os
import time

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup, TaskStatus

from composer import errors, images
from composer.control import volumes
from composer.frozen import replace
from composer.log import Log
from composer.planner.life import Life, Outcome
from composer.planner.observed import Observed, State
from composer.planner.plan import Anonymous
from composer.runtime import container as runtime_container
from composer.runtime import supervision
from composer.runtime.cgroup import control, kill, location
from composer.spec import codec
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.fingerprint import fingerprint
from composer.spec.policy import Policy
from composer.spec.rootfs import Archive
from composer.spec.volume import Volume
from composer.store import records, wanted
from composer.store import volumes as volume_store
from composer.store.events import Event
from composer.store.missing import missing
from composer.store.observe import observed_container
from composer.store.paths import Paths
from composer.store.records import ContainerRecord
from composer.supervisor.bus import Bus
from composer.supervisor.changes import Changes
from composer.supervisor.journal import Journal
from composer.supervisor.keeper import Keeper
from composer.supervisor.launcher_link import Child, LauncherLink
from composer.supervisor.launching import Launching
from composer.supervisor.networks import Networks
from composer.supervisor.ports import Ports
from composer.supervisor.run import Run
from composer.supervisor.turn import Turn


class Project:
    """The state of one project. Keepers are tasks of `group`."""

    def __init__(
        self,
        paths: Paths,
        name: str,
        *,
        link: LauncherLink,
        bus: Bus,
        changes: Changes,
        group: TaskGroup,
        boot_id: str,
        log: Log,
    ) -> None:
        self.name = name
        self.paths = paths.project(name)
        self.link = link
        self.bus = bus
        self.log = log
        self.keepers: dict[str, Keeper] = {}
        self.desired: Desired | None = None  # what was last asked for
        self.changes = changes  # of the set of keepers, and of whether they are at rest
        self.turn = Turn()
        self.networks = Networks(paths, name)
        self.ports = Ports(paths, name)
        self.launching = Launching(
            paths, name, link=link, running=self._child_of, networks=self.networks, ports=self.ports, log=log
        )
        self._all_paths = paths
        self._root = paths.root
        self._group = group
        self.boot_id = boot_id
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._wanted: dict[str, tuple[ContainerSpec, Policy]] = {}

    # ---- what there is ------------------------------------------------------------------------------------------

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing runs, and nothing will unless somebody asks."""
        return all(keeper.is_at_rest for keeper in self.keepers.values())

    def keeper(self, container: str) -> Keeper:
        """The keeper of a container. Raises NoSuchThing."""
        keeper = self.keepers.get(container)
        if keeper is None or container not in self._scopes:
            raise errors.NoSuchThing(f"cannot find container {container}: project {self.name} has none of that name")
        return keeper

    def of_services(self, services: tuple[str, ...]) -> list[Keeper]:
        """The keepers of these services' containers, one-off ones left out; () is all services."""
        return [
            keeper
            for keeper in self.keepers.values()
            if not keeper.record.spec.oneoff and (not services or keeper.record.spec.service in services)
        ]

    def service_of(self, container: str) -> str:
        """The service that a container belongs to, or will."""
        if container in self.keepers:
            return self.keepers[container].record.spec.service
        found = self.wanted(container)
        return found[0].service if found else container

    def observed(self, desired: Desired | None, starting: Desired | None = None) -> Observed:
        """A snapshot for the planner. Blocks for as long as archives that are new take to hash.

        `starting` is what containers may be started of: whether they can have their networks and ports is looked at.
        """
        containers = tuple(observed_container(keeper.record) for keeper in self.keepers.values())
        there = self.networks.observe(starting)
        return Observed(
            containers,
            layers=_digests(desired, root=self._root) if desired else {},
            networks=there.networks,
            subnets=there.subnets,
            obstacles=there.obstacles,
            volumes=volume_store.observed(self._all_paths),
            missing=missing(desired) if desired else {},
            project=self.name,
            ports=self.ports.observe(starting),
        )

    async def wait_launches(self) -> None:
        """Wait until no launch is in flight: what is then seen is one thing or the other."""
        await self.changes.wait_for(lambda: None if any(k.is_starting for k in self.keepers.values()) else True)

    def _child_of(self, container: str) -> Child | None:
        keeper = self.keepers.get(container)
        return keeper.run.child if keeper is not None and keeper.run is not None else None

    # ---- what should be -----------------------------------------------------------------------------------------

    def recall(self) -> None:
        """Read what a supervisor before this one was asked for."""
        try:
            desired = wanted.read(self.paths)
        except codec.DecodeError as error:
            self.log.warning("cannot read the desired state", why=str(error))
        else:
            if desired is not None:
                self._take(desired)

    def want(self, desired: Desired) -> None:
        """Remember what was asked for. Raises HostError."""
        try:
            wanted.write(self.paths, desired)
        except OSError as error:
            raise errors.HostError(f"cannot write {self.paths.desired}: {error.strerror}") from error
        self._take(desired)

    def supervise(self, *, wanted: bool) -> None:
        """Whether the launcher is to start the next supervisor when this one has died. Raises HostError."""
        try:
            supervision.want(self.paths.run, wanted=wanted)
        except OSError as error:
            raise errors.HostError(f"cannot write to {self.paths.run}: {error.strerror}") from error

    def _take(self, desired: Desired) -> None:
        self.desired = desired
        self.networks.want(desired)
        self.ports.want(desired)
        self._wanted = {
            spec.name: (spec, service.policy) for service in desired.services for spec in service.containers
        }

    def wanted(self, container: str) -> tuple[ContainerSpec, Policy] | None:
        """The spec and policy of a container in what was asked for."""
        return self._wanted.get(container)

    # ---- containers come and go ---------------------------------------------------------------------------------

    async def create(self, spec: ContainerSpec, policy: Policy, *, auto_remove: bool = False) -> Keeper:
        """Make a container, without starting it. Raises PycomposeError."""
        layer = await self.launching.resolve(spec.rootfs)
        record = ContainerRecord(
            id=os.urandom(32).hex(),
            spec=spec,
            policy=policy,
            fingerprint=fingerprint(spec, policy),
            state=State.CREATED,
            created_ns=time.time_ns(),
            layer=layer.digest or "",
            auto_remove=auto_remove,
        )
        record = replace(record, volumes=await anyio.to_thread.run_sync(volumes.anonymous, self._all_paths, record))
        keeper = await self.keep(record, Outcome(Life()))
        keeper.journal.created()
        return keeper

    async def keep(
        self, record: ContainerRecord, outcome: Outcome, *, run: Run | None = None, story: tuple[Event, ...] = ()
    ) -> Keeper:
        """Begin to look after a container, with a life, a run, and events to tell that may be there already."""
        log = self.log.bind(container=record.spec.name)
        journal = Journal(record, paths=self.paths, boot_id=self.boot_id, bus=self.bus, log=log, story=story)
        keeper = Keeper(
            journal,
            link=self.link,
            launch=self.launching.launch,
            state=self.paths.state(record.spec.name),
            changed=self.changes.tell,
            log=log,
        )
        self.keepers[keeper.name] = keeper
        self._scopes[keeper.name] = scope = anyio.CancelScope()
        await self._group.start(self._look_after, keeper, scope, outcome, run)
        if record.auto_remove:
            self._group.start_soon(self._remove_once_ended, keeper)
        return keeper

    async def _remove_once_ended(self, keeper: Keeper) -> None:
        await keeper.changes.wait_for(lambda: True if keeper.is_at_rest and keeper.record.started_ns else None)
        if self.keepers.get(keeper.name) is keeper:  # else `down` was faster
            await self.remove(keeper.name, anonymous=Anonymous.REMOVE)

    async def _look_after(
        self,
        keeper: Keeper,
        scope: anyio.CancelScope,
        outcome: Outcome,
        run: Run | None,
        *,
        task_status: TaskStatus[None],
    ) -> None:
        with scope:
            await keeper.look_after(outcome, run, task_status=task_status)

    async def remove(self, container: str, *, anonymous: Anonymous) -> None:
        """Forget a stopped container: its writable layer, its logs, its record. Raises Conflict, HostError.

        `anonymous` says what becomes of its anonymous volumes.
        """
        keeper = self.keepers.get(container)
        if keeper is None:
            return
        if not keeper.is_at_rest:
            raise errors.Conflict(f"cannot remove container {container}: it is {keeper.life.state.value}")
        if container not in self._scopes:  # somebody else is removing it
            await self.changes.wait_for(lambda: True if container not in self.keepers else None)
            return
        with anyio.CancelScope(shield=True):  # half a removal would look like a container
            await self._remove(keeper, anonymous)

    async def _remove(self, keeper: Keeper, anonymous: Anonymous) -> None:
        keeper.journal.removing()
        self._scopes.pop(keeper.name).cancel()
        try:
            await self.ports.close(keeper.name)
            # a large layer takes a while
            await anyio.to_thread.run_sync(runtime_container.remove, self.paths.bundle(keeper.name))
            self._put_away(keeper)
            await anyio.to_thread.run_sync(lambda: volumes.let_go(self._all_paths, keeper.record, fate=anonymous))
        finally:
            del self.keepers[keeper.name]
            self.changes.tell()

    def _put_away(self, keeper: Keeper) -> None:
        try:
            keeper.journal.removed()
        except OSError as error:
            raise errors.HostError(f"cannot remove container {keeper.name}: {error}") from error
        records.clear_away(self.paths)

    async def clear_cgroups(self) -> None:
        """End what no record tells of: a foreground `run` that was killed as soon as it had started. Raises HostError.

        Only for a project without containers.
        """
        await anyio.to_thread.run_sync(_clear_leftovers, self.name)

    async def create_volume(self, name: str) -> None:
        """Make a volume that was asked for, where it is missing. Raises HostError, UsageError."""
        wanted = {volume.name: volume for volume in self.desired.volumes} if self.desired else {}
        await self.create_volume_as(wanted.get(name, Volume(name)))

    async def create_volume_as(self, volume: Volume) -> None:
        """Make a volume, where it is missing and not somebody else's to make. Raises HostError, UsageError."""
        if not volume.external:
            await anyio.to_thread.run_sync(volume_store.create, self._all_paths, volume)

    async def remove_volume(self, name: str) -> None:
        """Delete a volume. Raises NoSuchThing, Conflict naming who uses it, HostError."""
        await anyio.to_thread.run_sync(volumes.remove, self._all_paths, name)


def _clear_leftovers(project: str) -> None:
    for cgroup in control.leftovers(location.locate(project)):
        kill.kill(cgroup)
        control.remove(cgroup)


def _digests(desired: Desired, *, root: str) -> dict[str, str]:
    """What the archives have become or will become, as far as that is known without reading them."""
    digests = {}
    for path in _archives(desired):
        digest = images.current_digest(Archive(path), store_root=root)
        if digest is not None:
            digests[path] = digest
    return digests


def _archives(desired: Desired) -> set[str]:
    sources = (spec.rootfs for service in desired.services for spec in service.containers)
    return {source.path for source in sources if isinstance(source, Archive)}
