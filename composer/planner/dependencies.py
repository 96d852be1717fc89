"""Which service waits for which: start order, what a selection pulls in, who depends on whom."""

from __future__ import annotations

from collections import deque
from graphlib import CycleError, TopologicalSorter

from composer.errors import InvalidFile, NoSuchThing
from composer.frozen import frozen
from composer.hints import Iterable, Iterator, Mapping
from composer.spec.container import ContainerSpec, Join
from composer.spec.desired import Condition, Dependency, Desired, Service


@frozen
class Graph:
    """The services that there are, in the order of the files, and the edges between them."""

    edges: Mapping[str, tuple[Dependency, ...]]

    @classmethod
    def of(cls, desired: Desired) -> Graph:
        """What `depends_on` says, and what shared namespaces imply. Dependencies that are not there are left out."""
        there = {service.name for service in desired.services}
        owners = {container.name: service.name for service in desired.services for container in service.containers}
        return cls({service.name: tuple(_dependencies(service, there, owners)) for service in desired.services})

    def order(self) -> tuple[str, ...]:
        """All services, dependencies first. Raises InvalidFile on a cycle, and names it."""
        sorter = TopologicalSorter({name: [edge.service for edge in edges] for name, edges in self.edges.items()})
        try:
            return tuple(sorter.static_order())
        except CycleError as error:
            cycle = " → ".join(reversed(error.args[1]))
            raise InvalidFile(f"cannot order the services: they depend on each other: {cycle}") from error

    def closure(self, services: Iterable[str]) -> frozenset[str]:
        """These services and all that they depend on."""
        found: set[str] = set()
        waiting = deque(services)
        while waiting:
            name = waiting.popleft()
            if name not in found:
                found.add(name)
                waiting.extend(edge.service for edge in self.edges[name])
        return frozenset(found)

    def dependents(self, service: str) -> Iterator[tuple[str, Dependency]]:
        """Who depends on a service directly, and how."""
        for name, edges in self.edges.items():
            for edge in edges:
                if edge.service == service:
                    yield name, edge

    def goal(self, service: Service) -> Condition:
        """What a service must have reached for `--wait`: a one-shot that others wait for must be through."""
        if any(edge.condition is Condition.COMPLETED for _, edge in self.dependents(service.name)):
            return Condition.COMPLETED
        return Condition.HEALTHY if service.policy.health else Condition.STARTED

    def all_dependents(self, service: str) -> frozenset[str]:
        """Who depends on a service, directly or through others."""
        found: set[str] = set()
        waiting = deque([service])
        while waiting:
            new = {name for name, _ in self.dependents(waiting.popleft())} - found
            found |= new
            waiting.extend(new)
        return frozenset(found)


def selected(desired: Desired, services: Iterable[str]) -> frozenset[str]:
    """The services a person named, all of them where nobody was. Raises NoSuchThing, with the nearest there is."""
    there = {service.name: None for service in desired.services}
    for name in (services := tuple(services)):
        if name in desired.disabled:
            raise NoSuchThing(
                f"cannot select service {name}: none of its profiles is active",
                hint="activate one of its profiles with --profile",
            )
        if name not in there:
            raise no_such_service(name, there)
    return frozenset(services or there)


def no_such_service(name: str, known: Iterable[str]) -> NoSuchThing:
    """The failure that names the service most like this one."""
    import difflib  # only for who has made a mistake

    names = tuple(known)
    matches = difflib.get_close_matches(name, names, n=1)
    hint = f"the services are {', '.join(names)}" if names else None
    return NoSuchThing(f'no such service: "{name}"', hint=f"did you mean {matches[0]}?" if matches else hint)


def joined(container: ContainerSpec) -> frozenset[str]:
    """The containers whose namespaces this one lives in."""
    spaces = container.namespaces
    everywhere = (spaces.pid, spaces.ipc, spaces.uts, spaces.network, spaces.cgroup)
    return frozenset(space.container for space in everywhere if isinstance(space, Join))


def _dependencies(service: Service, there: set[str], owners: Mapping[str, str]) -> Iterator[Dependency]:
    named = {edge.service for edge in service.depends_on}
    yield from (edge for edge in service.depends_on if edge.service in there)
    targets = sorted({owners[name] for container in service.containers for name in joined(container) if name in owners})
    for target in targets:
        if target not in named and target != service.name:
            yield Dependency(target, restart=True)
