"""Objects of `@frozen` classes are what those of frozen dataclasses are, to everybody who looks at them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace

import pytest

from composer.frozen import frozen


@frozen
class Point:
    x: int
    y: int = 0
    note: str = field(default="", compare=False, repr=False)


@frozen
class Deep(Point):
    z: int = 0


@frozen
class Empty:
    pass


@frozen
class Odd:
    x: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and self.x % 2 == other.x % 2

    def __hash__(self) -> int:
        return self.x % 2


@dataclass(frozen=True, slots=True)
class Reference:
    x: int
    y: int = 0


def test_equality_and_hash_are_those_of_the_fields() -> None:
    assert Point(1) == Point(1, 0, note="elsewhere")
    assert Point(1) != Point(2)
    assert Point(1) != Deep(1)
    assert Deep(1, z=2) != Deep(1, z=3)
    assert {Point(1): "a"}[Point(1, note="b")] == "a"
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert Point(1).__eq__((1, 0)) is NotImplemented
    with pytest.raises(TypeError, match="unhashable"):
        hash(replace(Point(1), x=[]))  # type: ignore[arg-type]  # a list is what it is about


def test_methods_of_the_class_stay() -> None:
    assert Odd(1) == Odd(3)
    assert len({Odd(1), Odd(3), Odd(2)}) == 2


def test_they_are_dataclasses() -> None:
    assert is_dataclass(Point)


def test_they_look_like_dataclasses() -> None:
    assert [it.name for it in fields(Deep)] == ["x", "y", "note", "z"]
    assert asdict(Point(1, 2)) == {"x": 1, "y": 2, "note": ""}
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    assert repr(Point(1, 2)) == repr(Reference(1, 2)).replace("Reference", "Point")
    assert not hasattr(Point(1), "__dict__")
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
