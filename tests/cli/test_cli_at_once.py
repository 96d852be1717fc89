"""Several commands at once: those that change a project take turns and say so, those that look wait for nobody."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.root

SLOW = """
name: shop
services:
  db:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms, retries: 1000}
  web: {rootfs: ROOT, command: [sleep, "600"], stop_grace_period: 0s, depends_on: {db: {condition: service_healthy}}}
"""

TALKING = """
name: shop
services:
  web:
    rootfs: ROOT
    stop_grace_period: 5s
    command:
    - /bin/sh
    - -c
    - "trap 'echo ended; exit 0' TERM; echo began; sleep 600 & wait"
"""


@pytest.fixture
def write(pycompose: Pycompose, busybox_rootfs: Path) -> Callable[[str], Pycompose]:
    def write(text: str) -> Pycompose:
        (pycompose.directory / "compose.yaml").write_text(text.replace("ROOT", str(busybox_rootfs)))
        return pycompose

    return write


@pytest.fixture
def slow(write: Callable[[str], Pycompose]) -> Pycompose:
    return write(SLOW)


@contextmanager
def started(pycompose: Pycompose, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        pycompose.argv(*words),
        cwd=pycompose.directory,
        env=pycompose.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_line(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line of a process's standard error that has this in it."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"it never said {pattern}")


def be_ready(slow: Pycompose) -> None:
    slow("exec", "-T", "db", "touch", "/ready")


def test_a_second_up_is_told_whose_turn_it_is_and_waits(slow: Pycompose) -> None:
    with started(slow, "up", "-d") as first:
        wait_line(first, "shop-db-1  Waiting")
        with started(slow, "up", "-d") as second:
            told = wait_line(second, r"waiting for pycompose up \(pid (\d+)\), which is changing this project")
            assert int(told[1]) == first.pid
            assert second.poll() is None
            be_ready(slow)
            assert (first.wait(30), second.wait(30)) == (0, 0)
    assert len(slow("ps", "-q").stdout.split()) == 2


def test_down_ends_an_up_that_is_under_way(slow: Pycompose) -> None:
    with started(slow, "up", "-d") as up:
        wait_line(up, "shop-db-1  Waiting")
        slow("down")
        wait_line(up, r"cannot go on: pycompose down \(pid \d+\) has taken over")
        assert up.wait(30) == 1
    assert slow("ps", "-aq", check=False).stdout == ""


def test_a_turn_goes_on_without_the_command_that_had_it(slow: Pycompose) -> None:
    """What it asked for is done by the supervisor, which it does not need any more."""
    with started(slow, "up", "-d") as first:
        wait_line(first, "shop-db-1  Waiting")
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        with started(slow, "up", "-d") as second:
            be_ready(slow)
            assert second.wait(30) == 0
    assert len(slow("ps", "-q").stdout.split()) == 2


def test_the_lock_on_starting_dies_with_its_owner(slow: Pycompose) -> None:
    places = slow.paths.project("shop")
    os.makedirs(places.run)
    owner = os.fork()
    if owner == 0:
        _hold(places.lock)
    try:
        while not os.path.exists(f"{places.lock}.held"):
            os.sched_yield()  # the child says that it has it
        with started(slow, "up", "-d", "db") as up:
            with pytest.raises(subprocess.TimeoutExpired):
                up.wait(1)
            os.kill(owner, signal.SIGKILL)
            assert up.wait(30) == 0
    finally:
        os.waitpid(owner, 0)


def _hold(path: str) -> None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(f"{path}.held").touch()
        signal.pause()
    finally:
        os._exit(1)


def test_many_who_look_wait_for_nobody(write: Callable[[str], Pycompose]) -> None:
    shop = write(TALKING)
    shop("up", "-d", "--scale", "web=3")
    looking = [shop.argv("ps", "-q")] * 10 + [shop.argv("logs", "-f", "--no-color", "--no-log-prefix")] * 10
    processes = [
        subprocess.Popen(argv, cwd=shop.directory, env=shop.environment, stdout=subprocess.PIPE, text=True)
        for argv in looking
    ]
    for process in processes[10:]:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["began\n"] * 3
    shop("stop")
    said = [process.communicate(timeout=30)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert all(len(text.split()) == 3 for text in said[:10])
    assert all(text == "ended\n" * 3 for text in said[10:])


def test_a_follower_sees_restart_recreation_and_new_replicas(write: Callable[[str], Pycompose]) -> None:
    shop = write(TALKING)
    shop("up", "-d")
    with started(shop, "logs", "-f", "--no-color") as follower:
        assert follower.stdout is not None
        lines = follower.stdout

        def next_lines(count: int) -> list[str]:
            return sorted(" ".join(lines.readline().split()) for _ in range(count))

        assert next_lines(1) == ["web-1 | began"]
        shop("restart")
        assert next_lines(2) == ["web-1 | began", "web-1 | ended"]
        shop("up", "-d", "--force-recreate")
        assert next_lines(2) == ["web-1 | began", "web-1 | ended"]
        shop("scale", "web=3")
        assert next_lines(2) == ["web-2 | began", "web-3 | began"]
        shop("down")
        assert next_lines(3) == ["web-1 | ended", "web-2 | ended", "web-3 | ended"]
        assert follower.wait(30) == 0
        assert lines.read() == ""
