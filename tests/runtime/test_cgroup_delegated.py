"""Places in the v2 tree that are ours only in part: delegated to a user, or the root of a cgroup namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.errors import MissingFeature
from composer.linux.mount import MS_PRIVATE, MS_REC, mount
from composer.linux.namespaces import CLONE_NEWCGROUP, CLONE_NEWNS, unshare
from composer.runtime.cgroup import control, hierarchy, limits, location, systemd
from composer.spec.cgroup import Resources
from tests.linux.forked import run_in_child

pytestmark = [pytest.mark.root, pytest.mark.cgroup]
NOBODY = 65534
MIB = 1 << 20


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A cgroup of the v2 tree with a process in it, where we may do as we like."""
    unified = hierarchy.observe().unified
    if unified is None:
        pytest.skip("no cgroup v2 tree")
    directory = Path(f"{unified.mount_point}/pycompose-test-{os.getpid()}")
    directory.mkdir()
    other = subprocess.Popen(["sleep", "1000"])
    (directory / "cgroup.procs").write_text(str(other.pid))
    yield directory
    other.kill()
    other.wait()
    for below in sorted((path for path in directory.rglob("*") if path.is_dir()), reverse=True):
        below.rmdir()
    directory.rmdir()


def enter(directory: Path) -> None:
    (directory / "cgroup.procs").write_text("0")


def members(directory: Path) -> int:
    return len((directory / "cgroup.procs").read_text().split())


def own_cgroup() -> str:
    return Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::")


def test_a_user_makes_cgroups_in_what_is_delegated(delegated: Path) -> None:
    for path in (delegated, *(delegated / f"cgroup.{name}" for name in ("procs", "subtree_control", "threads"))):
        os.chown(path, NOBODY, NOBODY)

    def work() -> object:
        enter(delegated)
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        where = location.prepare("shop")
        again = location.prepare("shop")  # from the leaf, which is not taken for the delegated cgroup
        asked = Resources(pids=5) if "pids" in where.versions else Resources()
        cgroup = control.create(where, "web-1", resources=asked).cgroup
        found = limits.limits(cgroup).pids
        control.remove(cgroup)
        control.remove_project(where)
        return where == again, [tree.project for tree in where.trees], found == asked.pids, members(delegated)

    same, projects, limited, left = run_in_child(work)
    assert (same, limited) == (True, True)
    assert projects == [f"{delegated}/pycompose/shop"]
    if (delegated / location.LEAF).exists():  # controllers were enabled, so nobody may be where they are
        assert left == 0


def test_a_user_without_a_cgroup_of_its_own_has_no_limits_and_is_told(delegated: Path) -> None:
    def work() -> object:
        enter(delegated)
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        where = location.prepare("shop")
        unlimited = control.create(where, "web-1")
        try:
            control.create(where, "web-1", resources=Resources(memory=64 * MIB))
        except MissingFeature as error:
            return where.trees, unlimited.cgroup.directories, error.message
        return "no error"

    message = "cannot set mem_limit of container web-1: no memory controller here"
    assert run_in_child(work) == [[], [], message]


def test_the_root_of_a_cgroup_namespace_is_cleared_of_processes(delegated: Path, tmp_path: Path) -> None:
    """As in a container that runs containers, where everything is in the visible root."""
    unified = hierarchy.observe().unified
    if unified is None or set(location.V2_CONTROLLERS).isdisjoint(unified.controllers):
        pytest.skip("no controllers in the cgroup v2 tree")
    if systemd.is_running(os.geteuid()):
        pytest.skip("systemd has the tree")

    def work() -> object:
        enter(delegated)
        unshare(CLONE_NEWCGROUP | CLONE_NEWNS)
        mount("none", "/", flags=MS_PRIVATE | MS_REC)
        mount("cgroup2", tmp_path, filesystem="cgroup2")
        where = location.prepare("shop")
        cgroup = control.create(where, "web-1", resources=Resources(memory=64 * MIB)).cgroup
        found = limits.limits(cgroup).memory
        control.remove(cgroup)
        control.remove_project(where)
        return [tree.project for tree in where.trees], found, own_cgroup(), members(tmp_path)

    assert run_in_child(work) == [[f"{tmp_path}/pycompose/shop"], 64 * MIB, f"/{location.LEAF}", 0]
    assert members(delegated / location.LEAF) == 1  # the other process, moved and well
