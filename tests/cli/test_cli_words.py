"""Words of the command line as values: times, sizes, keys, signals; help and completion made from the tables."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from composer.cli import help
from composer.cli.catalogue import COMMANDS
from composer.cli.commands.kill import signal_number
from composer.cli.main import load_command, main
from composer.cli.moments import moment, span
from composer.cli.options import GLOBAL
from composer.cli.project import name_line
from composer.cli.quantities import processors, size
from composer.cli.render import completion, human
from composer.cli.terminal import DetachKeys, detach_sequence
from composer.errors import UsageError
from tests.conftest import Pycompose

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42m", NOW - 42 * 60 * SECOND),
        ("1h30m", NOW - 5400 * SECOND),
        ("1.5s", NOW - 1_500_000_000),
        ("10ms", NOW - 10_000_000),
        (".5s", NOW - 500_000_000),
        ("+1.h", NOW - 3600 * SECOND),
        ("3μs", NOW - 3000),
        ("3µs", NOW - 3000),
        ("2d", NOW - 2 * 86400 * SECOND),
        ("1136073845.000000001", 1136073845 * SECOND + 1),
        ("2006-01-02T15Z", (1136214245 - 245) * SECOND),
        ("2006-01-02Z", 1136160000 * SECOND),
        ("1136073845", 1136073845 * SECOND),
        ("1136073845.5", 1136073845 * SECOND + SECOND // 2),
        ("2006-01-02T15:04:05Z", 1136214245 * SECOND),
        ("2006-01-02T15:04:05.000000001Z", 1136214245 * SECOND + 1),
        ("2006-01-02T15:04:05+07:00", (1136214245 - 7 * 3600) * SECOND),
        ("2006-01-02T15:04:05-0700", (1136214245 + 7 * 3600) * SECOND),
    ],
)
def test_moments(text: str, expected: int) -> None:
    assert moment(text, now_ns=NOW) == expected


def test_moments_without_a_zone_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        assert moment("2006-01-02T15:04", now_ns=NOW) == (1136214245 - 5 - 3 * 3600) * SECOND
        assert moment("2006-01-02", now_ns=NOW) == (1136160000 - 3 * 3600) * SECOND
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "yesterday", "2006-13-02T00:00:00Z", "5 minutes", "-5m", "1h5"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="as a time"):
        moment(text, now_ns=NOW)


def test_spans() -> None:
    assert span("1m1s") == 61 * SECOND
    with pytest.raises(UsageError):
        span("soon")


@pytest.mark.parametrize(
    ("text", "expected"), [("100M", 104857600), ("1.5g", 1610612736), ("4096", 4096), ("1KiB", 1024), ("2mb", 2 << 20)]
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text, option="--mem") == expected


@pytest.mark.parametrize("text", ["", "lots", "-1", "1x", "1.5.2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--mem cannot be"):
        size(text, option="--mem")


def test_processors() -> None:
    assert processors("0.5", option="--cpus") == 0.5
    for text in ("half", "0", "-1", "nan", "inf"):
        with pytest.raises(UsageError):
            processors(text, option="--cpus")


@pytest.mark.parametrize(("text", "number"), [("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN", 34)])
def test_signals(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["SIGFOO", "0", "65", "", "-9"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        signal_number(text)


def test_detach_keys() -> None:
    keys = DetachKeys(detach_sequence("ctrl-p,ctrl-q"))
    assert keys.feed(b"abc") == (b"abc", False)
    assert keys.feed(b"x\x10") == (b"x", False)  # may be the beginning
    assert keys.feed(b"y") == (b"\x10y", False)  # it was not
    assert keys.feed(b"\x10\x10") == (b"\x10", False)
    assert keys.feed(b"\x11z") == (b"", True)
    assert DetachKeys(b"").feed(b"\x10\x11") == (b"\x10\x11", False)
    assert detach_sequence("a,ctrl-@,ctrl-_") == b"a\x00\x1f"
    with pytest.raises(ValueError, match="ctrl-ab"):
        detach_sequence("ctrl-ab")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    command = load_command(name).COMMAND
    text = help.of_command(name, command)
    assert text.splitlines()[0].startswith(f"Usage: pycompose {name}")
    assert f"pycompose {name}" in command.example or "pycompose" in command.example
    assert text.endswith(command.example.splitlines()[-1])
    shown = [option for option in command.options if not option.hidden]
    assert all(option.help and f"  {option.help[:20]}" in text for option in shown)
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_needs_nothing_else(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: pycompose {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_letter_has_two_meanings_in_a_command(name: str) -> None:
    options = load_command(name).COMMAND.options
    names = [word for option in options for word in (option.name, option.short) if word]
    assert len(names) == len(set(names))


def test_the_overview_names_every_command() -> None:
    assert all(f"  {name} " in help.overview() for name in COMMANDS)
    assert all(option.name in help.overview() for option in GLOBAL if not option.hidden)


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_completions_are_programs_of_their_shell(shell: str, check: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = getattr(completion, shell)({name: load_command(name).COMMAND for name in COMMANDS})
    done = subprocess.run([shell, check], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pycompose", "resta"], ["restart"]),
        (["pycompose", "logs", "--fol"], ["--follow"]),
        (["pycompose", "-f", "x.yaml", "completion", "f"], ["fish"]),
        (["pycompose", "help", "ver"], ["version"]),
        (["pycompose", "logs", "--progr"], ["--progress"]),
        (["pycompose", "logs", "w"], ["web", "worker"]),
    ],
)
def test_bash_completes(words: list[str], expected: list[str]) -> None:
    script = completion.bash({name: load_command(name).COMMAND for name in COMMANDS})
    listed = " ".join(f"'{word}'" for word in words)
    program = (
        "pycompose() { printf 'web\\nworker\\ndb\\n'; }\n"
        f"{script}\nCOMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _pycompose\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


@given(st.lists(st.text(max_size=8), max_size=4))
@example(["it's", "", "a b", "ä", "-x=1"])
def test_a_command_line_is_quoted_as_a_shell_needs_it(words: list[str]) -> None:
    assert human.command_line(words) == shlex.join(words)


NAME_LINE = re.compile(rb"^name:[ \t]*([\"']?)([^\s\"'#]+)\1[ \t]*(?:#.*)?\r?$", re.M)


@given(st.lists(st.text(alphabet="nameshop: \t\r\n\"'#$-", max_size=10), max_size=4))
@example([" shop"])
@example(["'shop' # it"])
@example(["\rshop\r", "shop\r"])
@example(['"shop"x', "shop#x"])
def test_the_name_in_a_file_is_found_as_one_line_of_text(lines: list[str]) -> None:
    content = "\n".join(f"name:{line}" for line in lines).encode()
    match = NAME_LINE.search(content)
    assert name_line(content) == (match[2].decode() if match else None)


HEAVY = ("pydantic", "yaml", "anyio", "structlog", "asyncio")
READING = ("analyze", "events", "exec", "help", "inspect", "logs", "ls", "ps", "stats", "top", "version")


@pytest.mark.parametrize("name", READING)
def test_reading_commands_import_nothing_heavy(name: str) -> None:
    program = (
        f"import sys, composer.cli.main as m; m.load_command({name!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "[]\n"


DEAR = {"collections", "contextlib", "enum", "functools", "json", "re", "shlex", "socket", "ctypes", "typing"}
LOOKING = (("ps",), ("logs",), ("inspect", "light-web-1"), ("top",))


@pytest.mark.root
def test_commands_that_look_import_next_to_nothing(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    """Each of these would be a tenth to a quarter of their time."""
    service = f"web: {{rootfs: {busybox_rootfs}, command: [sleep, '600'], network_mode: none}}"
    (pycompose.directory / "compose.yaml").write_text(f"name: light # a name\nservices: {{{service}}}\n")
    pycompose("up", "-d")
    script = Path(sys.executable).with_name("pycompose")
    for words in LOOKING:
        command = [sys.executable, "-I", "-X", "importtime", str(script), *words]
        done = subprocess.run(
            command, cwd=pycompose.directory, env=pycompose.environment, capture_output=True, text=True, check=True
        )
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "composer.store.records" in imported
        assert not imported & DEAR, words
