"""Objects of `@frozen` and `@mutable` classes are what those of dataclasses are, to everybody who looks at them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import pytest

from composer.frozen import field, fields, frozen, is_ours, mutable, promise, replace


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


@mutable
class Tally:
    name: str
    words: list[str] = field(default_factory=list)
    limit: int = 3
    count: int = field(default=0, init=False)
    seen: set[str] = field(default_factory=set, init=False)


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
    assert is_dataclass(Empty)
    assert [(it.name, it.type, it.default) for it in dataclasses.fields(Deep)] == [
        ("x", "int", dataclasses.MISSING),
        ("y", "int", 0),
        ("note", "str", ""),
        ("z", "int", 0),
    ]
    assert dataclasses.replace(Point(1, 2), y=3) == Point(1, 3)
    assert is_ours(Point)
    assert is_ours(Point(1))
    assert not is_ours(Reference(1))


def test_they_look_like_dataclasses() -> None:
    assert [it.name for it in fields(Deep)] == ["x", "y", "note", "z"]
    assert asdict(Point(1, 2)) == {"x": 1, "y": 2, "note": ""}
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    assert repr(Point(1, 2)) == repr(Reference(1, 2)).replace("Reference", "Point")
    assert not hasattr(Point(1), "__dict__")
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_what_a_factory_makes_is_each_objects_own() -> None:
    one, two = Tally("one"), Tally("two", ["b"], limit=4)
    one.words.append("a")
    one.seen.add("a")
    one.count += 1
    assert (one.words, one.limit, one.count, one.seen) == (["a"], 3, 1, {"a"})
    assert (two.words, two.limit, two.count, two.seen) == (["b"], 4, 0, set())
    assert Tally("one") != Tally("one"), "what changes is equal to itself alone"
    assert replace(one, name="three").words is one.words


def test_wrong_arguments_are_told_by_name() -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Tally\.__init__\(\) got an unexpected keyword argument 'count'"):
        Tally("one", count=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"the field\(\) of composer\.frozen is wanted"):

        @frozen
        class Mistaken:
            x: list[int] = dataclasses.field(default_factory=list)


def test_classes_of_one_shape_have_nothing_in_common() -> None:
    @frozen
    class Other:
        a: int
        b: int = 7
        c: str = "c"

    assert (Other(1).b, Other(1).c, Point(1).y, Point(1).note) == (7, "c", 0, "")


def test_a_promised_object_passes_for_one_of_the_class() -> None:
    point = promise(Deep, {"x": "7", "z": "8"}, lambda _, value: int(value))
    assert isinstance(point, Point)
    assert point.__class__ is Deep
    assert point == Deep(7, z=8)
    assert Deep(7, z=8) == point
    assert hash(point) == hash(Deep(7, z=8))
    assert repr(point) == "Deep(x=7, y=0, z=8)"
    assert replace(point, y=1) == dataclasses.replace(point, y=1) == Deep(7, 1, z=8)
    assert is_ours(point)
    match promise(Deep, {"x": "7"}, lambda _, value: int(value)):
        case Point(x, y):
            assert (x, y) == (7, 0)


def test_a_promise_is_kept_when_somebody_looks_and_once() -> None:
    looked = []

    def read(name: str, value: str) -> int:
        looked.append(name)
        return int(value)

    point = promise(Point, {"x": "7", "y": "seven"}, read)
    assert looked == []
    assert (point.x, point.x, point.note) == (7, 7, "")
    assert looked == ["x"]
    with pytest.raises(ValueError, match="seven"):
        _ = point.y
    with pytest.raises(AttributeError, match="'Point' object has no attribute 'w'"):
        _ = point.w  # type: ignore[attr-defined]  # that is what it is about


def test_promised_lists_are_each_objects_own() -> None:
    one, two = (promise(Tally, {"name": name}, lambda _, value: value) for name in ("one", "two"))
    one.words.append("a")
    one.seen.add("a")
    assert (one.words, two.words, two.seen, two.count) == (["a"], [], set(), 0)


def test_dataclasses_is_not_imported() -> None:
    words = (
        "import sys; from composer.frozen import *; from composer.frozen import frozen, mutable\n"
        "@frozen\nclass A:\n  x: int = 1\nassert A() == A(1)\nassert 'dataclasses' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", f"from __future__ import annotations; {words}"], check=True)


def test_first_objects_may_be_made_by_two_threads_at_once() -> None:
    """As the supervisor's threads do: none may find the constructor half there."""
    classes: list[Any] = [frozen(type(f"Made{number}", (), {"__annotations__": {"x": "int"}})) for number in range(300)]
    together = threading.Barrier(4)

    def make_all(_: int) -> list[int]:
        together.wait()
        return [cls(7).x for cls in classes]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(make_all, range(4))) == [[7] * 300] * 4
    finally:
        sys.setswitchinterval(interval)
