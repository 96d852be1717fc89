"""`run SERVICE`: a container beside those of the service, with what the command line changes about it."""

from __future__ import annotations

from pydantic import ValidationError

from composer.cli import running
from composer.cli.granting import deposits
from composer.cli.invocation import Invocation
from composer.cli.loading import deposits_of, facts_of, loaded, located, lowered
from composer.cli.oneoff import Needs
from composer.cli.operation import perform
from composer.cli.quantities import processors, size
from composer.control.messages import Up
from composer.errors import UsageError
from composer.hints import Iterator
from composer.loader import short
from composer.loader.request import Loaded
from composer.lowering import capabilities, names, volumes
from composer.lowering.desired import OneoffOverrides, oneoff
from composer.model.choices import NamespaceKind
from composer.model.network import Port
from composer.model.project import Project
from composer.model.scalars import OutOfRange, Unreadable
from composer.model.service import Service
from composer.planner import ports
from composer.planner.networks import as_wanted, judge, said_elsewhere
from composer.planner.observed import Observed
from composer.planner.options import UpOptions
from composer.planner.volumes import named
from composer.runtime.network import networks
from composer.runtime.ports import holders
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.volume import Volume


def run(call: Invocation) -> int:
    service, *argv = call.operands
    found = loaded(call, services=(service,))
    project = _changed(found.project, service, call)
    with located(found.origin):
        spec, policy = oneoff(
            project,
            service,
            host=facts_of(call, found),
            overrides=_overrides(call, found.project, service, tuple(argv)),
        )
    call.require_root()
    desired = lowered(call, found)
    _require_ports(call, desired, spec)
    if not call.arguments.switch("no-deps"):
        _start_dependencies(call, found, service)
    used = named(spec)
    needs = Needs(
        tuple(volume for volume in _volumes(call, project) if volume.name in used), deposits(found, call, (spec,))
    )
    _create_networks(call, desired, spec)
    return running.start(call, spec, policy, needs=needs)


def _volumes(call: Invocation, project: Project) -> tuple[Volume, ...]:
    """Those of the files, and those that `-v` names."""
    given = {volume.name: volume for volume in running.volumes(call, project.name)}
    return (*volumes.lower(project), *given.values())


def _require_ports(call: Invocation, desired: Desired, spec: ContainerSpec) -> None:
    """Raises Conflict: somebody has a port that the container is to have."""
    claims = ports.claims((spec,), desired.networks)
    taken = holders.observe(ports.looked_for(claims), run=call.paths.run, project=spec.project, enough=len(claims))
    ports.judge(claims, taken, going=frozenset())


def _create_networks(call: Invocation, desired: Desired, spec: ContainerSpec) -> None:
    """The container's networks, as `up` would have made them: they stay until `down`. Raises PycomposeError."""
    if not spec.endpoints:
        return
    there = networks.observe()
    observed = Observed(
        networks=networks.observed(there, directory=call.paths.networks),
        subnets=there.subnets,
        obstacles=networks.obstacles(desired.networks, there),
    )
    judgement = judge(desired, observed, specs=(spec,), keep=True)
    for network in desired.networks:
        if network.name in judgement.created:
            made = as_wanted(network, observed.networks)
            avoided = said_elsewhere(network, desired)
            networks.create(made, directory=call.paths.networks, pools=desired.address_pools, avoided=avoided)


def _start_dependencies(call: Invocation, found: Loaded, service: str) -> None:
    """What the service depends on runs, is healthy or has ended well before the container starts."""
    needed = tuple(found.project.services[service].depends_on)
    if needed:
        desired = lowered(call, found)
        operation = Up(desired, UpOptions(services=needed, no_recreate=True, wait=True))
        perform(call, found.project.name, operation, deposits=deposits_of(call, found, desired))


def _overrides(call: Invocation, project: Project, service: str, argv: tuple[str, ...]) -> OneoffOverrides:
    given = call.arguments
    return OneoffOverrides(
        name=given.text("name") or names.oneoff(project.name, service, running.suffix()),
        argv=argv or None,
        entrypoint=running.entrypoint(call),
        env=running.environment(call),
        user=given.text("user"),
        cwd=given.text("workdir"),
        mounts=running.mounts(call),
        labels=running.labels(call),
        tty=running.terminal(call),
        stdin_open=running.reads_input(call),
        use_aliases=given.switch("use-aliases"),
        ports=_ports(call, project.services[service]),
    )


def _ports(call: Invocation, service: Service) -> tuple[Port, ...]:
    """Those of --publish, and the file's where they are asked for. Raises UsageError."""
    published = tuple(port for word in call.arguments.texts("publish") for port in _read_ports(word))
    mode = service.network_mode
    if published and mode is not None and mode.kind is not NamespaceKind.BRIDGE:
        raise UsageError(f"cannot publish ports of service {service.name}: it has network_mode: {mode}")
    return (*(service.ports if call.arguments.switch("service-ports") else ()), *published)


def _read_ports(word: str) -> Iterator[Port]:
    try:
        for long in short.ports(word):
            yield Port.model_validate(long)
    except (Unreadable, OutOfRange) as problem:
        raise UsageError(f"cannot publish {word}: {problem.message}", hint=problem.hint) from None
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"cannot publish {word}: {why}", hint="write 8080:80, or 127.0.0.1:8080:80/udp") from None


def _changed(project: Project, service: str, call: Invocation) -> Project:
    """The project with those of the service's keys that the command line sets."""
    given = call.arguments
    file = project.services[service]
    for option in ("cap-add", "cap-drop"):
        for name in capabilities.unknown(given.texts(option)):
            raise UsageError(f'--{option}: "{name}" is not a capability', hint="write a name such as NET_ADMIN, or ALL")
    memory, cpus = given.text("mem") or given.text("memory"), given.text("cpus")
    said = {
        "mem_limit": size(memory, option="--mem") if memory else None,
        "cpus": processors(cpus, option="--cpus") if cpus else None,
        "cpuset": given.text("cpuset"),
        "cpu_shares": given.number("cpu-shares"),
        "hostname": given.text("hostname"),
        "read_only": given.switch("read-only") or None,
        "privileged": given.switch("privileged") or None,
        "cap_add": (*file.cap_add, *given.texts("cap-add")),
        "cap_drop": (*file.cap_drop, *given.texts("cap-drop")),
    }
    changed = file.model_copy(update={key: value for key, value in said.items() if value is not None})
    return project.model_copy(update={"services": {**project.services, service: changed}})
