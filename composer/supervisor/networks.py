"""The networks of one project: made, removed, observed. What blocks is done beside the loop."""

from __future__ import annotations

from functools import partial

import anyio.to_thread

from composer import errors
from composer.frozen import frozen
from composer.planner.networks import as_wanted, said_elsewhere
from composer.planner.observed import ObservedNetwork
from composer.runtime.network import networks
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.network import Network
from composer.store.paths import Paths


@frozen
class HostNetworks:
    """What the planner wants to know of the host's networks: the fields of Observed."""

    networks: tuple[ObservedNetwork, ...]
    subnets: dict[str, str]
    obstacles: dict[str, errors.PycomposeError]


class Networks:
    """Those of a project, and what it uses of others."""

    def __init__(self, paths: Paths, project: str) -> None:
        self._directory = paths.networks
        self._project = project
        self._desired = Desired(project, ())

    def want(self, desired: Desired) -> None:
        """What was asked for."""
        self._desired = desired

    def observe(self, starting: Desired | None) -> HostNetworks:
        """The networks of the host, and why some of those that `starting` needs cannot be. Blocks. Raises HostError."""
        there = networks.observe()
        return HostNetworks(
            networks.observed(there, directory=self._directory),
            there.subnets,
            networks.obstacles(starting.networks, there) if starting is not None else {},
        )

    async def create(self, name: str) -> None:
        """Make a network that was asked for. Raises PycomposeError."""
        await anyio.to_thread.run_sync(self._create, name)

    def _create(self, name: str) -> None:
        wanted = next((network for network in self._desired.networks if network.name == name), None)
        if wanted is None:
            raise errors.NoSuchThing(f"cannot create network {name}: nothing says how")
        network = as_wanted(wanted, self.observe(None).networks) if wanted.external else wanted
        networks.create(
            network,
            directory=self._directory,
            pools=self._desired.address_pools,
            avoided=said_elsewhere(network, self._desired),
        )

    async def remove(self, name: str) -> str:
        """Remove a network of the project; a note where others still use it. Raises PycomposeError."""
        remove = partial(networks.remove, name, project=self._project, directory=self._directory)
        try:
            await anyio.to_thread.run_sync(remove)
        except networks.InUse as error:
            return error.message
        return ""

    async def of(self, spec: ContainerSpec) -> tuple[Network, ...]:
        """Those that a container is to be attached to. Raises NoSuchThing, HostError."""
        if not spec.endpoints:
            return ()
        return await anyio.to_thread.run_sync(self._of, spec)

    def _of(self, spec: ContainerSpec) -> tuple[Network, ...]:
        return tuple(networks.resolved(it.network, directory=self._directory) for it in spec.endpoints)
