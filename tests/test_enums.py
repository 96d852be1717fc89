"""What is done with an Enum here is what that of the standard library does."""

from __future__ import annotations

import copy
import enum
import pickle
from collections.abc import Collection
from enum import StrEnum
from typing import Any

import pytest

from composer import enums


class State(enums.Enum):
    RUNNING = "running"
    ENDED = "ended"
    GONE = "ended"  # another name

    @property
    def is_alive(self) -> bool:
        return self is State.RUNNING


class Other(enums.Enum):
    RUNNING = "running"


class Kind(StrEnum):
    ENDED = "ended"


Real: Any = enum.Enum("Real", {"RUNNING": "running", "ENDED": "ended", "GONE": "ended"})


def test_members_are_found_by_value_and_by_name() -> None:
    assert [it.name for it in State] == [it.name for it in Real] == ["RUNNING", "ENDED"]
    assert [it.value for it in State] == [it.value for it in Real]
    assert State("running") is State.RUNNING is State["RUNNING"]
    assert State["ENDED"] is State.GONE
    assert State(State.ENDED) is State.ENDED
    assert State(Kind.ENDED) is State.ENDED
    assert len(State) == len(Real) == 2
    assert isinstance(State, Collection)


@pytest.mark.parametrize("value", ["nothing", None, [], Other.RUNNING])
def test_there_is_no_other_value(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid State"):
        State(value)
    assert value is None or value not in [it.value for it in State]


def test_there_is_no_other_name() -> None:
    with pytest.raises(KeyError):
        State["NOTHING"]


def test_there_is_one_of_each() -> None:
    other: Any = Other.RUNNING
    assert copy.deepcopy(State.ENDED) is pickle.loads(pickle.dumps(State.ENDED)) is State.ENDED
    assert {State.ENDED: 1}[State.GONE] == 1
    assert (other == State.RUNNING) is False
    assert State.RUNNING in State
    assert other not in State


def test_they_have_methods_and_words() -> None:
    assert (State.RUNNING.is_alive, State.ENDED.is_alive) == (True, False)
    assert (str(State.GONE), repr(State.GONE)) == ("State.ENDED", "<State.ENDED: 'ended'>")
