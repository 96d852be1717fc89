"""From a container's record to its process: which layer, which namespaces to join, where its output goes.

Beyond this module: making the process (runtime, by way of the launcher) and looking after it (keeper).
"""

from __future__ import annotations

from collections.abc import Callable

import anyio.to_thread

from composer import errors, images
from composer.control import volumes
from composer.frozen import fields
from composer.log import Log
from composer.runtime.cgroup import kill
from composer.runtime.launch import Launch, Stdio
from composer.spec import codec
from composer.spec.container import ContainerSpec, Join
from composer.spec.rootfs import Archive, RootfsSource
from composer.store import atomic
from composer.store.paths import Paths, ProjectPaths
from composer.store.records import ContainerRecord
from composer.supervisor import pump
from composer.supervisor.launcher_link import Child, Launched, LauncherLink
from composer.supervisor.networks import Networks
from composer.supervisor.ports import Ports
from composer.supervisor.pump import Pump, Source
from composer.supervisor.run import Run

RunningOf = Callable[[str], Child | None]  # the process of a container, None while it does not run


class Launching:
    """Starts the containers of one project."""

    def __init__(
        self,
        paths: Paths,
        project: str,
        *,
        link: LauncherLink,
        running: RunningOf,
        networks: Networks,
        ports: Ports,
        log: Log,
    ) -> None:
        self._paths = paths
        self._places: ProjectPaths = paths.project(project)
        self._link = link
        self._running = running
        self._networks = networks
        self._ports = ports
        self._log = log

    async def resolve(self, source: RootfsSource, *, progress: images.Progress | None = None) -> images.Layer:
        """The layer of a root file system; unpacks an archive that is new. Raises PycomposeError."""
        if not isinstance(source, Archive):
            return images.resolve(source, store_root=self._paths.root)
        return await anyio.to_thread.run_sync(
            lambda: images.resolve(source, store_root=self._paths.root, progress=progress)
        )

    async def launch(self, record: ContainerRecord) -> Run:
        """Start a container that is made. Raises PycomposeError; then nothing of this start is left."""
        spec = record.spec
        launch = Launch(
            spec=spec,
            lower=await self._lower(record),
            bundle=self._places.bundle(spec.name),
            state=self._places.state(spec.name),
            cache=self._paths.cache,
            hidden=(self._paths.run, self._paths.root),
            joins=tuple(self._joins(spec)),
            volumes=await anyio.to_thread.run_sync(volumes.places, self._paths, record),
            stdio=Stdio.PTY if spec.process.tty else Stdio.FIFO,
            networks=await self._networks.of(spec),
            leases=self._paths.leases,
            attached_before=record.attachments,
            published_before=record.ports,
            avoided_ports=self._ports.avoided_by(spec),
        )
        path = self.launch_path(spec.name)
        try:
            atomic.replace(path, codec.dumps(launch).encode(errors="surrogateescape"))
        except OSError as error:
            raise errors.HostError(f"cannot start container {spec.name}: {path}: {error.strerror}") from error
        launched = await self._link.start_container(path)
        try:
            run = self.follow(spec, launched)
        except OSError as error:
            await anyio.to_thread.run_sync(kill.kill, launched.cgroup)
            raise errors.HostError(f"cannot keep the output of container {spec.name}: {error}") from error
        for warning in launched.warnings:
            run.pump.notice(f"warning: {warning}")
        return run

    def launch_path(self, container: str) -> str:
        """What the launcher was last asked to run."""
        return f"{self._places.state(container)}/launch.json"

    def follow(self, spec: ContainerSpec, launched: Launched, *, age_ns: int | None = None) -> Run:
        """The run of a container that has just been started, or is adopted at some age.

        One that runs already is not harmed by a disk that is full or read-only. Raises OSError.
        """
        sources, terminal = self._sources(spec, launched.terminal)
        directory, adopted = self._places.log(spec.name), age_ns is not None
        output = Pump(directory, spec.log, sources=sources, log=self._log, insists=not adopted)
        return Run(
            launched.child,
            cgroup=launched.cgroup,
            pump=output,
            terminal=terminal,
            age_ns=age_ns or 0,
            attachments=launched.attachments,
            ports=self._ports.of(spec.name),
        )

    def _sources(self, spec: ContainerSpec, terminal: int | None) -> tuple[tuple[Source, ...], int | None]:
        if terminal is not None:
            return pump.terminal(terminal), terminal
        if spec.process.tty:
            return (), None  # the launcher died, and the terminal's master with it
        return pump.open_fifos(self._places.state(spec.name)), None

    async def _lower(self, record: ContainerRecord) -> str:
        """What the container was made from, even if the archive has changed since."""
        store = images.LayerStore(self._paths.root)
        if record.layer and store.has(record.layer):
            return store.path(record.layer)
        return (await self.resolve(record.spec.rootfs)).path

    def _joins(self, spec: ContainerSpec) -> list[tuple[str, int, int]]:
        joins = []
        for field in fields(spec.namespaces):
            namespace = getattr(spec.namespaces, field.name)
            if isinstance(namespace, Join):
                child = self._joined(spec, field.name, namespace.container)
                joins.append((field.name, child.pid, child.start_time))
        return joins

    def _joined(self, spec: ContainerSpec, kind: str, container: str) -> Child:
        child = self._running(container)
        if child is None:
            raise errors.PycomposeError(
                f"cannot start container {spec.name}: "
                f"it shares the {kind} namespace of {container}, which is not running"
            )
        return child
