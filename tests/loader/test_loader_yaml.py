"""YAML in Compose's dialect: what plain scalars mean, aliases, merge keys, tags, and places."""

from __future__ import annotations

import pytest

from composer.loader.parse import parse
from composer.loader.problems import MAX_NODES, Fatal, Place, Problems
from composer.loader.tree import Mapping, Node, at, plain


def documents(text: str) -> tuple[Node, ...]:
    problems = Problems()
    found = parse(text.encode(), file="f", problems=problems)
    assert not problems.known
    return found


def value(text: str) -> object:
    (document,) = documents(text)
    return plain(document)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("010", 8),
        ("0o10", 8),
        ("0x10", 16),
        ("0b11", 3),
        ("1_000", 1000),
        ("-5", -5),
        ("08", 8.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("2001-01-01", "2001-01-01"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("'8'", "8"),
        ('"true"', "true"),
        ("!!str 8", "8"),
        ("! 8", "8"),
        ('!!int "8"', 8),
        ("99999999999999999999999", 1e23),
    ],
)
def test_scalars(text: str, meant: object) -> None:
    assert value(f"a: {text}") == {"a": meant}


def test_aliases_stand_for_their_anchors() -> None:
    assert value("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}


def test_what_is_written_wins_over_what_is_merged() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}"
    assert value(text) == {"a": {"x": 1, "y": 1}, "b": {"y": 2, "z": 2}, "c": {"z": 3, "x": 1, "y": 1}}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert value('"<<": 1') == {"<<": 1}


def test_anchors_end_with_their_document() -> None:
    with pytest.raises(Fatal, match="no anchor"):
        documents("a: &x 1\n---\nb: *x")


def test_nodes_know_their_places() -> None:
    (root,) = documents("a:\n  b: [1, xy]\n")
    assert isinstance(root, Mapping)
    node = at(root, ("a", "b", 1))
    assert node is not None
    assert node.place == Place("f", 2, 10, 2, 12)
    assert root.keys["a"] == Place("f", 1, 1, 1, 2)


def test_aliases_are_counted_before_they_are_followed() -> None:
    allowed = "a: &a [" + "1," * 1000 + "]\nb: [" + "*a," * 90 + "]"
    assert value(allowed)
    with pytest.raises(Fatal, match=f"more than {MAX_NODES} nodes"):
        documents(allowed.replace("*a,", "*a,*a,"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: b: c", 'f:1:5: a ": " is not expected here'),
        ("a:\n\tb: 1", "f:2:1: a tab stands where YAML allows spaces only"),
        ("a:\n  - b\n c", "f:3:2: this line does not fit"),
        ('a: "x\nb: 1', "a quote is opened and never closed"),
        ("a: [1, 2\nb: 1", "a list in brackets is not closed"),
        ("a: {b: 1\nc", "a mapping in braces is not closed"),
        ("a: @x", 'f:1:4: a value cannot begin with "@"'),
        ("a: &x [*x]", "contains itself"),
        ("a\0", "control character U\\+0000"),
        ("? [a]\n: b", "cannot be a key"),
        ("[" * 200, "nested deeper than 100"),
        ("%YAML 1.1\n%YAML 1.1\n---\na", "not valid YAML"),
    ],
)
def test_what_is_no_yaml(text: str, told: str) -> None:
    with pytest.raises(Fatal, match=told.replace("[", r"\[").replace("(", r"\(")):
        documents(text)


def test_what_is_no_utf8() -> None:
    with pytest.raises(Fatal, match="f:2:3: the byte 0xff is not UTF-8"):
        parse(b"a: 1\nb:\xff", file="f", problems=Problems())


def test_utf16_and_byte_order_marks_are_read() -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        (document,) = parse("a: ü".encode(encoding), file="f", problems=Problems())
        assert plain(document) == {"a": "ü"}
