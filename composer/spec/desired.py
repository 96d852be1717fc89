"""The whole of what a user asked for: services, their containers, what waits for what."""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen
from composer.spec.container import ContainerSpec
from composer.spec.network import AddressPool, Network
from composer.spec.policy import Policy
from composer.spec.volume import Volume


class Condition(Enum):
    """When a dependency lets its dependents start."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@frozen
class Dependency:
    """An edge of the start order."""

    service: str
    condition: Condition = Condition.STARTED
    restart: bool = False  # an explicit restart of the dependency restarts the dependent
    required: bool = True


@frozen
class Service:
    """Containers that are alike: the replicas of one service, in the order of their numbers."""

    name: str
    containers: tuple[ContainerSpec, ...]
    policy: Policy = Policy()
    depends_on: tuple[Dependency, ...] = ()
    attach: bool = True  # `up` shows its output


@frozen
class Desired:
    """A project as it should be."""

    project: str
    services: tuple[Service, ...]
    disabled: tuple[str, ...] = ()  # services in the files whose profile is not active: no orphans
    working_dir: str = ""
    config_files: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()  # those that the services' containers are in
    address_pools: tuple[AddressPool, ...] = ()  # of networks that name no subnet; () is the usual ones
    volumes: tuple[Volume, ...] = ()  # those that services use, by name
