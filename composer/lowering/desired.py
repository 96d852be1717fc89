"""A whole project, and one-off containers of its services."""

from __future__ import annotations

from collections.abc import Mapping

from composer.errors import InvalidFile, NoSuchThing, UsageError
from composer.frozen import field, frozen, replace
from composer.lowering import container, defaults, names, network, policy, volumes
from composer.lowering.host import HostFacts
from composer.lowering.mistake import Place, nowhere, refused, together
from composer.lowering.network import Where
from composer.model import hook
from composer.model.network import Port
from composer.model.project import Project
from composer.model.service import MAX_REPLICAS, Service
from composer.spec import desired as spec
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Mount
from composer.spec.network import AddressPool, Network
from composer.spec.policy import OnUnhealthy, Policy, RestartPolicy


@frozen
class LoweringOptions:
    """What a person said beside the files. `scale`: replicas by service; `place` in the files of what stands there."""

    scale: Mapping[str, int] = field(default_factory=dict)
    address_pools: tuple[AddressPool, ...] = ()
    place: Place = nowhere


@frozen
class OneoffOverrides:
    """What `run` changes about a service. None leaves what the file says."""

    name: str  # of the container; the caller sees to it that it is new (`names.oneoff`)
    argv: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None  # takes the file's command away as well
    env: tuple[tuple[str, str], ...] = ()  # beside the file's
    user: str | None = None
    cwd: str | None = None
    mounts: tuple[Mount, ...] = ()  # beside the file's volumes
    labels: tuple[tuple[str, str], ...] = ()
    tty: bool | None = None
    stdin_open: bool | None = None
    use_aliases: bool = False  # others find it by the names of the service
    ports: tuple[Port, ...] = ()  # instead of the file's


def lower(project: Project, *, host: HostFacts, options: LoweringOptions) -> spec.Desired:
    """The project as it should be. Raises InvalidFile with the mistakes of all parts, and for a bad scale."""
    _refuse_unknown(project, options)
    containers = _containers(project, options)
    refusals: list[InvalidFile] = []
    networks = network.lower(project, refusals, place=options.place)
    services: list[spec.Service] = []
    for service in project.services.values():
        try:
            services.append(
                _service(project, service, host=host, containers=containers, networks=networks, place=options.place)
            )
        except InvalidFile as refusal:
            refusals.append(refusal)
    try:
        needed = volumes.lower(project, place=options.place)
    except InvalidFile as refusal:
        refusals.append(refusal)
    if refusals:
        raise together(refusals)
    return spec.Desired(
        project=project.name,
        services=tuple(services),
        disabled=tuple(project.disabled_services),
        working_dir=project.working_dir,
        config_files=project.compose_files,
        networks=tuple(where for where in networks.values() if isinstance(where, Network)),
        address_pools=options.address_pools,
        volumes=needed,
    )


def oneoff(
    project: Project, service: str, *, host: HostFacts, overrides: OneoffOverrides
) -> tuple[ContainerSpec, Policy]:
    """A container beside the service's own: not restarted, whatever the file says.

    Raises InvalidFile, NoSuchThing, and UsageError for a name that cannot be.
    """
    if service not in project.services:
        raise NoSuchThing(f'no such service: "{service}"')
    names.refuse_unfit(container=overrides.name)
    refusals: list[InvalidFile] = []
    networks = network.lower(project, refusals)
    if refusals:
        raise together(refusals)
    changed = _overridden(project.services[service], overrides)
    made = container.lower(
        changed,
        project=project,
        number=1,
        name=overrides.name,
        host=host,
        containers=_containers(project, LoweringOptions()),
        networks=networks,
        oneoff=True,
        aliases=overrides.use_aliases,
        more=overrides.mounts,
    )
    if overrides.user is not None:
        made = replace(made, process=replace(made.process, user=overrides.user))
    return made, replace(policy.lower(changed), restart=RestartPolicy(), on_unhealthy=OnUnhealthy.NONE)


def _refuse_unknown(project: Project, options: LoweringOptions) -> None:
    for name, scale in options.scale.items():
        if name not in project.services:
            raise NoSuchThing(f'cannot scale service {name}: no such service: "{name}"')
        if scale > MAX_REPLICAS:
            raise UsageError(f"cannot scale service {name} to {scale}: at most {MAX_REPLICAS} containers are possible")
        if scale > 1 and project.services[name].container_name:
            own = project.services[name].container_name
            raise UsageError(f"cannot scale service {name} to {scale}: its containers would share the name {own}")


def _containers(project: Project, options: LoweringOptions) -> dict[str, tuple[str, ...]]:
    """The names of each service's containers."""
    return {
        service.name: tuple(
            service.container_name or names.container(project.name, service.name, number)
            for number in range(1, options.scale.get(service.name, service.replicas) + 1)
        )
        for service in project.services.values()
    }


def _service(
    project: Project,
    service: Service,
    *,
    host: HostFacts,
    containers: Mapping[str, tuple[str, ...]],
    networks: Mapping[str, Where],
    place: Place,
) -> spec.Service:
    _refuse_long(service, containers[service.name])
    made = tuple(
        container.lower(
            service,
            project=project,
            number=number,
            name=name,
            host=host,
            containers=containers,
            networks=networks,
            place=place,
        )
        for number, name in enumerate(containers[service.name], start=1)
    )
    depends_on = tuple(_dependency(name, said) for name, said in service.depends_on.items())
    return spec.Service(service.name, made, policy.lower(service), depends_on, service.attach)


def _refuse_long(service: Service, names_: tuple[str, ...]) -> None:
    longest = max(map(len, names_), default=0)
    if longest > defaults.LONGEST_NAME:
        raise refused(
            "bad-name",
            f"cannot have containers: their names would have {longest} characters",
            "services",
            service.name,
            hint=f"the kernel takes {defaults.LONGEST_NAME}: choose a shorter name for the service, or container_name",
        )


def _dependency(name: str, said: hook.Dependency) -> spec.Dependency:
    return spec.Dependency(name, spec.Condition(said.condition.value), said.restart, said.required)


def _overridden(service: Service, overrides: OneoffOverrides) -> Service:
    changes: dict[str, object] = {
        "environment": {**service.environment, **dict(overrides.env)},
        "labels": {**service.labels, **dict(overrides.labels)},
        "ports": overrides.ports,
    }
    if overrides.entrypoint is not None:
        changes |= {"entrypoint": overrides.entrypoint, "command": ()}
    said = {
        "command": overrides.argv,
        "working_dir": overrides.cwd,
        "tty": overrides.tty,
        "stdin_open": overrides.stdin_open,
    }
    changes |= {key: value for key, value in said.items() if value is not None}
    return service.model_copy(update=changes)
