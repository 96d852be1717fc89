"""How `analyze` shows a start: as text, as a drawing, for programs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from composer.cli.render import timeline, timeline_json, timeline_svg
from composer.cli.render.timeline_words import before_plan
from composer.planner.analysis import MANY, analyze
from composer.planner.timeline import Phase
from composer.planner.walk import Moment
from composer.spec.desired import Dependency
from tests.planner.planner_projects import COMPLETED, HEALTH, HEALTHY, project, running, service, without
from tests.planner.walking import MS, S, World, walked

SHOP = project(
    service("db", health=HEALTH),
    service("migrate", Dependency("db", HEALTHY)),
    service("web", Dependency("migrate", COMPLETED), replicas=MANY + 1),
    service("old"),
)
WORLD = World(ready={"shop-db-1": 2 * S}, runs={"shop-migrate-1": 500 * MS})
OBSERVED = without(running(SHOP), "db", "migrate", "web")
FOUND = analyze(walked(SHOP, WORLD, observed=OBSERVED), SHOP)
SVG = "{http://www.w3.org/2000/svg}"

COLUMNS = """\
CONTAINER            WAITING   LAUNCHING   PROBING   STATUS
shop-db-1            -         0.010s      2.000s    healthy at 2.11 s
shop-migrate-1       2.010s    0.010s      -         completed at 2.62 s
web (5 containers)   2.520s    0.010s      -         started at 2.63 s, the last one
shop-old-1           -         -           -         unchanged: it ran already

Critical chain: each step waited for the one above it
       0 ms     +60 ms  read the files, reach the supervisor
      60 ms     +40 ms  look at what there is, and plan
     100 ms     +10 ms  start container shop-db-1
     110 ms    +2.00 s  wait until shop-db-1 is healthy
     2.11 s     +10 ms  start container shop-migrate-1
     2.12 s    +500 ms  wait until shop-migrate-1 has completed successfully
     2.62 s     +10 ms  start container shop-web-5

What would make it faster, and by how much at most
     500 ms  web waited 500 ms for migrate to complete.
             → Make migrate do less at each start; or let web start along with it (condition:
             service_started) if it can do without for a while."""


def test_a_supervisor_that_was_not_there_is_started_while_the_files_are_read() -> None:
    walk = FOUND.timeline.walk
    begun = replace(walk.begun, awoken_ns=20 * MS)
    found = replace(FOUND, timeline=replace(FOUND.timeline, walk=replace(walk, begun=begun)))
    assert before_plan(found)[:2] == (
        ("read the files, start the launcher", 0, 20 * MS),
        ("read on, start the supervisor", 20 * MS, 60 * MS),
    )


def test_text_for_files_and_pipes_is_in_columns() -> None:
    title, empty, text = timeline.columns(FOUND).split("\n", 2)
    assert re.fullmatch(r"shop: up at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d took 2.63 s", title)
    assert (empty, text) == ("", COLUMNS)


@pytest.mark.parametrize("columns", [20, 60, 80, 100, 132, 250])
@pytest.mark.parametrize("colour", [False, True])
def test_a_chart_is_as_wide_as_the_terminal_and_no_wider(columns: int, colour: bool) -> None:
    drawn = timeline.chart(FOUND, columns=columns, colour=colour)
    plain = re.sub(r"\x1b\[\d+m", "", drawn)
    assert (plain != drawn) is colour
    bars = [line for line in plain.splitlines() if re.search("[─·█▒━]{2}", line) and "legend" not in line]
    assert bool(bars) is (columns >= 80)
    if bars:
        legend = plain[: plain.index("\n\nCritical")].rpartition("\n\n")[2].splitlines()
        assert "━━ running or healthy" in legend[-1]
        assert all(len(line) < columns for line in (*bars, *legend))


def test_a_chart_has_its_bars_where_the_marks_say() -> None:
    lines = timeline.chart(FOUND, columns=118, colour=False).splitlines()
    axis, before, db, migrate = lines[2:6]
    place = axis.index("2 s")
    assert db[place] == "▒"  # healthy at 2.11 s
    assert db.rstrip().removesuffix("  healthy at 2.11 s")[-1] == "━"
    assert migrate[axis.index("1 s")] == "·"
    assert before.rstrip().endswith("planned at 100 ms")
    assert any(line.startswith("·· waiting   ██ launching   ▒▒ probing") for line in lines)


def test_marks_of_time_are_round_and_not_too_many() -> None:
    for horizon in (1, 900_000, 3 * MS, 40 * MS, 999 * MS, 3 * S, 59 * S, 3600 * S):
        found = timeline.marks(horizon, at_most=8)
        assert 1 <= len(found) <= 9
        assert all(str(mark).rstrip("0") in ("", "1", "2", "5") for mark in found[1:2])
    assert [timeline.mark(ns) for ns in (0, 250 * MS, S, 1500 * MS)] == ["0 s", "250 ms", "1 s", "1.5 s"]


def test_a_start_that_failed_or_goes_on_says_so() -> None:
    failed = analyze(walked(SHOP, replace(WORLD, fails=frozenset({"shop-db-1"})), observed=OBSERVED), SHOP)
    assert timeline.columns(failed).splitlines()[0].endswith("failed after 110 ms")
    assert timeline.columns(failed).splitlines()[1] == "no such command"
    going = walked(SHOP, WORLD, observed=OBSERVED, until=S)
    assert timeline.columns(analyze(going, SHOP, now_ns=3 * S)).splitlines()[0].endswith("is under way since 3.00 s")
    assert "was never finished: its supervisor died" in timeline.columns(analyze(going, SHOP)).splitlines()[0]


def test_a_drawing_is_xml_with_a_bar_for_each_span() -> None:
    root = ElementTree.fromstring(timeline_svg.render(FOUND))
    assert root.tag == f"{SVG}svg"
    classes = [rect.get("class") for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert sorted(filter(None, classes)) == sorted(span.phase.value for row in FOUND.rows for span in row.spans)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"shop-db-1", "web (5 containers)", "healthy at 2.11 s", "(pycompose)", "2 s"} <= set(texts)
    assert sum(rect.get("class") == "critical" for rect in root.iter(f"{SVG}rect")) == len(FOUND.chain) + 1
    style = root.find(f"{SVG}style")
    assert style is not None
    assert style.text is not None
    assert "prefers-color-scheme:dark" in style.text
    assert all(style.text.count(f".{phase.value}{{") == 2 for phase in Phase)


def test_bars_of_a_drawing_do_not_leave_it() -> None:
    root = ElementTree.fromstring(timeline_svg.render(FOUND))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for rect in root.iter(f"{SVG}rect"):
        assert 0 <= float(rect.get("x", 0)) <= float(rect.get("x", 0)) + float(rect.get("width", 0)) <= width
        assert 0 <= float(rect.get("y", 0)) + float(rect.get("height", 0)) <= height


def test_names_in_a_drawing_cannot_break_it() -> None:
    hostile = project(service("db", archive='/a/<b>&"\x00\x1b\udcff.tar'))
    walk = walked(hostile, World(unpack=S, fails=frozenset({"shop-db-1"})))
    root = ElementTree.fromstring(timeline_svg.render(analyze(walk, hostile)))
    assert 'unpack rootfs /a/<b>&"���.tar' in [it.text for it in root.iter(f"{SVG}text")]


def test_nothing_to_show_is_shown_too() -> None:
    nothing = analyze(walked(SHOP, WORLD, observed=running(SHOP)), SHOP)
    assert "unchanged" in timeline.chart(nothing, columns=100, colour=False)
    assert ElementTree.fromstring(timeline_svg.render(nothing)).tag == f"{SVG}svg"
    empty = analyze(walked(project(), WORLD), project())
    for draw in (timeline.columns, timeline_svg.render, timeline_json.render):
        assert draw(empty)


def test_what_programs_read_keeps_its_keys() -> None:
    tree = json.loads(timeline_json.render(FOUND))
    assert list(tree) == [
        *("project", "command", "time", "state", "error", "resumed", "duration_ns", "awoken_ns", "received_ns"),
        *("turn_ns", "planned_ns", "containers", "critical_chain", "advice"),
    ]
    assert tree["containers"][0] == {
        "name": "shop-db-1",
        "service": "db",
        "replicas": 1,
        "status": "healthy",
        "since_ns": 2110 * MS,
        "restarts": 0,
        "note": "",
        "spans": [
            {"phase": "launching", "began_ns": 100 * MS, "ended_ns": 110 * MS},
            {"phase": "probing", "began_ns": 110 * MS, "ended_ns": 2110 * MS},
            {"phase": "healthy", "began_ns": 2110 * MS, "ended_ns": 2630 * MS},
        ],
    }
    assert tree["critical_chain"][1] == {
        "step": 2,
        "action": "wait until shop-db-1 is healthy",
        "cause": "migrate depends on it",
        "container": "shop-db-1",
        "began_ns": 110 * MS,
        "ended_ns": 2110 * MS,
        "under_way": False,
        "failed": False,
    }
    assert set(tree["advice"][0]) == {"finding", "change", "gain_ns", "own_work"}


def test_a_restart_is_told_with_the_standing() -> None:
    world = replace(WORLD, crashes={"shop-db-1": (100 * MS, 200 * MS)})
    assert "healthy at 2.11 s, restarted once" in timeline.columns(
        analyze(walked(SHOP, world, observed=OBSERVED), SHOP)
    )
    walk = walked(project(service("db")), World())
    ended = replace(walk, moments=(*walk.moments, Moment("shop-db-1", "die", 110 * MS, exit_code="7")))
    found = analyze(ended, project(service("db")))
    assert "exited at 110 ms (exit code 7)" in timeline.columns(found)
