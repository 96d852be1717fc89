"""Failures are answered as the file says."""

from __future__ import annotations

import json
import os
import signal
from datetime import datetime

import pytest

from tests.scenarios.conftest import Project

pytestmark = [pytest.mark.scenario, pytest.mark.root]

RESTART = pytest.mark.parametrize("example", ["examples/restart/compose.yaml"], indirect=True)


@RESTART
def test_a_crash_loop_backs_off(example: Project) -> None:
    example("up", "-d", "crash-loop")
    example.wait_for("crash-loop", "start", times=5)
    starts = [event["time"] for event in events(example, "crash-loop") if event["action"] == "start"]
    deaths = [event["time"] for event in events(example, "crash-loop") if event["action"] == "die"]
    pauses = [seconds_between(death, start) for death, start in zip(deaths, starts[1:], strict=False)]
    for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=False):
        assert least <= pause < least + 1


@RESTART
def test_on_failure_gives_up_after_three(example: Project) -> None:
    example("up", "-d", "three-tries")
    assert example("wait", "three-tries", check=False).strip() == "3"
    state = example.inspect("three-tries")
    assert (state["RestartCount"], state["State"]["ExitCode"]) == (3, 3)


@RESTART
def test_kill_from_the_host_is_answered(example: Project) -> None:
    example("up", "-d", "--wait", "steady")
    pid = example.inspect("steady")["State"]["Pid"]
    os.kill(pid, signal.SIGKILL)
    example.wait_for("steady", "die")
    example("up", "-d", "--wait", "steady")
    state = example.inspect("steady")
    assert state["State"]["Running"]
    assert state["State"]["Pid"] != pid
    assert state["RestartCount"] == 1


@RESTART
def test_an_unhealthy_container_is_restarted(example: Project) -> None:
    example("up", "-d", "sick")
    example.wait_for("sick", "health_status: unhealthy")
    example.wait_for("sick", "start", times=2)
    assert example.inspect("sick")["RestartCount"] >= 1


def events(example: Project, service: str) -> list[dict[str, str]]:
    text = example("events", "--json", "--since", "0", "--until", "0s", service)
    return [json.loads(line) for line in text.splitlines()]


def seconds_between(earlier: str, later: str) -> float:
    first, second = (datetime.fromisoformat(text[:26] + "+00:00") for text in (earlier, later))
    return (second - first).total_seconds()
