"""Killing and freezing everything in a cgroup, by the v2 tree where there is one, and by v1 alone."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator

import pytest

from composer.errors import HostError
from composer.runtime.cgroup import control, files, freeze, kill
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.hierarchy import UNIFIED
from composer.runtime.cgroup.location import Location
from tests.runtime.in_cgroup import container, start, where

pytestmark = [pytest.mark.root, pytest.mark.cgroup]
__all__ = ["where"]  # the fixture
# Ten chains of processes of which each forks the next and ends: who reads a pid and then kills it comes too late.
# The first one adopts and reaps them (subreaper, SIGCHLD ignored). At most 40 at a time, for 20 s at most.
FORKING = """
import ctypes, os, signal, time
PR_SET_CHILD_SUBREAPER = 36
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
end = time.monotonic() + 20
for chain in range(10):
    if os.fork() == 0:
        while time.monotonic() < end:
            try:
                if os.fork():
                    os._exit(0)
            except BlockingIOError:
                pass
        os._exit(0)
os.write(1, b"forking")
time.sleep(20)
"""


@pytest.fixture
def cgroup(where: Location) -> Iterator[Cgroup]:
    with container(where, pids=40) as cgroup:
        yield cgroup


@pytest.fixture(params=["v2", "v1"])
def seen(request: pytest.FixtureRequest, cgroup: Cgroup) -> Cgroup:
    """The cgroup as a host with v1 alone would show it, or as it is."""
    if request.param == "v2":
        return cgroup
    if cgroup.v1("freezer") is None:
        pytest.skip("no v1 freezer on this host")
    return Cgroup(tuple(pair for pair in cgroup.directories if pair[0] != UNIFIED))


def _processes(cgroup: Cgroup) -> set[int]:
    return {pid for directory in cgroup.distinct() for pid in files.processes(directory)}


def test_no_fork_escapes(cgroup: Cgroup, seen: Cgroup) -> None:
    reader, writer = os.pipe()
    process = start(cgroup, sys.executable, "-I", "-S", "-c", FORKING, stdout=writer)
    assert os.read(reader, 100) == b"forking"
    before, deadline = _processes(cgroup), time.monotonic() + 10
    while before <= _processes(cgroup):  # until it is seen that they come and go
        assert time.monotonic() < deadline
    kill.kill(seen)
    assert _processes(cgroup) == set()
    assert process.wait() == -9
    os.close(reader)
    os.close(writer)


def test_processes_in_cgroups_inside_are_killed(cgroup: Cgroup, seen: Cgroup) -> None:
    inner = Cgroup(tuple((name, f"{directory}/inner") for name, directory in cgroup.directories))
    for directory in inner.distinct():
        os.mkdir(directory)
    if cpuset := inner.v1("cpuset"):
        for name in ("cpuset.cpus", "cpuset.mems"):
            files.write(cpuset, name, value=files.read(os.path.dirname(cpuset), name))
    process = start(inner, "sleep", "1000")
    kill.kill(seen)
    assert process.wait() == -9


def test_a_frozen_container_is_killed(cgroup: Cgroup, seen: Cgroup) -> None:
    process = start(cgroup, "sleep", "1000")
    freeze.freeze(seen)
    kill.kill(seen)
    assert process.wait() == -9


def test_killing_nobody_is_fine(cgroup: Cgroup, seen: Cgroup) -> None:
    kill.kill(seen)
    control.remove(cgroup)
    kill.kill(seen)


def test_what_is_frozen_does_nothing_until_it_is_thawed(cgroup: Cgroup, seen: Cgroup) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    process = start(cgroup, sys.executable, "-I", "-S", "-c", "import os\nwhile True: os.write(1, b'x')", stdout=writer)
    assert not freeze.is_frozen(seen)
    freeze.freeze(seen)
    assert freeze.is_frozen(seen)
    _drain(reader)
    assert _data_within(reader, 0.2) is False
    freeze.thaw(seen)
    assert _data_within(reader, 10)
    assert not freeze.is_frozen(seen)
    kill.kill(cgroup)
    process.wait()
    os.close(reader)
    os.close(writer)


def _drain(fd: int) -> None:
    while _data_within(fd, 0):
        os.read(fd, 1 << 20)


def _data_within(fd: int, seconds: float) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


def test_freezing_and_thawing_twice_is_fine(cgroup: Cgroup, seen: Cgroup) -> None:
    for _ in range(2):
        freeze.freeze(seen)
    for _ in range(2):
        freeze.thaw(seen)
    assert not freeze.is_frozen(seen)


def test_without_a_freezer_it_says_so() -> None:
    with pytest.raises(HostError, match="cannot freeze container"):
        freeze.freeze(Cgroup())
