"""Events: written as lines, read back, followed while they happen."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from composer.store import events
from composer.store.events import Event, EventLog

DAY = Event(
    time_ns=1_700_000_000_000_000_042,
    action="die",
    id="ab" * 32,
    service="web",
    attributes=(("name", "shop-web-1"), ("exitCode", "137")),
)


def test_a_line_has_the_fields_of_docker_compose_events() -> None:
    assert json.loads(events.encode(DAY)) == {
        "time": "2023-11-14T22:13:20.000000042Z",
        "type": "container",
        "action": "die",
        "id": "ab" * 32,
        "service": "web",
        "attributes": {"name": "shop-web-1", "exitCode": "137"},
    }
    assert events.decode(events.encode(DAY)) == DAY
    assert DAY.name == "shop-web-1"


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"3", b'{"time": "2023"}', b'{"time": 3}'])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an event|Expecting|does not match|fraction|not all"):
        events.decode(line)


def at(second: int) -> Event:
    return Event(time_ns=second * 10**9, action="start", id="c", service="web", attributes=(("name", "w"),))


def append(path: Path, *seconds: int) -> None:
    log = EventLog(str(path))
    for second in seconds:
        log.append(at(second))
    log.close()


def test_reading_selects_by_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, 1, 2, 3, 4)
    assert list(events.read(str(path), since_ns=2 * 10**9, until_ns=3 * 10**9)) == [at(2), at(3)]


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, 1)
    with path.open("ab") as file:
        file.write(events.encode(at(2))[:20] + b"\n")
    append(path, 3)
    assert list(events.read(str(path))) == [at(1), at(3)]


def test_what_comes_after_a_line_cut_by_a_crash_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, 1, 2)
    os.truncate(path, path.stat().st_size - 5)
    append(path, 3)
    assert list(events.read(str(path))) == [at(1), at(3)]


@pytest.mark.root
def test_what_found_no_room_is_written_before_the_next(small_disk: Path) -> None:
    path = small_disk / "events.jsonl"
    log = EventLog(str(path))
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:  # noqa: PT012 - as below
        while True:
            file.write(b"x" * 4096)
    written = 0
    with pytest.raises(OSError, match="No space left"):  # noqa: PT012 - which of them is the last is up to the disk
        while True:
            written += 1
            log.append(at(written))
    filler.unlink()
    log.append(at(written + 1))
    log.close()
    assert list(events.read(str(path))) == [at(number) for number in range(1, written + 2)]


def test_nothing_there_is_no_event(tmp_path: Path) -> None:
    assert list(events.read(str(tmp_path / "events.jsonl"))) == []


def test_following_sees_what_is_there_and_what_comes_until_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, 1)
    follower = events.follow(str(path))
    assert next(follower) == at(1)

    def write_and_go() -> None:
        append(path, 2)
        os.unlink(path)

    writer = threading.Thread(target=write_and_go)
    writer.start()
    assert list(follower) == [at(2)]
    writer.join()


def test_following_ends_at_a_time_that_has_come(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append(path, 1)
    assert list(events.follow(str(path), until_ns=5 * 10**9)) == [at(1)]


def test_old_ones_take_no_room_and_nobody_loses_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEPT", 64 << 10)
    path = str(tmp_path / "events.jsonl")
    log = EventLog(path)
    log.append(at(0))
    followed = events.follow(path)
    assert next(followed) == at(0)
    line, number = len(events.encode(at(10))), 10
    while number < 10 + 3 * events.KEPT // line:
        log.append(at(number))
        number += 1
    assert os.stat(path).st_blocks * 512 < 2 * events.KEPT + 8192
    assert os.stat(path).st_size > 3 * events.KEPT
    kept = list(events.read(path))
    assert kept[-1] == at(number - 1)
    assert len(kept) * line > events.KEPT - 2 * line
    assert [it.time_ns for it in kept] == [10**9 * it for it in range(number - len(kept), number)]
    before = log.size()
    log.close()
    log = EventLog(path)  # the next supervisor
    log.append(at(number))
    assert log.lines_from(before) == {events.encode(at(number))}
    assert list(events.read(path))[-1] == at(number)
    assert any(event == at(number) for event in followed)  # one that was far behind goes on with what there is
    log.close()
