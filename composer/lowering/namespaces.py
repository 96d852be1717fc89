"""Which namespaces a service's container has of its own, and whose it shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from composer.lowering.mistake import refused
from composer.model.choices import NamespaceKind, NamespaceMode
from composer.model.service import Service
from composer.spec.container import Host, Join, Namespace, Namespaces, Private


def lower(service: Service, *, containers: Mapping[str, tuple[str, ...]], network: Host | Private) -> Namespaces:
    """`containers` are the names of each service's, `network` is what its networks say.

    Raises InvalidFile where a service to join has none.
    """
    return Namespaces(
        pid=_namespace(service, service.pid, containers),
        ipc=_namespace(service, service.ipc, containers),
        uts=_namespace(service, service.uts, containers),
        network=_namespace(service, service.network_mode, containers) if service.network_mode else network,
        cgroup=_namespace(service, service.cgroup, containers),
    )


def has_shm(service: Service) -> bool:
    """`ipc: none` is a namespace without /dev/shm."""
    return service.ipc is None or service.ipc.kind is not NamespaceKind.NONE


def _namespace(service: Service, mode: NamespaceMode | None, containers: Mapping[str, tuple[str, ...]]) -> Namespace:
    match mode:
        case NamespaceMode(kind=NamespaceKind.HOST):
            return Host()
        case NamespaceMode(kind=NamespaceKind.SERVICE, target=str(target)):
            return Join(_first(service, target, containers))
        case NamespaceMode(kind=NamespaceKind.CONTAINER, target=str(target)) if _is_ours(target, containers):
            return Join(target)
        case _:  # private, shareable, none, bridge
            return Private()


def _first(service: Service, target: str, containers: Mapping[str, tuple[str, ...]]) -> str:
    """Of several replicas the first, as docker compose chooses."""
    names = containers.get(target, ())
    if not names:
        message = f"cannot share a namespace of service {target}: it has no container"
        raise refused("no-container", message, "services", service.name, hint=f"run at least one container of {target}")
    return names[0]


def _is_ours(name: str, containers: Mapping[str, Collection[str]]) -> bool:
    return any(name in names for names in containers.values())
