"""One container of a service, put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping

from composer.lowering import (
    answering,
    cgroup,
    devices,
    files,
    grants,
    labels,
    log,
    mounts,
    names,
    namespaces,
    network,
    ports,
    process,
    rootfs,
    security,
)
from composer.lowering.host import HostFacts
from composer.lowering.mistake import Place, nowhere
from composer.lowering.network import Where
from composer.model.choices import NamespaceKind
from composer.model.project import Project
from composer.model.service import Service
from composer.spec.container import ContainerSpec, Host, Join, Namespaces, Private
from composer.spec.mounts import Mount
from composer.spec.network import Names, Network


def lower(
    service: Service,
    *,
    project: Project,
    number: int,
    name: str,
    host: HostFacts,
    containers: Mapping[str, tuple[str, ...]],
    networks: Mapping[str, Where],
    oneoff: bool = False,
    aliases: bool = True,
    more: tuple[Mount, ...] = (),
    place: Place = nowhere,
) -> ContainerSpec:
    """Container `number` of a service. `containers` are the names of each service's, `networks` those of the project.
    Without `aliases` it does not answer to the names of its service. Raises InvalidFile.
    """
    joined = network.join(service, networks, aliases=aliases, place=place)
    spaces = namespaces.lower(service, containers=containers, network=joined.namespace)
    hostname = _hostname(service, name, spaces, host)
    mounted = mounts.lower(service, project=project, containers=containers, more=more, place=place)
    granted = grants.lower(service, project=project, host=host, place=place)
    return ContainerSpec(
        name=name,
        project=project.name,
        service=service.name,
        number=number,
        rootfs=rootfs.lower(service, host),
        process=process.lower(service, hostname=hostname),
        oneoff=oneoff,
        init=bool(service.init),
        privileged=service.privileged,
        read_only=service.read_only,
        hostname=hostname if isinstance(spaces.uts, Private) else "",  # a shared one is not ours to change
        domainname=service.domainname or "",
        namespaces=spaces,
        mounts=mounted,
        files=files.generated(
            hostname=hostname,
            domainname=service.domainname or "",
            reach=_reach(spaces, joined),
            host=host,
            resolving=_resolving(service),
            asks_us=_is_networked(service, project, networks),
            taken={it.target for it in (*mounted, *granted)},
        ),
        grants=granted,
        devices=devices.lower(service),
        masked_paths=security.masked_paths(service),
        readonly_paths=security.readonly_paths(service),
        sysctls=tuple(sorted(service.sysctls.items())),
        seccomp=security.seccomp(service),
        resources=cgroup.lower(service),
        log=log.lower(service),
        labels=labels.of(service.labels, project=project.name, service=service.name, number=number, oneoff=oneoff),
        annotations=tuple(sorted(service.annotations.items())),
        endpoints=joined.endpoints,
        names=answering.lower(service, hostname=hostname, aliases=aliases) if joined.endpoints else Names(),
        ports=ports.lower(service, place=place) if joined.endpoints else (),
        expose=ports.exposed(service) if joined.endpoints else (),
    )


def _hostname(service: Service, name: str, spaces: Namespaces, host: HostFacts) -> str:
    """On the host's network a container is called as the host, as with Docker: that is the name that resolves."""
    if isinstance(spaces.uts, Host):
        return host.hostname
    if isinstance(spaces.uts, Join):
        return names.hostname(spaces.uts.container)
    if service.hostname:
        return service.hostname
    return host.hostname if isinstance(spaces.network, Host) and host.hostname else names.hostname(name)


def _reach(spaces: Namespaces, joined: network.Joined) -> files.Reach:
    if isinstance(spaces.network, Host):
        return files.Reach.HOST
    return files.Reach.NETWORKS if joined.endpoints else files.Reach.NOTHING


def _is_networked(service: Service, project: Project, networks: Mapping[str, Where]) -> bool:
    """Whether it has endpoints, or shares the network namespace of who has."""
    seen = {service.name}
    while (mode := service.network_mode) is not None and mode.kind is NamespaceKind.SERVICE and mode.target:
        if mode.target in seen or mode.target not in project.services:
            return False
        seen.add(mode.target)
        service = project.services[mode.target]
    return any(isinstance(networks.get(key), Network) for key in network.keys_of(service))


def _resolving(service: Service) -> files.Resolving:
    return files.Resolving(service.extra_hosts, service.dns, service.dns_search, service.dns_opt)
