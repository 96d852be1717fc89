"""YAML text → trees that remember file, line and column.

libyaml scans and parses; putting nodes together is ours, because PyYAML's composer keeps no places, takes the last of
two equal keys silently and expands aliases without end. Limits: the size of a file, how deep it nests, and how many
nodes it has with its aliases written out, which is counted before any alias is followed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, cast

import yaml
from yaml import events

from composer.frozen import field, mutable
from composer.loader.codes import Code
from composer.loader.dialect import resolve
from composer.loader.files import MAX_BYTES
from composer.loader.problems import MAX_NODES, Fatal, Place, Problem, Problems
from composer.loader.syntax import MAX_DEPTH, TOO_DEEP, explained
from composer.loader.tree import Mapping, Node, Scalar, Sequence, Tag

_Loader: type[yaml.Loader | yaml.CLoader] = getattr(yaml, "CLoader", yaml.Loader)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_STANDARD = "tag:yaml.org,2002:"


def parse(source: bytes, *, file: str, problems: Problems) -> tuple[Node, ...]:
    """The documents of a stream. Raises Fatal where nothing sensible can follow."""
    text = _decoded(source, file)
    try:
        return tuple(_documents(_Loader(text), file, problems))
    except yaml.MarkedYAMLError as error:
        raise Fatal(explained(error, file=file, text=text)) from None
    except yaml.YAMLError as error:  # a ReaderError; its characters were looked for above, so this is a rarity
        raise Fatal(Problem(Code.YAML_SYNTAX, f"not valid YAML: {error}", Place(file, 1, 1, 1, 2))) from None


def _decoded(source: bytes, file: str) -> str:
    if len(source) > MAX_BYTES:
        message = f"more than {MAX_BYTES} bytes are too many for a Compose file"
        raise Fatal(Problem(Code.TOO_LARGE, message, Place(file, 1, 1, 1, 2), hint="split it, with include"))
    encoding = "utf-16" if source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = source.decode(encoding)
    except UnicodeDecodeError as error:
        before = source[: error.start].decode(encoding, "replace")
        raise Fatal(_bad_character(before, file, f"the byte {source[error.start]:#04x} is not UTF-8")) from None
    if found := _UNPRINTABLE.search(text):
        message = f"the control character U+{ord(found[0]):04X} is not allowed"
        raise Fatal(_bad_character(text[: found.start()], file, message))
    return text


def _bad_character(before: str, file: str, message: str) -> Problem:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Problem(
        Code.BAD_ENCODING, message, Place(file, line, column, line, column + 1), hint="save it as UTF-8 text"
    )


def _documents(loader: yaml.Loader | yaml.CLoader, file: str, problems: Problems) -> Iterator[Node]:
    composer = _Composer(loader, file, problems)
    while (event := loader.get_event()) is not None:
        if isinstance(event, events.DocumentStartEvent):
            composer.anchors.clear()  # anchors belong to one document
            yield composer.node(composer.next_event(), depth=1)


@mutable
class _Anchored:
    node: Node | None  # None while it is being composed: an alias to it would be a cycle
    size: int = 0


@mutable
class _Composer:
    """Puts events together. `visited` counts nodes as if aliases were written out."""

    loader: yaml.Loader | yaml.CLoader
    file: str
    problems: Problems
    visited: int = 0
    anchors: dict[str, _Anchored] = field(default_factory=dict)

    def next_event(self) -> events.Event:
        event: Any = self.loader.get_event()
        return cast(events.Event, event)  # None comes only behind the end of the stream

    def node(self, event: events.Event, *, depth: int) -> Node:
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        self._count(1, event)
        if depth > MAX_DEPTH:
            raise Fatal(Problem(Code.TOO_LARGE, TOO_DEEP, self._place(event)))
        anchor = getattr(event, "anchor", None)
        before = self.visited
        if anchor is not None:
            self.anchors[anchor] = _Anchored(None)
        node = self._fresh(event, depth)
        if anchor is not None:
            self.anchors[anchor] = _Anchored(node, self.visited - before + 1)
        return node

    def _alias(self, event: events.AliasEvent) -> Node:
        anchored = self.anchors.get(event.anchor or "")
        if anchored is None:
            message = f'the alias "*{event.anchor}" has no anchor above it'
            hint = f'write "&{event.anchor}" before the value it stands for, or quote the text'
            raise Fatal(Problem(Code.YAML_ALIAS, message, self._place(event), hint=hint))
        if anchored.node is None:
            raise Fatal(Problem(Code.YAML_ALIAS, f'the alias "*{event.anchor}" contains itself', self._place(event)))
        self._count(anchored.size, event)
        return anchored.node

    def _count(self, nodes: int, event: events.Event) -> None:
        self.visited += nodes
        if self.visited > MAX_NODES:
            message = f"more than {MAX_NODES} nodes, aliases written out"
            raise Fatal(Problem(Code.TOO_LARGE, message, self._place(event), hint="split the file or drop aliases"))

    def _fresh(self, event: events.Event, depth: int) -> Node:
        match event:
            case events.ScalarEvent():
                return self._scalar(event)
            case events.SequenceStartEvent():
                return self._sequence(event, depth)
            case events.MappingStartEvent():
                return self._mapping(event, depth)
            case _:
                raise AssertionError(f"{event} begins no node")

    def _scalar(self, event: events.ScalarEvent) -> Scalar:
        place = self._place(event)
        if event.tag is None or event.tag == "!":
            plain = event.implicit[0] and event.tag is None
            return Scalar(resolve(event.value) if plain else event.value, place)
        tag = self._tag(event.tag, place, ("str", "int", "float", "bool", "null"))
        if event.tag == f"{_STANDARD}str":
            return Scalar(event.value, place)
        return Scalar(resolve(event.value), place, tag)

    def _sequence(self, event: events.SequenceStartEvent, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(inner := self.next_event(), events.SequenceEndEvent):
            items.append(self.node(inner, depth=depth + 1))
        place = self._place(event, end=inner)
        return Sequence(tuple(items), place, self._tag(event.tag, place, ("seq",)))

    def _mapping(self, event: events.MappingStartEvent, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        merged: list[Mapping] = []
        while not isinstance(inner := self.next_event(), events.MappingEndEvent):
            merges = isinstance(inner, events.ScalarEvent) and inner.value == "<<" and inner.implicit[0]
            key, place = self._key(self.node(inner, depth=depth + 1))
            begins = self.next_event()
            value = self.node(begins, depth=depth + 1)
            if merges:
                merged += self._merged(value, at=self._place(begins))
            elif key in entries:
                self._duplicate(key, place, first=keys[key])
            else:
                entries[key], keys[key] = value, place
        for source in merged:  # what is written here wins over what is merged, and earlier over later
            entries = {**entries, **{key: node for key, node in source.entries.items() if key not in entries}}
            keys = {**source.keys, **keys}
        place = self._place(event, end=inner)
        return Mapping(entries, keys, place, self._tag(event.tag, place, ("map",)))

    def _key(self, node: Node) -> tuple[str, Place]:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value, node.place
        if not isinstance(node, Scalar):
            raise Fatal(Problem(Code.YAML_KEY, "a list or a mapping cannot be a key", node.place, hint="quote the key"))
        text = "" if node.value is None else str(node.value).lower()
        self.problems.error(
            Code.YAML_KEY, f'the key "{text}" is not a text', at=node.place, hint=f'quote it: "{text}":'
        )
        return text, node.place

    def _merged(self, value: Node, *, at: Place) -> list[Mapping]:
        sources = value.items if isinstance(value, Sequence) else (value,)
        good = [source for source in sources if isinstance(source, Mapping)]
        if len(good) < len(sources):
            hint = 'write "<<: *name", where &name stands before a mapping'
            self.problems.error(Code.YAML_MERGE, '"<<" merges mappings only', at=at, hint=hint)
        return good

    def _duplicate(self, key: str, place: Place, *, first: Place) -> None:
        message = f'the key "{key}" is given twice; first on line {first.line}'
        self.problems.error(Code.DUPLICATE_KEY, message, at=place, hint="remove one of them")

    def _tag(self, tag: str | None, place: Place, standard: tuple[str, ...]) -> Tag:
        if tag is None or tag == "!" or tag in {_STANDARD + name for name in standard}:
            return Tag.NONE
        if tag in (Tag.RESET.value, Tag.OVERRIDE.value):
            return Tag(tag)
        hint = "Compose knows !reset and !override; quote a text that begins with !"
        self.problems.error(Code.YAML_TAG, f'the tag "{tag}" is not known here', at=place, hint=hint)
        return Tag.NONE

    def _place(self, event: events.Event, *, end: events.Event | None = None) -> Place:
        start: Any = event.start_mark  # both are always there; the stubs cannot know
        stop: Any = (end or event).end_mark
        return Place(self.file, start.line + 1, start.column + 1, stop.line + 1, stop.column + 1)
