"""Values in, text out."""

from __future__ import annotations

import io
import json

import pytest

from composer.cli.render import human, logs, plan, problems, progress, template
from composer.cli.render.progress import Status, Task
from composer.cli.render.table import shorten, table
from composer.errors import InvalidFile, PycomposeError, UsageError
from composer.loader.codes import Code
from composer.loader.problems import Place, Problem, Severity
from composer.planner.plan import AwaitService, Plan, RemoveContainer, StartContainer, Step, StopContainer
from composer.spec.desired import Condition
from composer.store.logs.block import STDERR, STDOUT
from composer.store.logs.demux import Lines


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1, "1 second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (2 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_in_docker_words(seconds: float, words: str) -> None:
    assert human.duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0B", "0B"),
        (1023, "1023B", "1.02kB"),
        (524288000, "500MiB", "524MB"),
        (1 << 30, "1GiB", "1.07GB"),
        (1234567, "1.177MiB", "1.23MB"),
    ],
)
def test_sizes(size: int, binary: str, decimal: str) -> None:
    assert (human.binary_size(size), human.decimal_size(size)) == (binary, decimal)


def test_table_columns_are_three_spaces_apart() -> None:
    assert table(("NAME", "S"), [("web-1", "up"), ("d", "")]) == "NAME    S\nweb-1   up\nd"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


ROWS = [{"Name": "web", "State": "running", "Labels": "a=1,b=2", "On": True, "Deep": {"Er": 3}}]
FIELDS = ("Name", "State", "Labels", "On", "Deep")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{.Name}}", "web"),
        ("{{ .Name }}:{{.State}}", "web:running"),
        ("{{json .Name}}", '"web"'),
        ("{{json .}}", json.dumps(ROWS[0], separators=(",", ":"))),
        ("{{upper .State}}", "RUNNING"),
        ('{{.Label "b"}}', "2"),
        (r"{{.Name}}\t{{.State}}", "web\trunning"),
        ('{{.Name}}{{"\\t"}}{{.State}}', "web\trunning"),
        ("{{.On}} {{.Deep.Er}}", "true 3"),
        (r"table {{.Name}}\t{{.State}}", "NAME   STATE\nweb    running"),
    ],
)
def test_templates(source: str, expected: str) -> None:
    assert template.render(source, ROWS, fields=FIELDS) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{.Nam}}", "there is no field .Nam (did you mean Name?)"),
        ("{{range .}}", "cannot read {{range .}} in --format (write {{.Field}}, {{json .}} or {{upper .Field}})"),
        ("{{.Name", "cannot read --format '{{.Name': {{ is not closed (None)"),
    ],
)
def test_templates_that_cannot_be_read(source: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        template.render(source, ROWS, fields=FIELDS)
    assert f"{raised.value.message} ({raised.value.hint})" == message


def problem(**changes: object) -> Problem:
    values: dict[str, object] = {
        "code": Code.UNKNOWN_KEY,
        "message": "unknown key",
        "place": Place("compose.yaml", 4, 5, 4, 15),
        "path": ("services", "web", "enviroment"),
        "hint": "did you mean environment?",
        "source": "    enviroment: {A: 1}",
    }
    return Problem(**(values | changes))  # type: ignore[arg-type]  # a table of changes


def test_a_mistake_with_its_excerpt() -> None:
    error = InvalidFile("cannot use compose.yaml: 1 mistake", problems=(problem(),))
    assert problems.render(error, colour=False) == (
        "compose.yaml:4:5: error: services.web.enviroment: unknown key [unknown-key]\n"
        "  4 |     enviroment: {A: 1}\n"
        "    |     ^^^^^^^^^^\n"
        "    = did you mean environment?\n"
        "pycompose: cannot use compose.yaml: 1 mistake"
    )


@pytest.mark.parametrize(
    ("changes", "caret"),
    [
        ({"source": "\tkey", "place": Place("f", 1, 2, 1, 5)}, "    | \t^^^"),
        ({"source": "abc", "place": Place("f", 1, 2, 3, 1)}, "    |  ^^"),
        ({"source": "abc", "place": Place("f", 1, 9, 1, 9)}, "    |         ^"),
    ],
)
def test_the_caret_stands_under_what_it_means(changes: dict[str, object], caret: str) -> None:
    assert problems.of_file(problem(**changes), colour=False).splitlines()[2] == caret


def test_a_very_long_line_is_cut_around_the_mistake() -> None:
    text = problems.of_file(
        problem(source="x" * 5000 + "BAD" + "y" * 5000, place=Place("f", 1, 5001, 1, 5004)), colour=False
    )
    _, excerpt, caret, _ = text.splitlines()
    assert len(excerpt) < 200
    start = caret.index("^")
    assert excerpt[start : start + caret.count("^")] == "BAD"


def test_mistakes_for_programs() -> None:
    error = InvalidFile("no", problems=(problem(severity=Severity.WARNING),), hint="do")
    diagnostic, summary = map(json.loads, problems.as_json(error).splitlines())
    assert diagnostic == {
        "severity": "warning",
        "code": "unknown-key",
        "message": "unknown key",
        "path": "services.web.enviroment",
        "file": "compose.yaml",
        "range": {"start": {"line": 4, "column": 5}, "end": {"line": 4, "column": 15}},
        "hint": "did you mean environment?",
    }
    assert summary == {"error": "no", "hint": "do"}


def test_a_path_means_one_place_only() -> None:
    assert problem(path=("services", "web", "labels", "a.b")).notation == 'services.web.labels["a.b"]'
    assert problem(path=("services", "web", "ports", 0, "target")).notation == "services.web.ports[0].target"


def test_any_other_failure_and_its_hint() -> None:
    error = PycomposeError("cannot do it", hint="try harder")
    assert problems.render(error, colour=False) == "pycompose: cannot do it\nhint: try harder"
    assert "\x1b[31m" in problems.render(error, colour=True)


def test_log_lines_are_aligned_and_say_whose_they_are() -> None:
    lines = logs.LogLines(origins("web-1", "db-1"))
    assert lines.draw("shop-db-1", Lines(0, STDOUT, b"a\nb\n")) == b"db-1   | a\ndb-1   | b\n"
    assert lines.draw("shop-web-1", Lines(0, STDOUT, b"no newline")) == b"web-1  | no newline\n"


def origins(*labels: str) -> dict[str, logs.Origin]:
    return {f"shop-{label}": logs.Origin(label, label.rpartition("-")[0]) for label in labels}


def test_a_wider_name_widens_the_column() -> None:
    lines = logs.LogLines(origins("web-1"))
    lines.add(origins("worker-12"))
    assert lines.draw("shop-web-1", Lines(0, STDOUT, b"a\n")) == b"web-1      | a\n"


def test_log_lines_without_prefix_with_time_with_colour() -> None:
    bare = logs.LogLines(origins("web-1"), prefix=False)
    assert bare.draw("shop-web-1", Lines(0, STDOUT, b"\xff\n")) == b"\xff\n"
    timed = logs.LogLines(origins("web-1"), timestamps=True)
    assert timed.draw("shop-web-1", Lines(1, STDOUT, b"a\n\nb\n")) == (
        b"web-1  | 1970-01-01T00:00:00.000000001Z a\n"
        b"web-1  | 1970-01-01T00:00:00.000000001Z \n"
        b"web-1  | 1970-01-01T00:00:00.000000001Z b\n"
    )


def test_a_service_keeps_its_colour_whoever_is_shown_and_comes() -> None:
    def colour(lines: logs.LogLines, label: str) -> bytes:
        return lines.draw(f"shop-{label}", Lines(0, STDOUT, b"a\n")).partition(label.encode())[0]

    services = ("cache", "db", "web")
    everybody = logs.LogLines(origins("web-1", "web-2", "db-1"), services=services, colour=True)
    alone = logs.LogLines(origins("web-1"), services=services, colour=True)
    before = colour(alone, "web-1")
    assert before == colour(everybody, "web-1") == colour(everybody, "web-2") != colour(everybody, "db-1")
    alone.add(origins("a-1"))
    assert colour(alone, "a-1") not in {before, colour(everybody, "db-1")}
    assert colour(alone, "web-1") == before


def test_pieces_of_a_line_are_put_together_unless_another_container_is_between() -> None:
    lines = logs.LogLines(origins("web-1", "db-1"))
    drawn = [
        lines.draw("shop-web-1", Lines(0, STDOUT, b"a", continues=True)),
        lines.draw("shop-web-1", Lines(0, STDOUT, b"b\n")),
        lines.draw("shop-web-1", Lines(0, STDOUT, b"c", continues=True)),
        lines.draw("shop-db-1", Lines(0, STDOUT, b"other\n")),
        lines.draw("shop-web-1", Lines(0, STDOUT, b"d")),
    ]
    assert b"".join(drawn) == b"web-1  | ab\nweb-1  | c\ndb-1   | other\nweb-1  | d\n"


def test_log_lines_for_programs() -> None:
    lines = logs.JsonLines(origins("web-1"))
    drawn = lines.draw("shop-web-1", Lines(1, STDERR, 'größer "1"\r\n\n\xff'.encode()[:-2] + b"\xff\x00"))
    first, second, third = map(json.loads, drawn.splitlines())
    known = {
        "time": "1970-01-01T00:00:00.000000001Z",
        "service": "web",
        "container": "shop-web-1",
        "stream": "stderr",
    }
    assert first == known | {"message": 'größer "1"\r'}
    assert second == known | {"message": ""}
    assert third == known | {"message": "\ufffd\x00", "message_base64": "/wA="}
    (ours,) = map(json.loads, lines.draw("shop-web-1", Lines(1, STDERR, b"killed\n", notice=True)).splitlines())
    assert ours == known | {"message": "killed", "notice": True}
    (piece,) = map(json.loads, lines.draw("shop-web-1", Lines(1, STDERR, b"x", continues=True)).splitlines())
    assert piece == known | {"message": "x", "partial": True}


STEPS = (
    Step(1, StopContainer("shop-web-1"), "configuration changed"),
    Step(2, RemoveContainer("shop-web-1"), "configuration changed", (1,)),
    Step(3, AwaitService("db", ("shop-db-1",), Condition.HEALTHY), "web depends on it"),
    Step(4, StartContainer("shop-web-1"), "configuration changed", (2, 3)),
)


def test_a_plan_as_text_and_for_programs() -> None:
    shown = Plan(STEPS, orphans=("shop-old-1",))
    assert plan.render(shown) == str(shown)
    assert plan.render(Plan()) == "nothing to do"
    tree = json.loads(plan.as_json(shown))
    assert tree["orphans"] == ["shop-old-1"]
    assert tree["steps"][3] == {
        "number": 4,
        "action": "start-container",
        "container": "shop-web-1",
        "cause": "configuration changed",
        "after": [2, 3],
    }


TASKS = (Task("Container shop-db-1", "Starting"), Task("Container shop-db-1", "Started", Status.DONE))


def test_progress_in_plain_lines() -> None:
    stream = io.StringIO()
    display = progress.Plain(stream)
    for task in (*TASKS, Task("Container x", "Error", Status.ERROR, "no such file")):
        display.show(task)
    assert stream.getvalue() == (
        " Container shop-db-1  Starting\n Container shop-db-1  Started\n Container x  Error no such file\n"
    )


def test_plain_lines_do_not_count_percents() -> None:
    stream = io.StringIO()
    display = progress.Plain(stream)
    for detail in ("1%", "2%", "3%"):
        display.show(Task("Rootfs r.tar", "Unpacking", detail=detail))
    display.show(Task("Rootfs r.tar", "Unpacked", Status.DONE))
    assert stream.getvalue() == " Rootfs r.tar  Unpacking\n Rootfs r.tar  Unpacked\n"


def test_progress_for_programs() -> None:
    stream = io.StringIO()
    display = progress.Json(stream)
    display.show(TASKS[1])
    display.say("hello")
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"id": "Container shop-db-1", "status": "Done", "text": "Started"},
        {"text": "hello"},
    ]


def test_progress_on_a_terminal_is_drawn_over_itself() -> None:
    stream, now = io.StringIO(), [0]
    display = progress.Terminal(stream, colour=False, size=lambda: (60, 24), clock=lambda: now[0])
    display.show(TASKS[0])
    first = stream.getvalue()
    assert first.splitlines()[0] == "[+] Running 0/1"
    assert "⠋ Container shop-db-1  Starting" in first
    now[0] = 1_500_000_000
    display.show(TASKS[1])
    second = stream.getvalue()[len(first) :]
    assert second.startswith("\x1b[2A\x1b[J[+] Running 1/1\n ✔ Container shop-db-1  Started")
    assert second.rstrip().endswith("1.5s")
    assert all(len(line) <= 60 for line in first.splitlines())


def test_progress_on_a_low_terminal_shows_the_newest() -> None:
    stream = io.StringIO()
    display = progress.Terminal(stream, colour=False, size=lambda: (60, 5), clock=lambda: 0)
    for number in range(20):
        display.show(Task(f"Container c-{number}", "Starting"))
    last = stream.getvalue().rpartition("\x1b[J")[2].splitlines()
    assert len(last) <= 5
    assert "c-19" in last[-1]
