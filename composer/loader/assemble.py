"""Files → one tree: each file parsed, interpolated and put into long form, what it includes beneath it, what its
services extend beneath them; then merged onto the files before it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping as Table

from composer.frozen import field, frozen, mutable
from composer.loader.codes import Code
from composer.loader.consulted import Consulted
from composer.loader.environment import default_env_file, read_env_files
from composer.loader.extends import Extends
from composer.loader.files import Files
from composer.loader.interpolate import interpolate
from composer.loader.long_form import long_form
from composer.loader.merge import merge, settled
from composer.loader.nearest import did_you_mean
from composer.loader.parse import parse
from composer.loader.paths import absolute, with_absolute_paths
from composer.loader.problems import Fatal, Place, Problem, Problems
from composer.loader.tree import Mapping, Node, Scalar, Sequence, is_null, mapping_at, plain
from composer.model.scalars import shown

MAX_INCLUDES = 200
MAX_SERVICES = 5_000
_INCLUDE_KEYS = ("path", "project_directory", "env_file")


@frozen
class Sources:
    """Files that make up one project, or one included into another."""

    files: tuple[str, ...]
    directory: str
    environment: Table[str, str]


@mutable
class Assembly:
    files: Files
    problems: Problems
    interpolates: bool = True
    resolves_paths: bool = True
    included: int = field(default=0, init=False)
    parsed: dict[str, list[Mapping]] = field(default_factory=dict, init=False)

    def tree(self, sources: Sources, *, chain: tuple[str, ...] = ()) -> Mapping:
        """All files of `sources` as one tree with absolute paths."""
        merged: Mapping | None = None
        for path in sources.files:
            for layer in self.layers(path, environment=sources.environment):
                layer = self._with_includes(layer, path, sources, (*chain, path))
                layer = Extends(self, path, sources.environment).resolved(layer)
                merged = layer if merged is None else _mapping(merge(merged, layer, problems=self.problems))
                self._refuse_crowds(merged)
        if merged is None:
            place = Place(self.files.shown(sources.files[0]), 1, 1, 1, 1)
            raise Fatal(Problem(Code.EMPTY_FILE, "the Compose file is empty", place, hint='begin with "services:"'))
        if not self.resolves_paths:
            return _mapping(settled(merged))
        located = with_absolute_paths(
            settled(merged), directory=sources.directory, environment=sources.environment, problems=self.problems
        )
        return _mapping(located)

    def layers(self, path: str, *, environment: Table[str, str]) -> list[Mapping]:
        """The documents of a file, interpolated and in long form."""
        layers = []
        for document in self.documents(path):
            if self.interpolates:
                document = _mapping(interpolate(document, environment.get, problems=self.problems))
            self._refuse_crowds(document)
            layers.append(_mapping(long_form(document, problems=self.problems, literal=not self.interpolates)))
        return layers

    def _refuse_crowds(self, tree: Mapping) -> None:
        services = mapping_at(tree, "services")
        if services is not None and len(services.entries) > MAX_SERVICES:
            message = f"more than {MAX_SERVICES} services"
            at = tree.key_place("services")
            raise Fatal(Problem(Code.TOO_LARGE, message, at, ("services",), "make several projects of them"))

    def documents(self, path: str) -> list[Mapping]:
        """The documents of a file as they are written; an empty one says nothing."""
        if path not in self.parsed:
            source = self.files.read(path, what="the Compose file")
            found = parse(source, file=self.files.shown(path), problems=self.problems)
            self.parsed[path] = [self._checked(document) for document in found if not is_null(document)]
        return self.parsed[path]

    def _checked(self, document: Node) -> Mapping:
        if isinstance(document, Mapping):
            return document
        message = f'a Compose file is a mapping that begins with "services:", found {shown(plain(document))}'
        raise Fatal(
            Problem(Code.WRONG_TYPE, message, document.place, hint='write "services:" and the services beneath it')
        )

    # ---- include ----

    def _with_includes(self, layer: Mapping, path: str, sources: Sources, chain: tuple[str, ...]) -> Mapping:
        include = layer.entries.get("include")
        if include is None:
            return layer
        beneath: Mapping | None = None
        for entry in self._include_entries(include):
            tree = self._included(entry, path, sources, chain)
            if tree is not None:
                beneath = tree if beneath is None else _mapping(merge(beneath, tree, problems=self.problems))
        own = layer.without(["include"])
        return own if beneath is None else _mapping(merge(beneath, own, problems=self.problems))

    def _include_entries(self, include: Node) -> list[Mapping]:
        entries = include.items if isinstance(include, Sequence) else ()
        good = [entry for entry in entries if isinstance(entry, Mapping) and self._is_entry(entry)]
        if not all(isinstance(entry, Mapping) for entry in entries) or not isinstance(include, Sequence):
            hint = "write include: [other/compose.yaml], or {path, project_directory, env_file}"
            self.problems.error(
                Code.WRONG_TYPE, "include is a list of paths", at=include.place, path=("include",), hint=hint
            )
        return good

    def _is_entry(self, entry: Mapping) -> bool:
        """Whether it names a file. What else it says must be known."""
        for key in entry.entries:
            if key not in _INCLUDE_KEYS and not key.startswith("x-"):
                hint = did_you_mean(key, _INCLUDE_KEYS) or f"known are {', '.join(_INCLUDE_KEYS)}"
                at, path = entry.key_place(key), ("include", key)
                self.problems.error(Code.UNKNOWN_KEY, f'"{key}" is not a key of include', at=at, path=path, hint=hint)
        if "path" not in entry.entries and set(entry.entries) <= set(_INCLUDE_KEYS):
            hint = "write path: other/compose.yaml"
            self.problems.error(Code.MISSING_KEY, "path is missing", at=entry.place, path=("include",), hint=hint)
        elif "path" in entry.entries and not _texts(entry, "path"):
            paths = entry.entries["path"]
            found = paths.items[0] if isinstance(paths, Sequence) and paths.items else paths
            message, at = f"found {shown(plain(found))} where a path is needed", found.place
            hint = "write path: other/compose.yaml"
            self.problems.error(Code.WRONG_TYPE, message, at=at, path=("include", "path"), hint=hint)
        return bool(_texts(entry, "path"))

    def _included(self, entry: Mapping, path: str, sources: Sources, chain: tuple[str, ...]) -> Mapping | None:
        self.included += 1
        if self.included > MAX_INCLUDES:
            raise Fatal(Problem(Code.TOO_LARGE, f"more than {MAX_INCLUDES} files are included", entry.place))
        inner = self._included_sources(entry, path, sources)
        for file in inner.files:
            if file in chain:
                cycle = " → ".join(self.files.shown(file) for file in (*chain[chain.index(file) :], file))
                self.problems.error(
                    Code.INCLUDE_CYCLE,
                    f"files include each other: {cycle}",
                    at=entry.place,
                    path=("include",),
                    hint="remove one include",
                )
                return None
            if not self.files.is_file(file):
                message = f"cannot include {self.files.shown(file)}: there is no such file"
                hint = f"the path is relative to {self.files.shown(path)}"
                self.problems.error(Code.MISSING_FILE, message, at=entry.place, path=("include",), hint=hint)
                return None
        return self.tree(inner, chain=chain).without(["name", "version"])

    def _included_sources(self, entry: Mapping, path: str, sources: Sources) -> Sources:
        home = sources.environment.get("HOME")
        base = sources.directory if path == "-" else os.path.dirname(path)
        files = tuple(absolute(text, directory=base, home=home) for text in _texts(entry, "path"))
        named = _texts(entry, "project_directory")
        directory = absolute(named[0], directory=base, home=home) if named else os.path.dirname(files[0])
        env_files = tuple(absolute(text, directory=base, home=home) for text in _texts(entry, "env_file"))
        values = read_env_files(
            env_files or default_env_file(directory, self.files),
            outer=sources.environment,
            files=self.files,
            problems=self.problems,
        )
        return Sources(files, directory, Consulted(values, first=sources.environment))


def _texts(entry: Mapping, key: str) -> tuple[str, ...]:
    node = entry.entries.get(key)
    items = node.items if isinstance(node, Sequence) else (node,)
    return tuple(item.value for item in items if isinstance(item, Scalar) and isinstance(item.value, str))


def _mapping(node: Node) -> Mapping:
    assert isinstance(node, Mapping)  # a stage never changes the kind of the root
    return node
