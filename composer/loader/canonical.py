"""A project as a Compose file in canonical form: what `config` prints, and what loads to the same project again.

Plain dicts, lists and scalars; writing them as YAML or JSON is `cli`'s. Follows docker compose: sizes are texts, some
defaults are written out, and `$` is doubled, as it would be a variable otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from composer.model.build import Build
from composer.model.deploy import Deploy, UpdateConfig
from composer.model.devices import Device
from composer.model.health import Healthcheck
from composer.model.hook import Dependency
from composer.model.job import Job
from composer.model.logging import LogOptions
from composer.model.network import Network, Port, ServiceNetwork
from composer.model.part import Part
from composer.model.project import Project
from composer.model.resource import Ulimit
from composer.model.scalars import Duration, TextValue, spelled
from composer.model.service import Service, ServiceModel
from composer.model.volume import FileReference, MountType

Container = TypeVar("Container", bound=Service)

_ALWAYS: dict[type[Part], frozenset[str]] = {
    Dependency: frozenset(("condition", "required")),
    Port: frozenset(("mode", "protocol")),
    Project: frozenset(("services",)),
    Service: frozenset(("command", "entrypoint")),
    Job: frozenset(("command", "entrypoint")),
    Device: frozenset(("permissions",)),
    Build: frozenset(("context",)),
}
_EMPTY: dict[type[Part], frozenset[str]] = {  # written as {} where nothing is said, as docker compose does
    Network: frozenset(("ipam",)),
    Deploy: frozenset(("resources", "placement")),
}
_NEVER: dict[type[Part], frozenset[str]] = {
    Service: frozenset(("name", "env_file")),
    Job: frozenset(("name", "env_file")),  # what files say is in environment and labels
    Project: frozenset(("working_dir", "compose_files", "profiles", "disabled_services")),
}
_TEXT_SIZES = frozenset(
    ("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size", "memory", "size")
)
_ZERO_IS_NOTHING = frozenset(  # docker compose leaves them out, as they mean the same as nothing
    (
        ("cpus", Service),
        ("cpu_shares", Service),
        ("cpu_period", Service),
        ("cpu_quota", Service),
        ("mem_limit", Service),
        ("mem_reservation", Service),
        ("memswap_limit", Service),
        ("pids_limit", Service),
        ("shm_size", Service),
        ("oom_score_adj", Service),
        ("working_dir", Service),
        ("hostname", Service),
        ("domainname", Service),
        ("cpu_count", Service),
        ("cpu_percent", Service),
        ("delay", UpdateConfig),
        ("monitor", UpdateConfig),
        ("test", Healthcheck),
    )
)
_TOP = ("name", "services", "networks", "volumes", "configs", "secrets", "models", "jobs")


def canonical(
    project: Project,
    *,
    escape: bool = True,
    all_resources: bool = False,
    normalize: bool = True,
    env_files: bool = False,
) -> dict[str, Any]:
    """The project as docker compose would print it; services and their keys in alphabetical order.

    Networks, volumes, configs and secrets that no service uses are left out, unless `all_resources`. `normalize` adds
    the network of services that say nothing of networks. `env_files`: they were not read, and so are written.
    """
    project = _with_default_network(project) if normalize else project
    written: dict[str, Any] = _written(project if all_resources else _without_unused(project), escape)
    if env_files:
        for name, service in project.services.items():
            if service.env_file:
                entries = [
                    {"path": it.path}
                    | ({"required": False} if not it.required else {})
                    | ({"format": it.format} if it.format else {})
                    for it in service.env_file
                ]
                written["services"][name]["env_file"] = entries
    top = {key: written.pop(key) for key in _TOP if key in written}
    for kind, entries in top.items():
        if kind != "name":
            top[kind] = dict(sorted(entries.items()))
    return top | written


def _with_default_network(project: Project) -> Project:
    """A service that says nothing of networks is on the default one."""
    services = {name: _on_network(service) for name, service in project.services.items()}
    jobs = {name: _on_network(job) for name, job in project.jobs.items()}
    used = any("default" in service.networks for service in (*services.values(), *jobs.values()))
    networks = dict(project.networks)
    if used and "default" not in networks:
        networks["default"] = Network(name=f"{project.name}_default")
    return project.model_copy(update={"services": services, "jobs": jobs, "networks": networks})


def _on_network(service: Container) -> Container:
    if service.networks or service.network_mode is not None or service.provider is not None:
        return service
    return service.model_copy(update={"networks": {"default": ServiceNetwork()}})


def _without_unused(project: Project) -> Project:
    services = (*project.services.values(), *project.jobs.values())
    used: dict[str, set[str | None]] = {
        "networks": {name for service in services for name in service.networks},
        "volumes": {it.source for service in services for it in service.volumes if it.type is MountType.VOLUME},
        "configs": {config.source for service in services for config in service.configs},
        "models": {name for service in services for name in service.models},
        "secrets": {secret.source for service in services for secret in _secrets(service)},
    }
    kept = {
        kind: {key: part for key, part in getattr(project, kind).items() if key in names}
        for kind, names in used.items()
    }
    return project.model_copy(update=kept)


def _secrets(service: Service) -> tuple[FileReference, ...]:
    return service.secrets + (service.build.secrets if service.build else ())


def _written(value: Any, escape: bool) -> Any:
    match value:
        case LogOptions():
            return {key: spelled(item) for key, item in _part(value, escape).items()} | dict(value.others)
        case FileReference(mode=int(mode)):
            return _part(value, escape) | {"mode": f"{mode:04o}"}
        case Ulimit() if value.soft == value.hard:
            return value.soft
        case ServiceNetwork() | ServiceModel():
            return _part(value, escape) or None
        case Part():
            return _part(value, escape)
        case TextValue() | Enum():
            return str(value)
        case str():
            return value.replace("$", "$$") if escape else value
        case float() if value.is_integer():
            return int(value)
        case Mapping():
            return {key: _written(item, escape) for key, item in value.items()}
        case tuple() | list():
            return [_written(item, escape) for item in value]
        case _:
            return value


def _part(part: Part, escape: bool) -> dict[str, Any]:
    always, never = _ALWAYS.get(type(part), frozenset()), _NEVER.get(type(part), frozenset())
    written: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        value, key = getattr(part, name), field.alias or name
        if name in never or name in ("extensions", "others"):
            continue
        if value is None and name in _EMPTY.get(type(part), ()):
            written[key] = {}
        elif (name, type(part)) in _ZERO_IS_NOTHING and value in (0, "", (), Duration(0)):
            continue
        elif name in always or value != field.get_default(call_default_factory=True):
            written[key] = _special(key, value) or _written(value, escape)
    written = dict(sorted(written.items()))
    return written | {key: _written(item, escape) for key, item in part.extensions.items()}


def _special(key: str, value: Any) -> Any:
    """What docker compose writes in a way of its own."""
    match key, value:
        case "extra_hosts", Mapping():
            return sorted(f"{name}={address}" for name, addresses in value.items() for address in addresses)
        case "ssh", Mapping():
            return [name if path is None else f"{name}={path}" for name, path in value.items()]
        case _, int() if key in _TEXT_SIZES:
            return str(value)
        case _:
            return None
