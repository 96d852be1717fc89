"""Projects for planner tests, in a few words each."""

from __future__ import annotations

from dataclasses import replace

from composer.planner.observed import HealthStatus, Observed, ObservedContainer, State
from composer.spec.container import ContainerSpec, Join, Namespaces
from composer.spec.desired import Condition, Dependency, Desired, Service
from composer.spec.fingerprint import fingerprint
from composer.spec.policy import HealthCheck, Policy
from composer.spec.process import Process
from composer.spec.rootfs import Archive, HostRoot

HEALTH = HealthCheck(argv=("true",))
HEALTHY = Condition.HEALTHY
COMPLETED = Condition.COMPLETED


def service(
    name: str,
    *needs: str | Dependency,
    replicas: int = 1,
    archive: str = "",
    command: str = "run",
    health: HealthCheck | None = None,
    joins: str = "",
    container_name: str = "",
) -> Service:
    """A service of a project called shop."""
    containers = tuple(
        ContainerSpec(
            name=container_name or f"shop-{name}-{number}",
            project="shop",
            service=name,
            number=number,
            rootfs=Archive(archive) if archive else HostRoot(),
            process=Process((command,)),
            namespaces=Namespaces(network=Join(joins)) if joins else Namespaces(),
        )
        for number in range(1, replicas + 1)
    )
    depends_on = tuple(Dependency(need) if isinstance(need, str) else need for need in needs)
    return Service(name, containers, Policy(health=health), depends_on)


def project(*services: Service, disabled: tuple[str, ...] = ()) -> Desired:
    return Desired("shop", services, disabled)


def running(desired: Desired, **states: State) -> Observed:
    """The project as it is when all of it runs, but for the services whose state is told."""
    return Observed(
        tuple(
            ObservedContainer(
                name=spec.name,
                service=service.name,
                number=spec.number,
                fingerprint=fingerprint(spec, service.policy),
                state=states.get(service.name, State.RUNNING),
                health=HealthStatus.HEALTHY if service.policy.health else HealthStatus.NONE,
                layer="sha256:old" if isinstance(spec.rootfs, Archive) else "",
            )
            for service in desired.services
            for spec in service.containers
        )
    )


def without(observed: Observed, *services: str) -> Observed:
    """The same, with these services' containers gone."""
    return replace(observed, containers=tuple(there for there in observed.containers if there.service not in services))


def with_oneoff(observed: Observed, service: str) -> Observed:
    """The same, with a one-off container of this service running."""
    oneoff = ObservedContainer(f"shop-{service}-run-1", service, 1, "", State.RUNNING, oneoff=True)
    return replace(observed, containers=(*observed.containers, oneoff))
