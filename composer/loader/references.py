"""What services say about each other and about networks, volumes, configs and secrets: all of it must be there.

Some keys make a service depend on another without saying so; those dependencies are written out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table

from composer.frozen import field, frozen, mutable
from composer.loader.codes import Code
from composer.loader.nearest import did_you_mean
from composer.loader.problems import Path, Problems
from composer.loader.short import name_and_alias
from composer.loader.tree import Mapping, entries_at, place_of, place_of_key
from composer.model.choices import NamespaceKind, NamespaceMode
from composer.model.health import Healthcheck
from composer.model.hook import Condition, Dependency
from composer.model.service import Service
from composer.model.volume import MountType


@frozen
class Definitions:
    """Names that may be referred to, in whatever state their definitions are."""

    services: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    configs: frozenset[str]
    secrets: frozenset[str]
    models: frozenset[str]


def definitions_of(root: Mapping) -> Definitions:
    kinds = ("services", "networks", "volumes", "configs", "secrets", "models")
    return Definitions(*(frozenset(name for name, _ in entries_at(root, kind)) for kind in kinds))


def without_inactive(service: Service, active: frozenset[str]) -> Service:
    """A dependency that is not required and takes no part is none."""
    kept = {name: dependency for name, dependency in service.depends_on.items() if name in active}
    return service if len(kept) == len(service.depends_on) else service.model_copy(update={"depends_on": kept})


def with_implicit_dependencies(service: Service) -> Service:
    """Namespaces, links and volumes shared with another service make this one depend on it."""
    dependencies = dict(service.depends_on)
    for name, dependency in _implied(service):
        dependencies.setdefault(name, dependency)
    implied = len(dependencies) > len(service.depends_on)
    return service.model_copy(update={"depends_on": dependencies}) if implied else service


def _implied(service: Service) -> Iterator[tuple[str, Dependency]]:
    for _, mode in _modes(service):
        if mode.kind is NamespaceKind.SERVICE and mode.target:
            yield mode.target, Dependency(condition=Condition.STARTED, restart=True)
    for link in service.links:
        yield name_and_alias(link)[0], Dependency(condition=Condition.STARTED, restart=True)
    for source in service.volumes_from:
        if not source.startswith("container:"):
            yield name_and_alias(source)[0], Dependency(condition=Condition.STARTED)


def _modes(service: Service) -> Iterator[tuple[str, NamespaceMode]]:
    for key in ("network_mode", "pid", "ipc", "uts", "cgroup"):
        mode = getattr(service, key)
        if mode is not None:
            yield key, mode


@mutable
class References:
    """Checks what the active services refer to."""

    root: Mapping
    definitions: Definitions
    active: Table[str, Service]
    inactive: Table[str, Service]
    pruned: frozenset[Path]
    problems: Problems
    cycles: set[frozenset[str]] = field(default_factory=set)

    def check(self) -> None:
        for service in self.active.values():
            self._services(service)
            self._definitions(service)
        self._container_names()
        self._cycles()

    # ---- other services ----

    def _services(self, service: Service) -> None:
        for path, name, required in _references(service):
            where: Path = ("services", service.name, *path)
            if name not in self.definitions.services:
                self._tell_undefined(where, "service", name, self.definitions.services)
            elif name in self.inactive and required:
                self._tell_inactive(where, name)
        for name, dependency in service.depends_on.items():
            if dependency.condition is Condition.HEALTHY and name in self.active:
                self._health(service, self.active[name])

    def _tell_inactive(self, where: Path, name: str) -> None:
        profiles = self.inactive[name].profiles
        flags = " or ".join(f"--profile {profile}" for profile in profiles)
        message = f'the service "{name}" is disabled by its profiles ({", ".join(profiles)})'
        instead = ", or write required: false" if "depends_on" in where else ""
        self._error(Code.DISABLED_SERVICE, message, where, f"enable it with {flags}{instead}")

    def _health(self, service: Service, dependency: Service) -> None:
        unknown = ("services", dependency.name, "healthcheck") in self.pruned
        if unknown or dependency.rootfs is None or _probes(dependency.healthcheck):
            return  # an image may bring a healthcheck of its own
        message = f'"{dependency.name}" has no healthcheck and so can never be healthy'
        where: Path = ("services", service.name, "depends_on", dependency.name, "condition")
        self._error(
            Code.NO_HEALTHCHECK, message, where, f"write a healthcheck for {dependency.name}, or service_started"
        )

    # ---- what is defined at the top ----

    def _definitions(self, service: Service) -> None:
        for path, kind, name, known in self._named(service):
            if name not in known:
                self._tell_undefined(("services", service.name, *path), kind, name, known)

    def _named(self, service: Service) -> Iterator[tuple[Path, str, str, frozenset[str]]]:
        for name in service.networks:
            yield ("networks", name), "network", name, self.definitions.networks | {"default"}
        for index, volume in enumerate(service.volumes):
            if volume.type is MountType.VOLUME and volume.source:
                yield ("volumes", index, "source"), "volume", volume.source, self.definitions.volumes
        for index, config in enumerate(service.configs):
            yield ("configs", index, "source"), "config", config.source, self.definitions.configs
        for name in service.models:
            yield ("models", name), "model", name, self.definitions.models
        for index, secret in enumerate(service.secrets):
            yield ("secrets", index, "source"), "secret", secret.source, self.definitions.secrets
        for index, secret in enumerate(service.build.secrets if service.build else ()):
            yield ("build", "secrets", index, "source"), "secret", secret.source, self.definitions.secrets

    def _tell_undefined(self, where: Path, kind: str, name: str, known: frozenset[str]) -> None:
        hint = did_you_mean(name, sorted(known)) or f"{_listed(known - {'default'})}write {name}: beneath {kind}s:"
        self._error(Code(f"undefined-{kind}"), f'the {kind} "{name}" is not defined', where, hint)

    # ---- between services ----

    def _container_names(self) -> None:
        taken: dict[str, str] = {}
        for service in self.active.values():
            name = service.container_name
            if name in taken:
                message = f'the container name "{name}" is taken by the service {taken[name]}'
                self._error(
                    Code.DUPLICATE_NAME, message, ("services", service.name, "container_name"), "choose another"
                )
            elif name is not None:
                taken[name] = service.name

    def _cycles(self) -> None:
        """Depth first; a service met again on the way down closes a cycle."""
        done: set[str] = set()
        for start in self.active:
            way = [start]
            stack = [iter(sorted(self.active[start].depends_on))]
            while stack and start not in done:
                following = stack[-1]
                step = next((other for other in following if other in self.active and other not in done), None)
                if step is None:
                    stack.pop()
                    done.add(way.pop())
                elif step in way:
                    self._tell_cycle([*way[way.index(step) :], step])
                else:
                    way.append(step)
                    stack.append(iter(sorted(self.active[step].depends_on)))

    def _tell_cycle(self, cycle: list[str]) -> None:
        if frozenset(cycle) in self.cycles:
            return
        self.cycles.add(frozenset(cycle))
        alone = len(cycle) == 2
        message = f"{cycle[0]} depends on itself" if alone else f"services depend on each other: {' → '.join(cycle)}"
        where = next(path for path, name, _ in _references(self.active[cycle[0]]) if name == cycle[1])
        hint = "remove it" if alone else "remove one dependency"
        self._error(Code.DEPENDENCY_CYCLE, message, ("services", cycle[0], *where), hint)

    def _error(self, code: Code, message: str, where: Path, hint: str | None) -> None:
        named_by_key = where[-2:-1] in (("depends_on",), ("networks",), ("models",))
        at = place_of_key(self.root, where) if named_by_key else place_of(self.root, where)
        self.problems.error(code, message, at=at, path=where, hint=hint)


def _listed(known: frozenset[str]) -> str:
    """What there is, where it is not too much to read."""
    return f"there are {', '.join(sorted(known))}; or " if 1 < len(known) <= 8 else ""


def _references(service: Service) -> Iterator[tuple[Path, str, bool]]:
    """Services that a service names, where it does so, and whether they must be active."""
    named: set[str] = set()
    for key, mode in _modes(service):
        if mode.kind is NamespaceKind.SERVICE and mode.target:
            named.add(mode.target)
            yield (key,), mode.target, True
    for key, texts in (("links", service.links), ("volumes_from", service.volumes_from)):
        for index, text in enumerate(texts):
            if not text.startswith("container:"):
                named.add(name_and_alias(text)[0])
                yield (key, index), name_and_alias(text)[0], True
    for name, dependency in service.depends_on.items():
        if name not in named:
            yield ("depends_on", name), name, dependency.required


def _probes(check: Healthcheck | None) -> bool:
    return check is not None and not check.disable and bool(check.test) and check.test != ("NONE",)
