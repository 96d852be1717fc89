"""Processes of a test in a cgroup, started the way containers are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from composer.linux.clone import clone3
from composer.runtime.cgroup import control, kill, location
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.location import Location
from composer.spec.cgroup import Resources


@dataclass(frozen=True)
class Started:
    """A child in a cgroup."""

    pid: int
    pidfd: int

    def wait(self) -> int:
        """Its exit code, negative for a signal."""
        os.close(self.pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start(cgroup: Cgroup, *argv: str, stdout: int = 1) -> Started:
    """`argv` in the cgroup, where it is from its first instruction on."""
    reader, writer = os.pipe()
    with control.entrance(cgroup) as entrance:
        pid, pidfd = clone3(0, cgroup_fd=entrance.unified)
        if pid == 0:
            try:
                control.enter(entrance)
                os.dup2(stdout, 1)
                os.execvp(argv[0], argv)
            finally:
                os._exit(99)
    os.close(writer)
    os.read(reader, 1)  # end of file: exec has closed the other end
    os.close(reader)
    return Started(pid, pidfd)


def output(cgroup: Cgroup, *argv: str) -> str:
    """What `argv` prints."""
    reader, writer = os.pipe()
    started = start(cgroup, *argv, stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    started.wait()
    return text.strip()


@contextmanager
def container(where: Location, name: str = "web-1", **asked: Any) -> Iterator[Cgroup]:
    """The cgroup of a container with the limits of `Resources(**asked)`; all in it is ended afterwards."""
    cgroup = control.create(where, name, resources=Resources(**asked)).cgroup
    yield cgroup
    kill.kill(cgroup)
    control.remove(cgroup)


@pytest.fixture
def where(request: pytest.FixtureRequest) -> Iterator[Location]:
    """A place for the cgroups of a project that only this test has."""
    project = f"test-{os.getpid()}-{request.node.name[:40].split('[')[0]}"
    found = location.prepare(project)
    yield found
    control.remove_project(found)
