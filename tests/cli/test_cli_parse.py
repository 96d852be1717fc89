"""argv against the options of a command."""

from __future__ import annotations

import pytest

from composer.cli.options import GLOBAL, Command, number, switch, text, texts
from composer.cli.parse import Arguments, Value, parse, split
from composer.errors import UsageError

COMMAND = Command(
    operands="[OPTIONS] SERVICE...",
    example="",
    options=(
        switch("--follow", "-f", help=""),
        switch("--tty", "-t", help=""),
        switch("--interactive", "-i", help=""),
        text("--tail", "-n", metavar="N", help=""),
        number("--index", metavar="N", help=""),
        texts("--env", "-e", metavar="NAME=VALUE", help=""),
        text("--format", metavar="F", choices=("table", "json"), help=""),
    ),
)
RUN = Command(operands="SERVICE", example="", at_least=1, stops_at_operand=True, options=COMMAND.options)
PLAIN = Command(operands="", example="", at_most=0)


def parsed(line: str, command: Command = COMMAND) -> tuple[dict[str, Value], list[str]]:
    arguments = Arguments()
    rest = split(line.split(), GLOBAL, arguments=arguments)
    parse(rest[1:], command, inherited=GLOBAL, arguments=arguments)
    return arguments.values, arguments.operands


@pytest.mark.parametrize(
    ("line", "values", "operands"),
    [
        ("c web", {}, ["web"]),
        ("-f a.yaml c", {"file": ["a.yaml"]}, []),
        ("-f a.yaml c -f", {"file": ["a.yaml"], "follow": True}, []),
        ("-f a.yaml -fb.yaml --file=c.yaml c", {"file": ["a.yaml", "b.yaml", "c.yaml"]}, []),
        ("c --file a.yaml web", {"file": ["a.yaml"]}, ["web"]),
        ("c web -p shop", {"project-name": "shop"}, ["web"]),
        ("c -it", {"interactive": True, "tty": True}, []),
        ("c -ti=false", {"interactive": False, "tty": True}, []),
        ("c --tty=0 --follow=true", {"tty": False, "follow": True}, []),
        ("c -n5", {"tail": "5"}, []),
        ("c -n 5", {"tail": "5"}, []),
        ("c -n=5", {"tail": "5"}, []),
        ("c -fn5", {"follow": True, "tail": "5"}, []),
        ("c --tail 1 --tail 2", {"tail": "2"}, []),
        ("c -e A=1 -e B=2", {"env": ["A=1", "B=2"]}, []),
        ("c --env=A=1", {"env": ["A=1"]}, []),
        ("c --index 3", {"index": 3}, []),
        ("c --index -1", {"index": -1}, []),
        ("c -- -f", {}, ["-f"]),
        ("c web -- db", {}, ["web", "db"]),
        ("c -", {}, ["-"]),
        ("c --dry-run", {"dry-run": True}, []),
        ("--ansi never c", {"ansi": "never"}, []),
        ("c --format json", {"format": "json"}, []),
    ],
)
def test_options_and_operands(line: str, values: dict[str, Value], operands: list[str]) -> None:
    assert parsed(line) == (values, operands)


@pytest.mark.parametrize(
    ("line", "values", "operands"),
    [
        ("c web ls -l", {}, ["web", "ls", "-l"]),
        ("c -t web ls -t --tail", {"tty": True}, ["web", "ls", "-t", "--tail"]),
        ("c web -- ls", {}, ["web", "--", "ls"]),
        ("c -t -- ls -l", {"tty": True}, ["ls", "-l"]),
    ],
)
def test_the_first_operand_ends_the_options_of_exec_and_run(
    line: str, values: dict[str, Value], operands: list[str]
) -> None:
    assert parsed(line, RUN) == (values, operands)


@pytest.mark.parametrize(
    ("line", "command", "message"),
    [
        ("c --folow", COMMAND, "unknown option --folow (did you mean --follow?)"),
        ("--fil x c", COMMAND, "unknown option --fil (did you mean --file?)"),
        ("c -x", COMMAND, "unknown option -x (None)"),
        ("c -fx", COMMAND, "unknown option -x in -fx (None)"),
        ("c --tail", COMMAND, "--tail needs a value: --tail N (None)"),
        ("c -n", COMMAND, "-n needs a value: -n N (None)"),
        ("c --index x", COMMAND, '--index cannot be "x" (give a whole number)'),
        ("c --tty=maybe", COMMAND, '--tty cannot be "maybe" (choose true or false)'),
        ("c --format xml", COMMAND, '--format cannot be "xml" (choose table or json)'),
        ("--ansi blue c", COMMAND, '--ansi cannot be "blue" (choose never, always or auto)'),
        ("c", RUN, "SERVICE is missing (None)"),
        ("c x", PLAIN, '"x" is one too many (None)'),
    ],
)
def test_what_is_wrong_is_said(line: str, command: Command, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parsed(line, command)
    assert f"{raised.value.message} ({raised.value.hint})" == message
    assert raised.value.exit_status == 2


def test_the_rest_is_left_for_the_command() -> None:
    arguments = Arguments()
    assert split(["-p", "shop", "logs", "-f"], GLOBAL, arguments=arguments) == ["logs", "-f"]
    assert arguments.text("project-name") == "shop"
