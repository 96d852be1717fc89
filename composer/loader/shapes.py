"""Keys the language knows, and their `x-…` neighbours.

The model is the list of keys: a tree is walked beside its parts. A key nobody knows is told, with the nearest known
one, and taken out; extensions are gathered where the model keeps them.
"""

from __future__ import annotations

import types
from collections.abc import Mapping as AnyMapping
from enum import Enum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from composer.frozen import frozen, replace
from composer.loader.codes import Code
from composer.loader.nearest import did_you_mean, nearest
from composer.loader.problems import Path, Problems, notation
from composer.loader.tree import Mapping, Node, Sequence, is_null
from composer.model.hook import InitHook
from composer.model.job import Job
from composer.model.part import EXTENSIONS, Part
from composer.model.service import Service


class Kind(Enum):
    """How parts stand under a key."""

    PART = "part"
    PARTS_BY_NAME = "parts by name"
    PARTS_IN_ORDER = "parts in order"


@frozen
class Shape:
    kind: Kind
    part: type[Part]


@cache
def keys_of(part: type[Part]) -> dict[str, Shape | None]:
    """The keys a part may have in a file; those that hold parts say how."""
    keys = {field.alias or name: _shape(field.annotation) for name, field in part.model_fields.items()}
    return {key: shape for key, shape in keys.items() if key not in _NOT_WRITTEN.get(part, (EXTENSIONS,))}


_NOT_WRITTEN: dict[type[Part], tuple[str, ...]] = {
    Service: (EXTENSIONS, "name"),
    Job: (EXTENSIONS, "name"),
}  # a service's name is its key


def _shape(annotation: Any) -> Shape | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(arguments[0])
    if origin in (Union, types.UnionType):
        return next(filter(None, map(_shape, arguments)), None)
    if origin is None:
        is_part = isinstance(annotation, type) and issubclass(annotation, Part)
        return Shape(Kind.PART, annotation) if is_part else None
    inner = _shape(arguments[-1] if issubclass(origin, AnyMapping) else arguments[0]) if arguments else None
    if inner is None or inner.kind is not Kind.PART:
        return None
    return Shape(Kind.PARTS_BY_NAME if issubclass(origin, AnyMapping) else Kind.PARTS_IN_ORDER, inner.part)


def closed(node: Node, shape: Shape, *, path: Path, problems: Problems, also: frozenset[str] = frozenset()) -> Node:
    """The tree with known keys only. `also` are keys that are known here and not kept in the part."""
    match shape.kind, node:
        case Kind.PART, Mapping():
            return _closed_part(node, shape.part, path, problems, also)
        case Kind.PARTS_BY_NAME, Mapping(entries=entries):
            inner = replace(shape, kind=Kind.PART)
            named = {key: closed(item, inner, path=(*path, key), problems=problems) for key, item in entries.items()}
            return node.holding(named)
        case Kind.PARTS_IN_ORDER, Sequence(items=items):
            inner = replace(shape, kind=Kind.PART)
            listed = (closed(item, inner, path=(*path, index), problems=problems) for index, item in enumerate(items))
            return replace(node, items=tuple(listed))
        case _:
            return node


def _closed_part(node: Mapping, part: type[Part], path: Path, problems: Problems, also: frozenset[str]) -> Mapping:
    known = keys_of(part)
    entries: dict[str, Node] = {}
    extensions: dict[str, Node] = {}
    for key, value in node.entries.items():
        if key in known and is_null(value) and _needs_value(part, key):
            message = f"{key} has no value"
            problems.error(
                Code.WRONG_TYPE, message, at=node.key_place(key), path=(*path, key), hint=f"write it, or remove {key}"
            )
        elif key in known:
            shape = known[key]
            entries[key] = value if shape is None else closed(value, shape, path=(*path, key), problems=problems)
        elif key.startswith("x-"):
            extensions[key] = value
            _tell_unknown_extension(node, key, known, path, problems)
        elif key not in also:
            _tell_unknown(node, key, frozenset(known) | also, path, problems)
    if extensions:
        entries[EXTENSIONS] = Mapping(extensions, {key: node.key_place(key) for key in extensions}, node.place)
    return node.holding(entries)


_NULLABLE: dict[type[Part], frozenset[str]] = {
    Service: frozenset(("command", "entrypoint", "deploy", "develop", "pid")),
    Job: frozenset(("command", "entrypoint", "deploy", "develop", "pid")),
    InitHook: frozenset(("command",)),
}


@cache
def _optional(part: type[Part]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in part.model_fields.items() if field.default is None)


def _needs_value(part: type[Part], key: str) -> bool:
    """A key may be left out, but hardly one may say nothing: it is a slip, or a text that was to be empty."""
    return key in _optional(part) and key not in _NULLABLE.get(part, ())


def _tell_unknown(node: Mapping, key: str, known: frozenset[str], path: Path, problems: Problems) -> None:
    owner = _owner(path)
    candidates = sorted(known - {"*"})
    hint = did_you_mean(key, candidates)
    if hint is None:
        hint = elsewhere(key) or _known(candidates)
    problems.error(
        Code.UNKNOWN_KEY, f'"{key}" is not a key of {owner}', at=node.key_place(key), path=(*path, key), hint=hint
    )


def _known(keys: list[str]) -> str:
    return f"known are {', '.join(keys)}" if len(keys) <= 12 else "a key of your own begins with x-"


def misspelt(key: str) -> str | None:
    """The key of a service that an unknown one was meant to be."""
    known = keys_of(Service)
    return None if key in known or key.startswith("x-") else nearest(key, known)


def elsewhere(key: str) -> str | None:
    """A good key that is indented too far, or not far enough, is told where it belongs."""
    owner = _owners().get(key)
    if owner is None:
        return None
    return f"it is a key of {'.'.join(owner)}: indent it accordingly" if owner else "it is a key of a service"


@cache
def _owners() -> dict[str, tuple[str, ...]]:
    """Keys and the shortest way to them below a service."""
    owners: dict[str, tuple[str, ...]] = {}
    parts: list[tuple[tuple[str, ...], type[Part]]] = [((), Service)]
    for way, part in parts:  # grows as it is walked: the nearest come first
        for key, shape in keys_of(part).items():
            owners.setdefault(key, way)
            if shape is not None and len(way) < 4:
                parts.append(((*way, key), shape.part))
    return owners


def _tell_unknown_extension(
    node: Mapping, key: str, known: dict[str, Shape | None], path: Path, problems: Problems
) -> None:
    """A slip in a key of ours that begins with x- would be taken for somebody else's key, silently."""
    ours = [*(name for name in known if name.startswith("x-") and name != EXTENSIONS), *_ALIASES.get(path[:1], ())]
    guess = did_you_mean(key, ours if len(path) == 2 else ())
    if guess is not None:
        message = f'"{key}" means nothing here'
        problems.warn(Code.UNKNOWN_EXTENSION, message, at=node.key_place(key), path=(*path, key), hint=guess)


_ALIASES: dict[Path, tuple[str, ...]] = {("services",): ("x-rootfs",)}


def _owner(path: Path) -> str:
    if not path:
        return "a Compose file"
    if len(path) == 2 and isinstance(path[1], str):
        return f"a {str(path[0]).removesuffix('s')}"
    return notation(path[2:] if len(path) > 2 else path)
