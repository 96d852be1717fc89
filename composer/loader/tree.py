"""Trees of YAML nodes that remember where they stand.

Nodes are values: a stage that changes something builds new nodes and shares the rest (aliases share, too). They are not
frozen dataclasses, because tens of thousands are made per load and freezing doubles the price of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, TypeAlias

from composer.frozen import mutable
from composer.loader.problems import Path, Place


class Tag(Enum):
    """What Compose's own YAML tags ask of a merge."""

    NONE = ""
    RESET = "!reset"
    OVERRIDE = "!override"


@mutable
class Scalar:
    value: str | int | float | bool | None
    place: Place
    tag: Tag = Tag.NONE


@mutable
class Sequence:
    items: tuple[Node, ...]
    place: Place
    tag: Tag = Tag.NONE


@mutable
class Mapping:
    """`keys` are the places of the keys; the places of the values are the values' own."""

    entries: dict[str, Node]
    keys: dict[str, Place]
    place: Place
    tag: Tag = Tag.NONE

    def holding(self, entries: dict[str, Node]) -> Mapping:
        """With other entries; dataclasses.replace() is four times as slow, and this is called often."""
        return Mapping(entries, self.keys, self.place, self.tag)

    def key_place(self, key: str) -> Place:
        return self.keys.get(key, self.place)

    def without(self, keys: Iterable[str]) -> Mapping:
        gone = frozenset(keys)
        if not gone:
            return self
        return self.holding({key: node for key, node in self.entries.items() if key not in gone})

    def having(self, key: str, node: Node, *, at: Place | None = None) -> Mapping:
        keys = {**self.keys, key: at or self.keys.get(key, node.place)}
        return Mapping({**self.entries, key: node}, keys, self.place, self.tag)


Node: TypeAlias = Scalar | Sequence | Mapping


def size(node: Node) -> int:
    """How many nodes there are, shared ones each time."""
    match node:
        case Scalar():
            return 1
        case Sequence(items=items):
            return 1 + sum(map(size, items))
        case Mapping(entries=entries):
            return 1 + sum(map(size, entries.values()))


def plain(node: Node) -> Any:
    """The tree as dicts, lists and scalars."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node.entries.items()}


def grown(value: object, place: Place) -> Node:
    """A tree out of dicts, lists and scalars; all of it stands at `place`."""
    match value:
        case dict():
            entries = {str(key): grown(item, place) for key, item in value.items()}
            return Mapping(entries, dict.fromkeys(entries, place), place)
        case list() | tuple():
            return Sequence(tuple(grown(item, place) for item in value), place)
        case None | str() | int() | float() | bool():
            return Scalar(value, place)
        case _:
            raise TypeError(f"no node for {type(value).__name__}")


def child(node: Node | None, step: str | int) -> Node | None:
    match node, step:
        case Mapping(), str():
            return node.entries.get(step)
        case Sequence(), int() if 0 <= step < len(node.items):
            return node.items[step]
        case _:
            return None


def at(node: Node | None, path: Path) -> Node | None:
    """The node that `path` leads to, if it does."""
    for step in path:
        node = child(node, step)
    return node


def place_of(node: Node, path: Path) -> Place:
    """Where `path` stands; for what is not there, the innermost part that is."""
    for step in path:
        inner = child(node, step)
        if inner is None:
            break
        node = inner
    return node.place


def place_of_key(node: Node, path: Path) -> Place:
    """Where the key that `path` ends with stands."""
    parent = at(node, path[:-1])
    if isinstance(parent, Mapping) and path and isinstance(path[-1], str) and path[-1] in parent.keys:
        return parent.keys[path[-1]]
    return place_of(node, path)


def mapping_at(node: Node | None, *path: str | int) -> Mapping | None:
    found = at(node, path)
    return found if isinstance(found, Mapping) else None


def entries_at(node: Node | None, *path: str | int) -> Iterator[tuple[str, Node]]:
    """Keys and values of the mapping at `path`; nothing where there is none."""
    found = mapping_at(node, *path)
    yield from found.entries.items() if found else ()


def is_null(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.value is None
