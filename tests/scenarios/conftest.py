"""Whole examples, from file to running containers, driven as a person would drive them."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pycompose

EXAMPLES = Path(__file__).parents[2] / "examples"


class Project:
    """One example under a project name of the test's own."""

    def __init__(self, pycompose: Pycompose, file: Path, name: str) -> None:
        self.pycompose = pycompose
        self.file = file
        self.name = name

    def __call__(self, *words: str, check: bool = True, timeout: float = 120) -> str:
        done = self.pycompose("-f", str(self.file), "-p", self.name, *words, check=check, timeout=timeout)
        return done.stdout if check else done.stdout + done.stderr

    def inspect(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("inspect", service))[0]
        return found

    def status(self, service: str) -> dict[str, Any]:
        """The line that `ps -a` has for the only container of a service."""
        lines = [json.loads(line) for line in self("ps", "-a", "--format", "json", service).splitlines()]
        assert len(lines) == 1, lines
        found: dict[str, Any] = lines[0]
        return found

    def wait_for(self, service: str, *actions: str, times: int = 1) -> dict[str, Any]:
        """Follow the events, from the beginning, until one of `actions` has happened `times` times to the service."""
        argv = self.pycompose.argv("-f", str(self.file), "-p", self.name, "events", "--json", "--since", "0", service)
        with subprocess.Popen(
            argv, env=self.pycompose.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as follower:
            assert follower.stdout is not None
            try:
                for line in follower.stdout:
                    event: dict[str, Any] = json.loads(line)
                    times -= event["action"] in actions
                    if times == 0:
                        return event
            finally:
                follower.kill()
        pytest.fail(f"{service}: the events ended before {actions}")


@pytest.fixture
def example(pycompose: Pycompose, request: pytest.FixtureRequest) -> Project:
    """The example that the test names with `@pytest.mark.parametrize("example", [...], indirect=True)`."""
    file = EXAMPLES.parent / request.param
    return Project(pycompose, file, f"t{id(pycompose) % 100000}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def control_groups(pid: int) -> dict[str, str]:
    """Directory of a process in each hierarchy: by controller on cgroup v1, under "" on v2."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    if len(lines) == 1:
        return {"": f"/sys/fs/cgroup{lines[0][2]}"}
    return {name: f"/sys/fs/cgroup/{name}{path}" for _, names, path in lines for name in names.split(",") if name}
