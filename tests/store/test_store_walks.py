"""The last start on disk: written line by line, read whatever became of its writer."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from composer.planner.plan import Plan, StartContainer, Step
from composer.planner.walk import Begun, Entry, Finished, Moment, Outcome, Probing, Taken, Walk
from composer.spec.codec import DecodeError
from composer.store import walks
from composer.store.events import Event, EventLog
from composer.store.paths import Paths, ProjectPaths
from composer.store.walks import WalkLog

S = 1_000_000_000
WALL = 1_700_000_000 * S
PLAN = Plan((Step(1, StartContainer("shop-web-1"), "missing"),))
BEGUN = Begun("up", "pycompose up (pid 7)", WALL, 10, 20, 30, PLAN, unchanged=("shop-db-1",))
TAKEN = Taken(1, 40, 50, Outcome.FAILED, "no such file: \udcff")
HEALTHY = Moment("shop-web-1", "health_status: healthy", 60, probing=Probing(2, 51, 52, 55))
FINISHED = Finished(2 * S, WALL + 2 * S, "no")


@pytest.fixture
def places(paths: Paths) -> ProjectPaths:
    places = paths.project("shop")
    Path(places.run).mkdir(parents=True)
    return places


def write(places: ProjectPaths, *entries: Entry, begun: Begun = BEGUN) -> None:
    log = WalkLog(places, begun)
    for entry in entries:
        log.append(entry)
    log.close()


def happen(places: ProjectPaths, *events: tuple[int, str]) -> None:
    log = EventLog(places.events)
    for time_ns, action in events:
        log.append(Event(time_ns, action, "0" * 64, "web", (("name", "shop-web-1"), ("exitCode", "4"))))
    log.close()


def test_what_was_written_is_read(places: ProjectPaths) -> None:
    assert walks.read(places) is None
    write(places, TAKEN, HEALTHY, FINISHED)
    assert walks.read(places) == Walk(BEGUN, (TAKEN,), (HEALTHY,), FINISHED)


def test_the_next_start_replaces_the_last(places: ProjectPaths) -> None:
    write(places, TAKEN, FINISHED)
    second = replace(BEGUN, operation="start")
    write(places, begun=second)
    assert walks.read(places) == Walk(second)


def test_a_writer_that_was_killed_leaves_what_it_had_written(places: ProjectPaths) -> None:
    write(places, TAKEN, HEALTHY)
    whole = Path(places.walk).read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        Path(places.walk).write_bytes(whole[:length])
        found = walks.read(places)
        assert found is not None
        assert (found.begun, found.finished) == (BEGUN, None)
        assert found.steps in ((), (TAKEN,))


def test_another_form_is_told_and_not_guessed(places: ProjectPaths) -> None:
    write(places, begun=replace(BEGUN, version=99))
    with pytest.raises(DecodeError):
        walks.read(places)
    Path(places.walk).write_text('{"entry":{"type_":"Taken","number":1,"began_ns":1,"ended_ns":2}}\n')
    with pytest.raises(DecodeError):
        walks.read(places)
    Path(places.walk).write_text("not JSON\n")
    with pytest.raises(DecodeError):
        walks.read(places)


def test_what_came_later_is_found_in_the_events(places: ProjectPaths) -> None:
    happen(places, (WALL + S, "start"), (WALL + 5 * S, "health_status: healthy"), (WALL + 6 * S, "kill"))
    write(places, HEALTHY, FINISHED)
    found = walks.read(places)
    assert found is not None
    assert found.moments == (HEALTHY, Moment("shop-web-1", "health_status: healthy", 5 * S, exit_code="4"))


def test_a_wall_clock_that_was_set_meanwhile_moves_nothing(places: ProjectPaths) -> None:
    """It went back by an hour during the start; what came a second after it came a second after it."""
    set_back = 3600 * S
    happen(places, (WALL + S, "start"), (WALL - set_back + 3 * S, "die"))
    write(places, replace(FINISHED, time_ns=WALL - set_back + 2 * S))
    found = walks.read(places)
    assert found is not None
    assert [(moment.action, moment.at_ns) for moment in found.moments if moment.action == "die"] == [("die", 3 * S)]


def test_without_an_end_the_events_go_on_where_the_writer_stopped(places: ProjectPaths) -> None:
    happen(places, (WALL + 55, "start"), (WALL + 5 * S, "die"))
    write(places, HEALTHY)
    found = walks.read(places)
    assert found is not None
    assert [(moment.action, moment.at_ns) for moment in found.moments] == [
        ("health_status: healthy", 60),
        ("die", 5 * S),
    ]


def test_a_start_that_is_asked_for_again_is_known_for_one(places: ProjectPaths) -> None:
    assert not walks.is_resumed(places, client=BEGUN.client)
    write(places, TAKEN)
    assert walks.is_resumed(places, client=BEGUN.client)
    assert not walks.is_resumed(places, client="pycompose up (pid 8)")
    write(places, TAKEN, FINISHED)
    assert not walks.is_resumed(places, client=BEGUN.client)
    Path(places.walk).write_text("not JSON\n")
    assert not walks.is_resumed(places, client=BEGUN.client)


@pytest.mark.root
def test_a_full_disk_leaves_none_rather_than_the_one_before(small_disk: Path) -> None:
    places = ProjectPaths(run=str(small_disk), bundles="")
    write(places, FINISHED)
    steps = tuple(Step(number, StartContainer("x" * 200), "missing") for number in range(1, 5000))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        WalkLog(places, replace(BEGUN, plan=Plan(steps)))
    assert walks.read(places) is None
    assert list(small_disk.iterdir()) == []
