"""`extends`: a service laid over another one, of the same file or of another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as Table
from itertools import islice
from typing import Protocol

from composer.frozen import field, frozen, mutable
from composer.loader.codes import Code
from composer.loader.files import Files
from composer.loader.merge import merge
from composer.loader.nearest import did_you_mean
from composer.loader.paths import absolute, with_absolute_paths
from composer.loader.problems import Path, Place, Problems
from composer.loader.tree import Mapping, Node, Scalar, child, mapping_at, place_of_key, size

MAX_CHAIN = 100

_KEYS = ("service", "file")


class Layers(Protocol):
    """Where the documents of another file come from."""

    files: Files
    problems: Problems
    resolves_paths: bool

    def layers(self, path: str, *, environment: Table[str, str]) -> list[Mapping]: ...


@frozen
class _Base:
    """Services of one file, of which one may be extended."""

    path: str
    services: Mapping


@mutable
class Extends:
    """Resolves one file's `extends`."""

    source: Layers
    path: str
    environment: Table[str, str]
    others: dict[str, _Base | None] = field(default_factory=dict)
    cycles: set[frozenset[tuple[str, str]]] = field(default_factory=set)

    def resolved(self, layer: Mapping) -> Mapping:
        """The file's tree in which no service extends another any more."""
        services = mapping_at(layer, "services")
        if services is None or not any(child(service, "extends") for service in services.entries.values()):
            return layer
        base = _Base(self.path, services)
        entries = {name: self._service(name, base, chain=()) for name in services.entries}
        return layer.having("services", Mapping(entries, services.keys, services.place, services.tag))

    def _service(self, name: str, file: _Base, *, chain: tuple[tuple[str, str], ...]) -> Node:
        node = file.services.entries[name]
        extends = child(node, "extends")
        if not isinstance(node, Mapping) or extends is None:
            return node
        own = node.without(["extends"])
        link = (file.path, name)
        if link in chain:
            self._tell_cycle((*chain[chain.index(link) :], link), extends)
            return own
        if len(chain) == MAX_CHAIN:
            message = f"more than {MAX_CHAIN} services extend each other in a row"
            self._error(Code.TOO_LARGE, message, extends.place, ("services", name, "extends"), None)
            return own
        base = self._base(name, extends, file, (*chain, link))
        if base is None:
            return own
        merged = merge(base, own, problems=self.source.problems, path=("services", name))
        self.source.problems.grow(size(merged), at=extends.place)
        return merged

    def _base(self, name: str, extends: Node, file: _Base, chain: tuple[tuple[str, str], ...]) -> Node | None:
        wanted, other = self._read(name, extends)
        if wanted is None:
            return None
        source = file if other is None else self._other(name, other, file)
        if source is None:
            return None
        target = str(wanted.value)
        if target not in source.services.entries:
            self._tell_missing(name, wanted, target, source)
            return None
        base = self._service(target, source, chain=chain)
        return (
            base if source.path == self.path or not self.source.resolves_paths else self._located(base, target, source)
        )

    def _read(self, name: str, extends: Node) -> tuple[Scalar | None, Scalar | None]:
        """The nodes that name the service and the file."""
        service, file = child(extends, "service"), child(extends, "file")
        path = ("services", name, "extends")
        for key in extends.entries if isinstance(extends, Mapping) else ():
            if key not in _KEYS and not key.startswith("x-"):
                hint = did_you_mean(key, _KEYS) or "extends has service and file"
                place = place_of_key(extends, (key,))
                self._error(Code.UNKNOWN_KEY, f'"{key}" is not a key of extends', place, (*path, key), hint)
        if not isinstance(service, Scalar) or not isinstance(service.value, str):
            if not isinstance(extends, Mapping) or set(extends.entries) <= set(_KEYS):
                hint = "write extends: {service: NAME}"
                self._error(Code.MISSING_KEY, "extends names no service", extends.place, path, hint)
            return None, None
        return service, file if isinstance(file, Scalar) and isinstance(file.value, str) else None

    def _other(self, name: str, other: Scalar, file: _Base) -> _Base | None:
        directory = os.path.dirname(file.path) if file.path != "-" else self.source.files.cwd
        path = absolute(str(other.value), directory=directory, home=self.environment.get("HOME"))
        if path == file.path:
            return file
        if not os.path.isfile(path):
            hint = f"the path is relative to {self.source.files.shown(file.path)}"
            message = f"cannot extend from {self.source.files.shown(path)}: there is no such file"
            self._error(Code.MISSING_FILE, message, other.place, ("services", name, "extends", "file"), hint)
            return None
        if path not in self.others:
            self.others[path] = self._services_of(path)
        return self.others[path]

    def _services_of(self, path: str) -> _Base | None:
        merged: Node | None = None
        for layer in self.source.layers(path, environment=self.environment):
            merged = layer if merged is None else merge(merged, layer, problems=self.source.problems)
        services = mapping_at(merged, "services")
        return _Base(path, services) if services else None

    def _located(self, service: Node, name: str, source: _Base) -> Node:
        """Relative paths mean the directory of the file they stand in."""
        root = Mapping({"services": Mapping({name: service}, {}, service.place)}, {}, service.place)
        located = with_absolute_paths(
            root,
            directory=os.path.dirname(source.path),
            environment=self.environment,
            problems=self.source.problems,
        )
        services = mapping_at(located, "services")
        return services.entries[name] if services else service

    def _tell_missing(self, name: str, wanted: Scalar, target: str, source: _Base) -> None:
        where = self.source.files.shown(source.path)
        message = f'cannot extend "{target}": {where} has no such service'
        hint = did_you_mean(target, source.services.entries) or f"it has {_some(source.services.entries)}"
        self._error(Code.UNDEFINED_SERVICE, message, wanted.place, ("services", name, "extends", "service"), hint)

    def _tell_cycle(self, cycle: tuple[tuple[str, str], ...], extends: Node) -> None:
        if frozenset(cycle) in self.cycles:
            return
        self.cycles.add(frozenset(cycle))
        several = len({path for path, _ in cycle}) > 1
        names = (f"{name} ({self.source.files.shown(path)})" if several else name for path, name in cycle)
        message = f"services extend each other: {' → '.join(names)}"
        self._error(
            Code.EXTENDS_CYCLE, message, extends.place, ("services", cycle[0][1], "extends"), "remove one extends"
        )

    def _error(self, code: Code, message: str, place: Place, path: Path, hint: str | None) -> None:
        self.source.problems.error(code, message, at=place, path=path, hint=hint)


def _some(names: Iterable[str]) -> str:
    first, *rest = list(islice(names, 9))
    return ", ".join((first, *rest)) if len(rest) < 8 else ", ".join((first, *rest[:7], "…"))
