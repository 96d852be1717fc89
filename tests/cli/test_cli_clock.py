"""A clock that is set while a project runs: forward, as where there is no battery, and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.chaos import host
from tests.conftest import Pycompose, patiently

pytestmark = [pytest.mark.root, pytest.mark.clock]

HOUR = 3600.0
PATIENCE = 60.0
SHOP = """
name: shop
services:
  web:
    rootfs: ROOT
    stop_grace_period: 0s
    command: [/bin/sh, -c, "i=0; while [ ! -e /tmp/end ]; do i=$$((i+1)); echo line $$i; sleep 0.2; done; exit 3"]
    restart: "no"
    healthcheck: {test: [CMD, "true"], interval: 1s}
  idle: {rootfs: ROOT, stop_grace_period: 0s, command: [sleep, "600"]}
  restless: {rootfs: ROOT, stop_grace_period: 0s, command: [sleep, "3"], restart: always}
"""


@pytest.fixture(params=[HOUR, -HOUR], ids=["forward", "back"])
def step(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Sets the clock by an hour; afterwards it is as it was."""
    seconds: float = request.param
    steps: list[float] = []

    def set_clock() -> None:
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
        steps.append(seconds)

    yield set_clock
    time.clock_settime(time.CLOCK_REALTIME, time.time() - sum(steps))


@pytest.fixture
def shop(pycompose: Pycompose, busybox_rootfs: object) -> Pycompose:
    (pycompose.directory / "compose.yaml").write_text(SHOP.replace("ROOT", str(busybox_rootfs)))
    return pycompose


def row(shop: Pycompose, service: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(shop("ps", "-a", "--format", "json", service).stdout)
    return found


def lines(shop: Pycompose) -> list[str]:
    return shop("logs", "--no-log-prefix", "web").stdout.splitlines()


def test_nobody_is_harmed(shop: Pycompose, step: Callable[[], None]) -> None:
    shop("up", "-d", "--wait", "web", "restless")
    restarts = int(str(row(shop, "restless")["RestartCount"]))
    step()
    many = len(lines(shop))
    patiently(lambda: len(lines(shop)) > many + 5)
    patiently(lambda: int(str(row(shop, "restless")["RestartCount"])) > restarts + 1)
    web = row(shop, "web")
    assert web["Health"] == "healthy"
    assert web["RestartCount"] == 0
    assert "hour" not in str(web["Status"])
    said = lines(shop)
    assert said == [f"line {number}" for number in range(1, len(said) + 1)]
    shop("up", "-d", "--scale", "restless=2")
    assert row(shop, "web")["ID"] == web["ID"]


def test_a_new_supervisor_knows_how_old_its_containers_are(shop: Pycompose, step: Callable[[], None]) -> None:
    shop("up", "-d", "--wait", "web")
    step()
    (supervisor,) = host.find("supervisor", shop.paths.run)
    os.kill(supervisor, signal.SIGKILL)
    many = len(lines(shop))
    patiently(lambda: len(lines(shop)) > many + 5)
    assert row(shop, "web")["Health"] == "healthy"
    (pid,) = shop("inspect", "-f", "{{.State.Pid}}", "web").stdout.split()
    shop("exec", "web", "touch", "/tmp/end")
    shop("wait", "web", check=False)
    (death,) = [
        event["attributes"]
        for event in map(json.loads, shop("events", "--json", "--since", "3h", "--until", "0s").stdout.splitlines())
        if event["action"] == "die"
    ]
    assert death["exitCode"] == "3"
    assert int(death["execDuration"]) < PATIENCE
    assert not os.path.exists(f"/proc/{pid}")


def test_who_waits_for_an_end_sees_it(shop: Pycompose, step: Callable[[], None]) -> None:
    argv = shop.argv("up", "--abort-on-container-exit", "--exit-code-from", "web", "web", "idle")
    with subprocess.Popen(argv, cwd=shop.directory, env=shop.environment, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        try:
            assert "line 1" in up.stdout.readline()
            step()
            shop("exec", "web", "touch", "/tmp/end")
            said = up.stdout.read()
            assert up.wait(PATIENCE) == 3
            assert "line 2" in said
        finally:
            up.kill()
