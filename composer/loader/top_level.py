"""The top of a Compose file: its keys, and what is defined beside services."""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from typing import TypeVar

from composer.loader.codes import Code
from composer.loader.nearest import did_you_mean, nearest
from composer.loader.problems import Path, Problems
from composer.loader.shapes import elsewhere
from composer.loader.tree import Mapping, Node, Scalar, child, entries_at, grown, is_null, place_of_key, plain
from composer.model.network import Network
from composer.model.part import EXTENSIONS
from composer.model.scalars import Unreadable, read_boolean, shown
from composer.model.volume import Config, Secret, Volume

Definition = TypeVar("Definition", Network, Volume, Config, Secret)

KEYS = ("name", "services", "networks", "volumes", "configs", "secrets", "models", "jobs", "include", "version")
_KEY = re.compile(r"[a-zA-Z0-9._-]+")


def check_top(root: Mapping, *, problems: Problems) -> Mapping:
    """The tree with known keys only; extensions are gathered. Tells what is wrong at the top itself."""
    extensions = {key: node for key, node in root.entries.items() if key.startswith("x-")}
    for key in root.entries:
        if key not in KEYS and key not in extensions:
            hint = (
                did_you_mean(key, KEYS)
                or elsewhere(key)
                or f"known are {', '.join(KEYS)}; a key of your own begins with x-"
            )
            problems.error(
                Code.UNKNOWN_KEY, f'"{key}" is not a key of a Compose file', at=root.keys[key], path=(key,), hint=hint
            )
    if "version" in root.entries:
        hint = "remove it"
        problems.warn(
            Code.OBSOLETE, "version is obsolete and ignored", at=root.key_place("version"), path=("version",), hint=hint
        )
    _check_name(root, problems)
    if "services" not in map(_meant, root.entries):
        _check_services(root, problems)
    kept = root.without((*extensions, *(key for key in root.entries if key not in KEYS)))
    return kept.having(EXTENSIONS, grown({key: plain(node) for key, node in extensions.items()}, root.place))


def _meant(key: str) -> str | None:
    """The key that an unknown one is a misspelling of."""
    return None if key in KEYS else nearest(key, KEYS)


def _check_name(root: Mapping, problems: Problems) -> None:
    name = root.entries.get("name")
    if name is not None and not (isinstance(name, Scalar) and isinstance(name.value, str) and name.value):
        found = shown(plain(name))
        problems.error(
            Code.WRONG_TYPE,
            f"found {found} where a text is needed",
            at=name.place,
            path=("name",),
            hint="write one text",
        )


def _check_services(root: Mapping, problems: Problems) -> None:
    services = root.entries.get("services")
    at = root.place if services is None else root.key_place("services")
    if services is None or is_null(services) or (isinstance(services, Mapping) and not services.entries):
        hint = "write services: and a service beneath it"
        problems.error(Code.NO_SERVICES, "the project has no services", at=at, path=("services",), hint=hint)


def with_names(parts: Table[str, Definition], *, project: str) -> dict[str, Definition]:
    """What has no name of its own is called PROJECT_KEY; what is external, KEY."""
    return {
        key: part if part.name else part.model_copy(update={"name": key if part.external else f"{project}_{key}"})
        for key, part in parts.items()
    }


# ---- networks, volumes, configs, secrets -------------------------------------------------------------------------

_SOURCES = {"secrets": ("file", "environment"), "configs": ("file", "environment", "content")}


def check_definitions(root: Mapping, *, problems: Problems) -> None:
    for kind in ("networks", "volumes", "configs", "secrets"):
        for key, node in entries_at(root, kind):
            if not _KEY.fullmatch(key):
                message = f'"{key}" is not a name of a {kind.removesuffix("s")}'
                hint = "use letters, digits, dots, - and _"
                problems.error(Code.BAD_NAME, message, at=place_of_key(root, (kind, key)), path=(kind, key), hint=hint)
            if isinstance(node, Mapping):
                _check_external(node, kind, (kind, key), problems)


def _check_external(node: Mapping, kind: str, path: Path, problems: Problems) -> None:
    if not _is_external(node):
        if kind in _SOURCES:
            _check_sources(node, _SOURCES[kind], path, problems)
        return
    for key, value in node.entries.items():
        says_nothing = is_null(value) or (isinstance(value, Mapping) and not value.entries)  # `ipam: {}`, of `config`
        if key not in ("external", "name", EXTENSIONS) and not key.startswith("x-") and not says_nothing:
            message = f"external: true excludes {key}: the {kind.removesuffix('s')} is there already"
            problems.error(Code.CONFLICT, message, at=node.key_place(key), path=(*path, key), hint=f"remove {key}")


def _is_external(node: Mapping) -> bool:
    found: Node | None = child(node, "external")
    try:
        return found is not None and read_boolean(plain(found))
    except Unreadable:
        return False


def _check_sources(node: Mapping, sources: tuple[str, ...], path: Path, problems: Problems) -> None:
    given = [key for key in sources if key in node.entries]
    choice = f"{', '.join(sources[:-1])} or {sources[-1]}"
    if not given:
        kind = str(path[0]).removesuffix("s")
        problems.error(Code.MISSING_KEY, f"the {kind} has no content", at=node.place, path=path, hint=f"write {choice}")
    elif len(given) > 1:
        message = f"{' and '.join(given)} exclude each other"
        problems.error(Code.CONFLICT, message, at=node.key_place(given[1]), path=path, hint=f"write {choice}")
