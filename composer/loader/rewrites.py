"""How one short form becomes its long one, node by node, each part keeping its place.

What is of no shape that belongs there stays as it is; validation says so in its own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from composer.frozen import replace
from composer.loader import short
from composer.loader.codes import Code
from composer.loader.merge import port_identity, united
from composer.loader.places import Rewrite, Spot
from composer.loader.shellwords import Words, split_words
from composer.loader.tree import Mapping, Node, Scalar, Sequence, Tag, grown, is_null, plain
from composer.model.logging import LogOptions
from composer.model.scalars import Unreadable, WrongType, spelled

T = TypeVar("T")


def one_or_list(node: Node, _spot: Spot) -> Node:
    if isinstance(node, Scalar) and not is_null(node):
        return Sequence((replace(node),), node.place, node.tag)
    return node


def words(node: Node, spot: Spot) -> Node:
    """A command as one text becomes a list of words."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or spot.keeps(node):
        return node
    read = spot.read(node, split_words) or Words()
    spot.problems.grow(len(read.words), at=node.place)
    if read.unread:
        message = f'the command ends before "{read.unread}": no shell runs it'
        hint = f"write {_in_shell(node.value)}"
        spot.problems.warn(Code.NO_EFFECT, message, at=node.place, path=spot.path, hint=hint)
    return replace(grown(read.words, node.place), tag=node.tag)


def _in_shell(command: str) -> str:
    return f"[sh, -c, {json.dumps(command, ensure_ascii=False)}], or quote what is meant literally"


def test(node: Node, _spot: Spot) -> Node:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return replace(grown(["CMD-SHELL", node.value], node.place), tag=node.tag)
    return node


def pairs(node: Node, spot: Spot) -> Node:
    """A list of KEY=VALUE becomes a mapping; a KEY alone has null."""
    return _collected(node, spot, short.pair, lambda value, item: Scalar(value, item.place))


def labels(node: Node, spot: Spot) -> Node:
    """As `pairs`; a label without a value is an empty one."""
    paired = pairs(node, spot)
    if not isinstance(paired, Mapping):
        return paired
    filled = {key: Scalar("", item.place) if is_null(item) else item for key, item in paired.entries.items()}
    return paired.holding(filled)


def hosts(node: Node, spot: Spot) -> Node:
    """A list of HOST=ADDRESS becomes a mapping of hosts to lists of addresses."""
    if isinstance(node, Mapping):
        listed = {key: one_or_list(item, spot) for key, item in node.entries.items()}
        return node.holding(listed)
    if not isinstance(node, Sequence) or any(map(spot.keeps, node.items)):
        return node
    found: dict[str, list[Scalar]] = {}
    for index, item in enumerate(node.items):
        read = spot.inner(index).read(item, short.host) if isinstance(item, Scalar) else None
        if read is not None:
            found.setdefault(read[0], []).append(Scalar(read[1], item.place))
    entries: dict[str, Node] = {name: Sequence(tuple(items), items[0].place) for name, items in found.items()}
    return Mapping(entries, {name: item.place for name, item in entries.items()}, node.place, node.tag)


def _collected(
    node: Node, spot: Spot, reader: Callable[[str], tuple[str, T]], value: Callable[[T, Scalar], Node]
) -> Node:
    if not isinstance(node, Sequence) or any(map(spot.keeps, node.items)):
        return node
    entries: dict[str, Node] = {}
    for index, item in enumerate(node.items):
        if not isinstance(item, Scalar):
            spot.inner(index).tell(item, WrongType(plain(item), "a text", hint="write KEY=VALUE"))
        elif (read := spot.inner(index).read(item, reader)) is not None:
            entries[read[0]] = value(read[1], item)
    return Mapping(entries, {key: item.place for key, item in entries.items()}, node.place, node.tag)


def names(value: dict[str, Any] | None) -> Rewrite:
    """A list of names becomes a mapping in which each has `value`."""

    def rewrite(node: Node, spot: Spot) -> Node:
        def read(name: str) -> tuple[str, None]:
            return name, None

        return _collected(node, spot, read, lambda _, item: grown(value, item.place))

    return rewrite


def attachments(node: Node, spot: Spot) -> Node:
    """A list of names, or names with null, become names with nothing said about them."""
    node = names({})(node, spot)
    if not isinstance(node, Mapping):
        return node
    said = {key: grown({}, item.place) if is_null(item) else item for key, item in node.entries.items()}
    return node.holding(said)


def unique(node: Node, _spot: Spot) -> Node:
    """What a list says twice is meant once."""
    if not isinstance(node, Sequence):
        return node
    items = {spelled(item.value) if isinstance(item, Scalar) else repr(plain(item)): item for item in node.items}
    return node if len(items) == len(node.items) else replace(node, items=tuple(items.values()))


def one_or_unique(node: Node, spot: Spot) -> Node:
    return unique(one_or_list(node, spot), spot)


def wrapped(*keys: str) -> Rewrite:
    """A single value becomes a mapping in which each of `keys` has it."""

    def rewrite(node: Node, _spot: Spot) -> Node:
        if not isinstance(node, Scalar) or is_null(node):
            return node
        inner = replace(node, tag=Tag.NONE)
        return Mapping(dict.fromkeys(keys, inner), dict.fromkeys(keys, node.place), node.place, node.tag)

    return rewrite


def each_wrapped(*keys: str) -> Rewrite:
    """Each item that is a single value becomes a mapping; so does a single value in place of the list."""
    wrap_items = items_wrapped(*keys)

    def rewrite(node: Node, spot: Spot) -> Node:
        return wrap_items(one_or_list(node, spot), spot)

    return rewrite


def items_wrapped(*keys: str) -> Rewrite:
    """Each item that is a single value becomes a mapping."""
    wrap = wrapped(*keys)

    def rewrite(node: Node, spot: Spot) -> Node:
        if not isinstance(node, Sequence):
            return node
        return replace(node, items=tuple(wrap(item, spot) for item in node.items))

    return rewrite


def each(reader: Callable[[str], list[dict[str, Any]] | dict[str, Any]]) -> Rewrite:
    """Each text of a list becomes what `reader` makes of it, one long form or several."""

    def rewrite(node: Node, spot: Spot) -> Node:
        if not isinstance(node, Sequence):
            return node
        items: list[Node] = []
        seen: set[object] = set()
        for index, item in enumerate(node.items):
            if not isinstance(item, Scalar) or spot.keeps(item):
                items.append(item)
            elif item.value not in seen and (read := spot.inner(index).read(_as_text(item), reader)) is not None:
                several = read if isinstance(read, list) else [read]
                if len(several) > 1:
                    spot.problems.grow(_NODES_OF_A_PORT * len(several), at=item.place)
                items += [grown(long, item.place) for long in several]
            seen.add(item.value if isinstance(item, Scalar) else None)  # what is said twice is meant once
        return replace(node, items=tuple(items))

    return rewrite


_NODES_OF_A_PORT = 5  # only ranges of ports become several


def ports(node: Node, spot: Spot) -> Node:
    """As `each`; one port that is written in two ways is one."""
    read = each(short.ports)(node, spot)
    return replace(read, items=united(read.items, port_identity)) if isinstance(read, Sequence) else read


def _as_text(item: Scalar) -> Scalar:
    """Port 80 may be written as a number."""
    whole = isinstance(item.value, int) and not isinstance(item.value, bool)
    return replace(item, value=str(item.value)) if whole else item


def external(node: Node, _spot: Spot) -> Node:
    """`external: {name: x}`, the older way to write `external: true` and `name: x`."""
    found = node.entries.get("external") if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or not isinstance(found, Mapping):
        return node
    node = node.having("external", Scalar(True, found.place))
    name = found.entries.get("name")
    return node if name is None else node.having("name", name)


def gpus(node: Node, _spot: Spot) -> Node:
    if isinstance(node, Scalar) and node.value == "all":
        return replace(grown([{"count": -1}], node.place), tag=node.tag)
    return node


def all_counted(node: Node, _spot: Spot) -> Node:
    """`count: all` is -1."""
    return replace(node, value=-1) if isinstance(node, Scalar) and node.value == "all" else node


_LOG_OPTIONS = frozenset(field.alias or name for name, field in LogOptions.model_fields.items())


def log_options(node: Node, _spot: Spot) -> Node:
    """Options that are not ours go into a box of their own; which there may be is the driver's business."""
    if not isinstance(node, Mapping):
        return node
    said = {key: Scalar("", item.place) if is_null(item) else item for key, item in node.entries.items()}
    node = node.holding(said)
    others = [key for key in said if key not in _LOG_OPTIONS and not key.startswith("x-")]
    if not others:
        return node
    entries = {key: node.entries[key] for key in others}
    box = Mapping(entries, {key: node.key_place(key) for key in others}, node.place)
    return node.without(others).having("*", box)


def service(node: Node, spot: Spot) -> Node:
    """`x-rootfs` says the same as `rootfs`, in a file that docker compose reads as well."""
    if not isinstance(node, Mapping) or "x-rootfs" not in node.entries:
        return node
    alias, own = node.entries["x-rootfs"], node.entries.get("rootfs")
    if isinstance(alias, Scalar) and isinstance(own, Scalar) and alias.value != own.value:
        differ = Unreadable("rootfs and x-rootfs differ", hint="they mean the same: write one of them")
        spot.inner("x-rootfs").tell(alias, differ, code=Code.CONFLICT)
    place = node.key_place("x-rootfs")
    return (
        node.without(["x-rootfs"]) if own is not None else node.without(["x-rootfs"]).having("rootfs", alias, at=place)
    )
