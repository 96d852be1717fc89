"""`env_file` and `label_file`: files whose content becomes a service's environment and labels.

`environment` wins over `env_file`, a later file over an earlier one. A name without a value takes the one it has where
variables come from; without one there it is not set at all, even where a file sets it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping as Table

from composer.frozen import mutable, replace
from composer.loader.codes import Code
from composer.loader.consulted import Consulted
from composer.loader.dotenv import BadEnvFile, parse_env, parse_raw_env
from composer.loader.files import Files
from composer.loader.nearest import did_you_mean
from composer.loader.problems import Path, Problems
from composer.loader.tree import Mapping, Node, Scalar, Sequence, child, is_null, mapping_at, plain
from composer.model.scalars import spelled

_NOTHING: Table[str, str] = {}  # what the variables in a label file are looked up in, beside the file itself
_HOOKS = ("pre_start", "post_start", "pre_stop")


@mutable
class ServiceFiles:
    """Fills in the files of all services in a tree; those of inactive services need not be there."""

    environment: Table[str, str]
    directory: str  # what paths are relative to, where they are not absolute
    files: Files
    problems: Problems

    def filled(self, root: Mapping, *, active: frozenset[str]) -> Mapping:
        for kind in ("services", "jobs"):
            found = mapping_at(root, kind)
            if found is not None:
                entries = {
                    name: self._service(node, (kind, name), reads=kind == "jobs" or name in active)
                    if isinstance(node, Mapping)
                    else node
                    for name, node in found.entries.items()
                }
                root = root.having(kind, found.holding(entries))
        return root

    def _service(self, service: Mapping, path: Path, *, reads: bool) -> Mapping:
        environment = service.entries.get("environment")
        own = environment if isinstance(environment, Mapping) else None
        values: dict[str, Node] = {}
        if reads and "env_file" in service.entries:
            values = self._env_files(service.entries["env_file"], own, (*path, "env_file"))
        if own is not None:
            values = {**values, **{key: self._inherited(key, node) for key, node in own.entries.items()}}
        if values and (own is not None or environment is None):
            keys = {key: node.place for key, node in values.items()} | (own.keys if own else {})
            place = own.place if own else service.place
            service = service.having("environment", Mapping(values, keys, place))
        if (arguments := mapping_at(service, "build", "args")) is not None and isinstance(
            build := service.entries["build"], Mapping
        ):
            service = service.having("build", build.having("args", self._resolved(arguments)))
        for key in _HOOKS:
            if (hooks := service.entries.get(key)) is not None:
                service = service.having(key, self._hooks(hooks))
        return self._with_labels(service, path) if reads and "label_file" in service.entries else service

    def _hooks(self, hooks: Node) -> Node:
        """Hooks take names without a value from the same place as the service does."""
        if not isinstance(hooks, Sequence):
            return hooks
        return replace(hooks, items=tuple(map(self._hook, hooks.items)))

    def _hook(self, hook: Node) -> Node:
        own = mapping_at(hook, "environment")
        if own is None or not isinstance(hook, Mapping):
            return hook
        return hook.having("environment", self._resolved(own))

    def _resolved(self, variables: Mapping) -> Mapping:
        """What has a value, here or where variables come from."""
        values = {key: self._inherited(key, node) for key, node in variables.entries.items()}
        return variables.holding({key: node for key, node in values.items() if not is_null(node)})

    def _inherited(self, key: str, node: Node) -> Node:
        return Scalar(self.environment.get(key), node.place) if is_null(node) else node

    def _env_files(self, node: Node, own: Mapping | None, path: Path) -> dict[str, Node]:
        said = {key: spelled(plain(item)) for key, item in own.entries.items() if not is_null(item)} if own else {}
        values: dict[str, Node] = {}
        for index, entry in enumerate(node.items if isinstance(node, Sequence) else ()):
            if isinstance(entry, Mapping):
                values |= self._env_file(entry, said, values, (*path, index))
        return values

    def _env_file(self, entry: Mapping, said: dict[str, str], before: dict[str, Node], path: Path) -> dict[str, Node]:
        file = child(entry, "path")
        if not isinstance(file, Scalar) or not isinstance(file.value, str):
            return {}
        where = os.path.join(self.directory, file.value)
        if not self.files.is_file(where):
            self._tell_missing(entry, file, path)
            return {}
        earlier = {key: str(plain(node)) for key, node in before.items()}
        lookup = Consulted(said, first=self.environment)
        text = self.files.text(where, what="the env file")
        try:
            values = self._parsed(entry, text, where, lookup, earlier, path)
        except BadEnvFile as error:
            self.problems.add(replace(error.problem, path=path))
            return {}
        return {key: Scalar(value, file.place) for key, value in values.items()}

    def _parsed(
        self, entry: Mapping, text: str, file: str, lookup: Table[str, str], earlier: Table[str, str], path: Path
    ) -> dict[str, str]:
        form = child(entry, "format")
        if form is None or is_null(form):
            return parse_env(
                text, file=self.files.shown(file), lookup=lookup.get, earlier=earlier, warn=self.problems.add
            )
        if plain(form) != "raw":
            guess = did_you_mean(str(plain(form)), ("raw",))
            message = f'"{plain(form)}" is not a format of env_file'
            hint = guess or "write raw, or leave it out"
            self.problems.error(Code.UNKNOWN_CHOICE, message, at=form.place, path=(*path, "format"), hint=hint)
            return {}
        return parse_raw_env(text, file=self.files.shown(file), lookup=lookup.get)

    def _tell_missing(self, entry: Mapping, file: Scalar, path: Path) -> None:
        required = child(entry, "required")
        if required is not None and str(plain(required)).lower() in ("false", "no", "off"):
            return
        where = os.path.join(self.directory, str(file.value))
        why = _why_no_file(where)
        message = f"cannot read the env file {self.files.shown(where)}: {why}"
        hint = _OPTIONAL if why == _ABSENT else "name a file of variables"
        self.problems.error(Code.MISSING_FILE, message, at=file.place, path=path, hint=hint)

    def _with_labels(self, service: Mapping, path: Path) -> Mapping:
        values: dict[str, Node] = {}
        node = service.entries["label_file"]
        for index, file in enumerate(node.items if isinstance(node, Sequence) else ()):
            if isinstance(file, Scalar) and isinstance(file.value, str):
                values |= self._label_file(file, os.path.join(self.directory, file.value), (*path, "label_file", index))
        own = mapping_at(service, "labels")
        entries = {**values, **(own.entries if own else {})}
        keys = {key: item.place for key, item in values.items()} | (own.keys if own else {})
        return service.having("labels", Mapping(entries, keys, own.place if own else node.place))

    def _label_file(self, file: Scalar, name: str, path: Path) -> dict[str, Node]:
        if not self.files.is_file(name):
            message = f"cannot read the label file {self.files.shown(name)}: {_why_no_file(name)}"
            hint = "name a file of labels: KEY=VALUE on each line"
            self.problems.error(Code.MISSING_FILE, message, at=file.place, path=path, hint=hint)
            return {}
        text = self.files.text(name, what="the label file")
        try:
            values = parse_env(text, file=self.files.shown(name), lookup=_NOTHING.get, warn=self.problems.add)
        except BadEnvFile as error:
            self.problems.add(replace(error.problem, path=path))
            return {}
        return {key: Scalar(value, file.place) for key, value in values.items()}


_ABSENT = "there is no such file"
_OPTIONAL = "create it, or write required: false beside its path"


def _why_no_file(path: str) -> str:
    if os.path.isdir(path):
        return "it is a directory"
    return "it is not a regular file" if os.path.exists(path) else _ABSENT
