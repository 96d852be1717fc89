"""Whatever acts either tells its plan with --dry-run, or says that it has none; nothing is done."""

from __future__ import annotations

import pytest

from composer.cli.catalogue import COMMANDS
from tests.conftest import Pycompose

pytestmark = pytest.mark.root

FILE = """
name: shop
services:
  web: {rootfs: /, command: [sleep, "60"], network_mode: none, restart: always, stop_grace_period: 0s}
"""
LOOK = frozenset(
    (
        *("analyze", "check", "completion", "config", "events", "help", "inspect", "logs", "ls", "port", "ps"),
        *("schema", "stats", "top", "version", "volumes", "wait"),
    )
)
HAVE_NONE = {
    "attach": ("web",),
    "commit": ("web", "image.tar"),
    "cp": ("compose.yaml", "web:/tmp"),
    "exec": ("-T", "web", "touch", "/tried"),
    "export": ("-o", "out.tar", "web"),
    "network": ("create", "tried"),
    "run": ("web", "true"),
    "systemd": ("uninstall",),
    "volume": ("create", "tried"),
}
HAVE_ONE = {
    "create": (),
    "down": (),
    "kill": (),
    "pause": (),
    "restart": (),
    "rm": ("-s", "-f"),
    "scale": ("web=2",),
    "start": (),
    "stop": (),
    "unpause": (),
    "up": ("-d",),
}


def test_every_command_is_known_to_look_or_to_act() -> None:
    assert COMMANDS.keys() - LOOK == HAVE_NONE.keys() | HAVE_ONE.keys()


@pytest.fixture
def shop(pycompose: Pycompose) -> Pycompose:
    (pycompose.directory / "compose.yaml").write_text(FILE)
    pycompose("up", "-d")
    return pycompose


def test_what_has_no_plan_says_so(shop: Pycompose) -> None:
    before = shop("ps", "-a", "--format", "json").stdout
    for command, words in HAVE_NONE.items():
        done = shop("--dry-run", command, *words, check=False)
        assert done.returncode != 0, command
        assert "without doing it" in done.stderr, command
    assert sorted(path.name for path in shop.directory.iterdir()) == ["compose.yaml"]
    assert shop("exec", "-T", "web", "test", "-e", "/tried", check=False).returncode == 1
    assert shop("ps", "-a", "--format", "json").stdout.split('"CreatedAt"')[0] == before.split('"CreatedAt"')[0]


def test_what_has_a_plan_only_prints_it(shop: Pycompose) -> None:
    before = shop("inspect", "--format", "{{.State.Pid}}", "web").stdout
    for command, words in HAVE_ONE.items():
        assert shop("--dry-run", command, *words).returncode == 0, command
    assert shop("ps", "-q").stdout.split() == shop("ps", "-aq").stdout.split()
    assert shop("inspect", "--format", "{{.State.Pid}}", "web").stdout == before
