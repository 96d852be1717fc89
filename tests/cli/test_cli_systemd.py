"""A project as a systemd unit: the unit is one that systemd takes, and its main process does what the unit says."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from composer.cli.unit import Unit, quoted
from tests.chaos import host
from tests.conftest import Pycompose
from tests.supervisor.projects import wait_pid_gone

pytestmark = pytest.mark.root

SHOP = """
name: shop
services:
  web: {rootfs: ROOT, command: [sleep, "600"], stop_grace_period: 0s, restart: always, depends_on: [db]}
  db: {rootfs: ROOT, command: [sleep, "600"], stop_grace_period: 0s}
  cache: {rootfs: ROOT, command: [sleep, "600"], stop_grace_period: 0s, restart: unless-stopped}
  job: {rootfs: ROOT, command: ["true"]}
"""


@pytest.fixture
def shop(pycompose: Pycompose, busybox_rootfs: Path) -> Pycompose:
    """In a directory that is hard to quote."""
    pycompose.directory = pycompose.directory / 'a "b" %n $HOME'
    pycompose.directory.mkdir()
    (pycompose.directory / "compose.yaml").write_text(SHOP.replace("ROOT", str(busybox_rootfs)))
    return pycompose


def test_a_unit_is_written_and_enabled_and_taken_away_again(shop: Pycompose, tmp_path: Path) -> None:
    root = tmp_path / "image"
    units = root / "etc/systemd/system"
    assert shop("systemd", "install", "--root", str(root)).stdout == f"{units}/pycompose-shop.service\n"
    unit = units / "pycompose-shop.service"
    enabled = units / "multi-user.target.wants/pycompose-shop.service"
    assert os.readlink(enabled) == "/etc/systemd/system/pycompose-shop.service"
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert {"Type=notify", "Delegate=yes", "WantedBy=multi-user.target"} <= set(unit.read_text().splitlines())
    shop("systemd", "uninstall", "--root", str(root))
    assert not unit.exists()
    assert not enabled.is_symlink()
    assert "there is no" in shop("systemd", "uninstall", "--root", str(root), check=False).stderr


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("two words", '"two words"'),
        ('a "quoted" one', r'"a \"quoted\" one"'),
        ("back\\slash", r'"back\\slash"'),
        ("100%", '"100%%"'),
        ("two\nlines", r'"two\nlines"'),
        ("$HOME", '"$HOME"'),
        ("", '""'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(word: str, expected: str) -> None:
    assert quoted(word) == expected


def test_variables_are_expanded_in_command_lines_only(tmp_path: Path) -> None:
    unit = Unit("shop", ("/bin/true", "$HOME"), directory="/", environment=(("PYCOMPOSE_ROOT", "/a$b"),))
    lines = str(unit).splitlines()
    assert 'Environment="PYCOMPOSE_ROOT=/a$b"' in lines
    assert 'ExecStart=/bin/true "$$HOME" systemd run' in lines
    path = tmp_path / unit.name
    path.write_text(str(unit))
    verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_a_project_of_which_nothing_comes_back_is_refused(shop: Pycompose) -> None:
    file = shop.directory / "compose.yaml"
    file.write_text(file.read_text().replace("restart: always", "restart: on-failure").replace("unless-stopped", "no"))
    refused = shop("systemd", "install", "--print", check=False)
    assert refused.returncode == 1
    assert "cannot bring project shop up at boot: none of its services is to come back" in refused.stderr


@contextmanager
def running(shop: Pycompose) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """What the unit executes, and the socket on which it tells how far it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind("\0pycompose-test-notify")
        told.settimeout(30)
        shop.environment["NOTIFY_SOCKET"] = "@pycompose-test-notify"
        with subprocess.Popen(
            shop.argv("systemd", "run"), cwd=shop.directory, env=shop.environment, stderr=subprocess.PIPE, text=True
        ) as process:
            yield process, told


def states(shop: Pycompose) -> dict[str, str]:
    rows = map(json.loads, shop("ps", "-a", "--format", "json").stdout.splitlines())
    return {row["Service"]: row["State"] for row in rows}


def test_what_is_to_come_back_runs_and_is_stopped_when_systemd_says_so(shop: Pycompose) -> None:
    with running(shop) as (process, told):
        assert told.recv(1000).decode().splitlines()[0] == "READY=1"
        assert states(shop) == {"web": "running", "db": "running", "cache": "running"}, "job does not come back"
        (supervisor,) = host.find("supervisor", shop.paths.run)
        os.kill(supervisor, signal.SIGKILL)
        wait_pid_gone(supervisor)
        assert states(shop)["web"] == "running"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert told.recv(1000).decode().splitlines()[0] == "STOPPING=1"
        assert process.wait(30) == 0
    assert set(states(shop).values()) == {"exited"}


def test_a_unit_whose_main_process_was_killed_goes_on_where_it_was(shop: Pycompose) -> None:
    with running(shop) as (process, told):
        assert b"READY=1" in told.recv(1000)
        process.kill()
    before = shop("ps", "-q").stdout
    with running(shop) as (process, told):  # Restart=on-failure
        assert b"READY=1" in told.recv(1000)
        assert shop("ps", "-q").stdout == before
        assert not select.select([told], [], [], 0)[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
