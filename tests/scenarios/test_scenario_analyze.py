"""Where the time of a start went is told afterwards, whoever has died since."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from composer.control.client import Client
from composer.control.messages import Ping, Pong
from composer.planner.timeline import Phase
from composer.store import walks
from tests.conftest import Pycompose

pytestmark = [pytest.mark.scenario, pytest.mark.root]

FILE = """
name: shop
x-base: &base {rootfs: ROOT, network_mode: none, stop_grace_period: 0s}
services:
  db:
    <<: *base
    command: [sh, -c, "sleep 0.7; touch /tmp/ready; exec sleep 1000"]
    healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 5s}
  migrate:
    <<: *base
    command: [sleep, "0.4"]
    depends_on: {db: {condition: service_healthy}}
  web:
    <<: *base
    command: [sleep, "1000"]
    scale: 2
    depends_on: {migrate: {condition: service_completed_successfully}, cache: {condition: service_started}}
  cache: {<<: *base, command: [sleep, "1000"]}
"""
S = 1_000_000_000
PHASES = {phase.value for phase in Phase}


@pytest.fixture
def shop(pycompose: Pycompose, busybox_rootfs: Path) -> Iterator[Pycompose]:
    (pycompose.directory / "compose.yaml").write_text(FILE.replace("ROOT", str(busybox_rootfs)))
    yield pycompose
    pycompose("down", "-t", "0", check=False)


def analysis(shop: Pycompose, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shop("analyze", "--format", "json", *words).stdout)
    return found


def by_name(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {container["name"]: container for container in tree["containers"]}


def phases(container: dict[str, Any]) -> list[str]:
    return [span["phase"] for span in container["spans"]]


def seconds(container: dict[str, Any], phase: str) -> float:
    spans = [span for span in container["spans"] if span["phase"] == phase]
    total: int = sum(span["ended_ns"] - span["began_ns"] for span in spans)
    return total / S


def test_a_gated_chain_is_told_phase_by_phase(shop: Pycompose) -> None:
    shop("up", "-d")
    tree = analysis(shop)
    assert (tree["project"], tree["command"], tree["state"], tree["error"]) == ("shop", "up", "done", "")
    assert 0 < tree["awoken_ns"] <= tree["received_ns"] <= tree["turn_ns"] <= tree["planned_ns"] <= tree["duration_ns"]
    found = by_name(tree)
    assert phases(found["shop-db-1"]) == ["waiting", "launching", "probing", "healthy"]
    assert phases(found["shop-migrate-1"]) == ["waiting", "launching", "running"]
    assert phases(found["shop-web-1"]) == ["waiting", "launching", "running"]
    assert {name: container["status"] for name, container in found.items()} == {
        "shop-cache-1": "started",
        "shop-db-1": "healthy",
        "shop-migrate-1": "completed",
        "shop-web-1": "started",
        "shop-web-2": "started",
    }
    assert 0.7 <= seconds(found["shop-db-1"], "probing") < 5  # it does not take Docker's interval
    assert seconds(found["shop-migrate-1"], "running") >= 0.4
    assert seconds(found["shop-web-1"], "waiting") > 1.1
    assert seconds(found["shop-cache-1"], "waiting") < seconds(found["shop-db-1"], "probing")  # it waits for nobody


def test_the_critical_chain_leads_from_the_first_step_to_the_last(shop: Pycompose) -> None:
    shop("up", "-d")
    tree = analysis(shop)
    chain = tree["critical_chain"]
    assert [link["action"] for link in chain[:-1]] == [
        "start container shop-db-1",
        "wait until shop-db-1 is healthy",
        "start container shop-migrate-1",
        "wait until shop-migrate-1 has completed successfully",
    ]
    assert re.fullmatch("start container shop-web-[12]", chain[-1]["action"])
    assert all(0 <= after["began_ns"] - before["ended_ns"] < S / 4 for before, after in pairwise(chain))
    assert all(advice["gain_ns"] < tree["duration_ns"] for advice in tree["advice"])
    assert any("migrate waited" in advice["finding"] and "db" in advice["change"] for advice in tree["advice"])
    assert any("web waited" in advice["finding"] and "migrate" in advice["change"] for advice in tree["advice"])


def test_what_runs_already_is_unchanged_and_what_died_since_does_not_matter(shop: Pycompose) -> None:
    shop("up", "-d", "db", "cache")
    shop("up", "-d")
    first = by_name(analysis(shop))
    assert [first[name]["status"] for name in ("shop-db-1", "shop-cache-1")] == ["unchanged", "unchanged"]
    shop("restart", "web")
    shop("kill", "db")
    supervisor = supervisor_pid(shop)
    os.kill(supervisor, signal.SIGSTOP)  # what it has written down is read, and nobody is asked
    try:
        assert by_name(analysis(shop)) == first
    finally:
        os.kill(supervisor, signal.SIGCONT)


def supervisor_pid(shop: Pycompose) -> int:
    answers = Client(shop.paths, project="shop", name="test").request(Ping())
    return next(answer.pid for answer in answers if isinstance(answer, Pong))


def test_start_is_a_start_and_others_are_not(shop: Pycompose) -> None:
    shop("create")
    assert "nothing tells how it was started" in shop("analyze", check=False).stderr
    shop("start")
    assert analysis(shop)["command"] == "start"
    shop("stop")
    assert analysis(shop)["command"] == "start"
    shop("scale", "web=3")
    assert analysis(shop)["command"] == "scale"


def test_a_start_under_way_can_be_looked_at_and_one_that_was_ended_says_so(shop: Pycompose) -> None:
    never = (shop.directory / "compose.yaml").read_text().replace("/tmp/ready]", "/nowhere]")
    (shop.directory / "compose.yaml").write_text(never)
    with subprocess.Popen(
        shop.argv("up", "-d"), cwd=shop.directory, env=shop.environment, stderr=subprocess.PIPE, text=True
    ) as up:
        assert up.stderr is not None
        next(line for line in up.stderr if line.split() == ["Container", "shop-db-1", "Waiting"])
        tree = analysis(shop)
        assert tree["state"] == "under way"
        assert by_name(tree)["shop-db-1"]["status"] == "probing"
        assert by_name(tree)["shop-web-1"]["status"] == "waiting"
        assert tree["critical_chain"][-1]["under_way"]
        shop("stop", "-t", "0")
        up.stderr.read()
    tree = analysis(shop)
    assert tree["state"] == "failed"
    assert by_name(tree)["shop-web-1"]["status"] == "not started"


def test_a_start_that_others_went_on_with_says_so(shop: Pycompose) -> None:
    with subprocess.Popen(
        shop.argv("up", "-d"), cwd=shop.directory, env=shop.environment, stderr=subprocess.PIPE, text=True
    ) as up:
        assert up.stderr is not None
        next(line for line in up.stderr if line.split() == ["Container", "shop-db-1", "Waiting"])
        os.kill(supervisor_pid(shop), signal.SIGKILL)
        up.stderr.read()
    assert up.returncode == 0
    tree = analysis(shop)
    assert (tree["state"], tree["resumed"]) == ("done", True)
    assert by_name(tree)["shop-db-1"]["status"] == "unchanged"
    assert "others went on" in shop("analyze").stdout
    shop("up", "-d")
    assert analysis(shop)["resumed"] is False


def test_a_failed_start_names_what_failed(shop: Pycompose) -> None:
    broken = (shop.directory / "compose.yaml").read_text().replace('[sleep, "0.4"]', '[sh, -c, "exit 3"]')
    (shop.directory / "compose.yaml").write_text(broken)
    assert shop("up", "-d", check=False).returncode != 0
    tree = analysis(shop, "web")
    assert (tree["state"], by_name(tree)["shop-web-1"]["status"]) == ("failed", "not started")
    assert "migrate exited with status 3" in tree["error"]
    assert tree["critical_chain"][-1]["failed"]
    assert by_name(analysis(shop))["shop-migrate-1"]["note"] == "exit code 3"


def test_it_can_be_drawn_into_a_file(shop: Pycompose) -> None:
    shop("up", "-d")
    shop("analyze", "--format", "svg", "-o", "start.svg")
    root = ElementTree.parse(shop.directory / "start.svg").getroot()
    classes = {rect.get("class") for rect in root.iter("{http://www.w3.org/2000/svg}rect")}
    assert {"waiting", "launching", "probing", "healthy", "running", "critical"} <= classes
    assert classes - PHASES == {"paper", "before", "critical"}
    text = shop("analyze").stdout
    assert text.splitlines()[0].startswith("shop: up at ")
    assert "\x1b" not in text


def test_on_a_terminal_there_are_bars(shop: Pycompose) -> None:
    shop("up", "-d")
    ours, theirs = pty.openpty()
    environment = {**shop.environment, "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "composer", "analyze"],
        cwd=shop.directory,
        env=environment,
        stdin=theirs,
        stdout=theirs,
    ) as done:
        os.close(theirs)
        drawn = b""
        while piece := _read(ours):
            drawn += piece
    os.close(ours)
    assert done.returncode == 0
    assert "▒▒▒▒" in drawn.decode()
    assert b"\x1b" not in drawn


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the other side is closed
        return b""


def test_events_are_what_they_were(shop: Pycompose) -> None:
    """What is written down for this is in a file of its own."""
    shop("up", "-d")
    lines = shop("events", "--json", "--since", "0", "--until", "0s").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert {event["type"] for event in told} == {"container"}
    assert {event["action"] for event in told} == {"create", "start", "die", "health_status: healthy"}
    assert walks.read(shop.paths.project("shop")) is not None


def test_without_a_project_it_says_what_to_do(pycompose: Pycompose) -> None:
    (pycompose.directory / "compose.yaml").write_text(FILE.replace("ROOT", "/"))
    done = pycompose("analyze", check=False)
    assert done.returncode == 1
    assert done.stderr == 'pycompose: there is no project "shop"\nhint: `pycompose up` makes it\n'
