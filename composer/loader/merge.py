"""Merging: what a later file, or a service that extends another, does to what was there before.

Both sides are in long form already, so the rules are few: scalars are replaced (null changes nothing), mappings merge,
sequences append, and items that mean the same thing — two volumes at one path — are replaced in place. The exceptions
stand in the tables. `!reset` removes, `!override` replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import TypeAlias

from composer.frozen import replace
from composer.loader.codes import Code
from composer.loader.problems import Path, Problems
from composer.loader.tree import Mapping, Node, Scalar, Sequence, Tag, child, is_null, plain
from composer.model.scalars import spelled

Identity: TypeAlias = Callable[[Node], object]


def _by(*keys: str) -> Identity:
    """Items are the same where the first of `keys` that one has is."""

    def identity(item: Node) -> object:
        for key in keys:
            found = child(item, key)
            if found is not None and not is_null(found):
                return plain(found)
        return id(item)

    return identity


def port_identity(item: Node) -> object:
    """A port is the same where all of this is; what is not said is docker compose's default."""
    if not isinstance(item, Mapping):
        return id(item)
    found = (child(item, key) for key in ("host_ip", "published", "target", "protocol"))
    parts = (str(plain(node)) if node is not None else "" for node in found)
    return tuple(part or default for part, default in zip(parts, ("", "", "", "tcp"), strict=True))


_REPLACED = frozenset(
    (
        ("services", "*", "command"),
        ("services", "*", "entrypoint"),
        ("services", "*", "healthcheck", "test"),
    )
)
_IDENTITIES: dict[tuple[str, ...], Identity] = {
    ("services", "*", "volumes"): _by("target"),
    ("services", "*", "devices"): _by("target", "source"),
    ("services", "*", "secrets"): _by("target", "source"),
    ("services", "*", "configs"): _by("target", "source"),
    ("services", "*", "env_file"): _by("path"),
    ("services", "*", "ports"): port_identity,
}
_POOLS = ("networks", "*", "ipam", "config")
_NULL_COUNTS = frozenset((("services", "*", "environment"), ("services", "*", "build", "args")))


def merge(base: Node, over: Node, *, problems: Problems, path: Path = ()) -> Node:
    """`base` changed by `over`."""
    pattern = _pattern(path)
    if over.tag is not Tag.NONE or pattern in _REPLACED or _is_extension(path):
        return over
    if is_null(over) and pattern[:-1] not in _NULL_COUNTS:
        return base
    match base, over:
        case Mapping(), Mapping():
            if pattern == ("services", "*", "logging") and not _same_driver(base, over):
                return over
            return _merged_mapping(base, over, problems, path)
        case Sequence(), Sequence() if pattern == _POOLS:
            return _merged_pools(base, over, problems, path)
        case Sequence(), Sequence():
            return replace(over, items=united(base.items + over.items, _IDENTITIES.get(pattern, _by_value)))
        case ((Mapping() | Sequence()), _):
            problems.error(
                Code.MERGE_MISMATCH,
                _shapes(base, over),
                at=over.place,
                path=path,
                hint=f"write {_KINDS[type(base)]}, or !override before the value to replace the other",
            )
            return base
        case _:
            return over


def _merged_mapping(base: Mapping, over: Mapping, problems: Problems, path: Path) -> Mapping:
    entries = dict(base.entries)
    keys = {**base.keys}
    for key, value in over.entries.items():
        if value.tag is Tag.RESET:
            entries.pop(key, None)
            continue
        before = entries.get(key)
        entries[key] = value if before is None else merge(before, value, problems=problems, path=(*path, key))
        if before is None or entries[key] is not before:
            keys[key] = over.key_place(key)
    return replace(over, entries=entries, keys=keys, tag=base.tag)


def _merged_pools(base: Sequence, over: Sequence, problems: Problems, path: Path) -> Sequence:
    """Pools of addresses with the same subnet are one."""
    identity = _by("subnet")
    pools = {repr(identity(item)): item for item in base.items}
    for item in over.items:
        key = repr(identity(item))
        pools[key] = merge(pools[key], item, problems=problems, path=(*path, 0)) if key in pools else item
    return replace(over, items=tuple(pools.values()))


def _pattern(path: Path) -> tuple[str, ...]:
    """The path with the name of the service or network replaced by `*`."""
    return tuple("*" if index == 1 else str(step) for index, step in enumerate(path))


def _is_extension(path: Path) -> bool:
    return bool(path) and str(path[-1]).startswith("x-") and len(path) != 2


def _same_driver(base: Mapping, over: Mapping) -> bool:
    drivers = [plain(node) for side in (base, over) if (node := side.entries.get("driver")) is not None]
    return len(set(map(str, drivers))) < 2


def _by_value(item: Node) -> object:
    return spelled(item.value) if isinstance(item, Scalar) else plain(item)


def united(items: tuple[Node, ...], identity: Identity) -> tuple[Node, ...]:
    united: dict[str, Node] = {}
    for item in items:
        united[repr(identity(item))] = item  # a later item takes the place of its equal
    return tuple(united.values())


_KINDS = {Mapping: "a mapping", Sequence: "a list", Scalar: "a single value"}


def _shapes(base: Node, over: Node) -> str:
    return f"this is {_KINDS[type(over)]}, and what it would change is {_KINDS[type(base)]} ({base.place})"


def settled(node: Node) -> Node:
    """The tree without what `!reset` removes; the tags have done their work."""
    match node:
        case Scalar(tag=Tag.NONE):
            return node
        case Mapping(entries=entries):
            kept = {key: settled(value) for key, value in entries.items() if value.tag is not Tag.RESET}
            same = len(kept) == len(entries) and all(map(is_, kept.values(), entries.values()))
            return node if same and node.tag is Tag.NONE else replace(node, entries=kept, tag=Tag.NONE)
        case Sequence(items=items):
            inner = tuple(settled(item) for item in items if item.tag is not Tag.RESET)
            same = len(inner) == len(items) and all(map(is_, inner, items))
            return node if same and node.tag is Tag.NONE else replace(node, items=inner, tag=Tag.NONE)
        case _:
            return replace(node, tag=Tag.NONE)
