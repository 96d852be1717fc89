"""The published ports of one project: looked for before anything starts, and given back for good."""

from __future__ import annotations

import anyio.to_thread

from composer.errors import HostError
from composer.planner import ports as planner
from composer.planner.observed import TakenPort
from composer.runtime.ports import holders, publication, publishing
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.network import PortBinding
from composer.store.paths import Paths


class Ports:
    """Those of a project."""

    def __init__(self, paths: Paths, project: str) -> None:
        self._run = paths.run
        self._places = paths.project(project)
        self._project = project
        self._desired = Desired(project, ())

    def want(self, desired: Desired) -> None:
        """What was asked for."""
        self._desired = desired

    def observe(self, desired: Desired | None) -> tuple[TakenPort, ...]:
        """Whose the ports are that these containers are to have. Blocks."""
        return holders.observe_claims(desired, run=self._run) if desired is not None else ()

    def avoided_by(self, spec: ContainerSpec) -> tuple[int, ...]:
        """Ports that a container had better leave to others."""
        if not spec.ports:
            return ()
        return planner.fixed_elsewhere(spec, (it for service in self._desired.services for it in service.containers))

    def of(self, container: str) -> tuple[PortBinding, ...]:
        """What a container that runs has got."""
        found = publication.load(self._places.state(container))
        return found.bindings if found else ()

    async def close(self, container: str) -> None:
        """See to it that nothing is left of a container's ports, whoever has died. Raises HostError."""
        try:
            await anyio.to_thread.run_sync(publishing.close, self._places.state(container))
        except OSError as error:
            raise HostError(f"cannot take back the ports of container {container}: {error.strerror}") from error
