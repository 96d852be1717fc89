"""Limits hold, by the kernel's own accounting."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.scenarios.conftest import Project, control_groups

pytestmark = [pytest.mark.scenario, pytest.mark.root, pytest.mark.cgroup]

LIMITS = pytest.mark.parametrize("example", ["examples/limits/compose.yaml"], indirect=True)


@LIMITS
@pytest.mark.parametrize(("service", "share"), [("half", 0.5), ("most", 0.7)])
def test_a_busy_loop_gets_the_share_it_was_given(example: Project, service: str, share: float) -> None:
    example("up", "-d", "--wait", service)  # one at a time: together they want more than one processor
    assert cores_used(example, [service], seconds=4)[service] == pytest.approx(share, abs=0.1)


@LIMITS
def test_cpu_shares_divide_one_core(example: Project) -> None:
    example("--profile", "shares", "up", "-d", "--wait", "one-share", "two-shares")
    used = cores_used(example, ["one-share", "two-shares"], seconds=4)
    assert used["two-shares"] / used["one-share"] == pytest.approx(2, rel=0.25)


@LIMITS
def test_a_hundredth_of_a_core_loses_the_race(example: Project) -> None:
    example("--profile", "race", "up", "-d", "fast", "slow")
    example.wait_for("fast", "die")
    assert example.status("slow")["State"] == "running"
    example("--profile", "race", "kill", "slow")


@LIMITS
def test_a_memory_bomb_is_killed_told_and_restarted(example: Project) -> None:
    example("--profile", "bomb", "up", "-d", "bomb")
    assert example("wait", "bomb", check=False).strip() == "137"
    state = example.inspect("bomb")
    assert state["State"]["OOMKilled"] is True
    assert state["RestartCount"] == 2
    assert state["State"]["Status"] == "exited"
    assert "out of memory" in example("logs", "bomb")
    assert example("events", "--json", "--since", "0", "--until", "0s", "bomb").count('"oom"') == 3


@LIMITS
def test_a_fork_bomb_stays_small(example: Project) -> None:
    example("--profile", "forks", "up", "-d", "forks")
    follow_until(example, "forks", "20 processes, then: Resource temporarily unavailable")


def follow_until(example: Project, service: str, text: str) -> None:
    argv = example.pycompose.argv("-f", str(example.file), "-p", example.name, "logs", "-f", "--no-color", service)
    with subprocess.Popen(
        argv, env=example.pycompose.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        for line in follower.stdout:
            if text in line:
                follower.kill()
                return
    pytest.fail(f"{service}: the log ended without {text!r}")


def cores_used(example: Project, services: list[str], *, seconds: float) -> dict[str, float]:
    """Cores used on average over some seconds: the time limit is the measurement itself."""
    before, start = {name: cpu_seconds(example, name) for name in services}, time.monotonic()
    time.sleep(seconds)
    after, end = {name: cpu_seconds(example, name) for name in services}, time.monotonic()
    return {name: (after[name] - before[name]) / (end - start) for name in services}


def cpu_seconds(example: Project, service: str) -> float:
    """CPU seconds that the cgroup of a service has used."""
    groups = control_groups(example.inspect(service)["State"]["Pid"])
    if "cpuacct" in groups:
        return int(Path(groups["cpuacct"], "cpuacct.usage").read_text()) / 1e9
    stat = Path(groups[""], "cpu.stat").read_text().split()
    return int(stat[stat.index("usage_usec") + 1]) / 1e6
