"""A scope of the project's own under a real systemd: as root, and as a user with a manager of the session."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from pathlib import Path

import pytest

from composer.errors import HostError
from composer.runtime.cgroup import control, kill, limits, location, scope, systemd
from composer.runtime.cgroup.location import LEAF
from composer.spec.cgroup import Resources
from tests.linux.forked import run_in_child
from tests.runtime.in_cgroup import start

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(not systemd.is_running(os.geteuid()), reason="systemd is not PID 1"),
]
MIB = 1 << 20
MOUNT = "/sys/fs/cgroup"


def own_cgroup() -> str:
    return Path("/proc/self/cgroup").read_text().strip().removeprefix("0::")


def shown(unit: str, *names: str) -> list[str]:
    asked = [f"--property={name}" for name in names]
    return subprocess.run(
        ["systemctl", "show", "--value", *asked, unit], check=True, capture_output=True, text=True
    ).stdout.split()


def assert_gone(directory: str) -> None:
    """systemd removes a scope some time after its last process has ended."""
    deadline = time.monotonic() + 20
    while Path(directory).exists():
        assert time.monotonic() < deadline, f"{directory} is still there"
        time.sleep(0.05)


def test_the_project_lives_in_a_delegated_scope() -> None:
    path = "/system.slice/pycompose-shop.scope"

    def work() -> object:
        where = location.prepare("shop")
        assert own_cgroup() == f"{path}/{LEAF}"
        cgroup = control.create(where, "web-1", resources=Resources(memory=64 * MIB, pids=7, nano_cpus=10**9)).cgroup
        process = start(cgroup, "sleep", "1000")
        assert Path(f"/proc/{process.pid}/cgroup").read_text() == f"0::{path}/web-1\n"
        subprocess.run(["systemctl", "daemon-reload"], check=True)  # what is delegated, systemd does not reset
        found = limits.limits(cgroup)
        kill.kill(cgroup)
        process.wait()
        control.remove(cgroup)
        unit = shown("pycompose-shop.scope", "Delegate", "TasksMax", "ActiveState")
        control.remove_project(where)
        return [tree.project for tree in where.trees], found.memory, found.pids, found.cpu_quota, sorted(unit)

    expected = [[f"{MOUNT}{path}"], 64 * MIB, 7, 100_000, ["active", "infinity", "yes"]]
    assert run_in_child(work) == expected
    assert_gone(f"{MOUNT}{path}")


def test_a_second_launcher_joins_the_scope_of_the_first() -> None:
    def work() -> object:
        where = location.prepare("shop")
        joined = run_in_child(lambda: [location.prepare("shop") == where, own_cgroup()])
        return joined, location.locate("shop") == where, own_cgroup()

    leaf = f"/system.slice/pycompose-shop.scope/{LEAF}"
    assert run_in_child(work) == [[True, leaf], True, leaf]
    assert_gone(f"{MOUNT}/system.slice/pycompose-shop.scope")


def test_containers_outlive_the_launcher_and_are_found_in_the_scope() -> None:
    def launcher() -> object:
        return start(control.create(location.prepare("shop"), "web-1").cgroup, "sleep", "1000").pid

    pid = run_in_child(launcher)
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    (left,) = control.leftovers(location.locate("shop"))
    kill.kill(left)
    os.waitpid(pid, 0)  # we adopt orphans
    assert_gone(f"{MOUNT}/system.slice/pycompose-shop.scope")


def test_a_project_without_a_scope_has_no_place() -> None:
    assert location.locate("never-started").trees == ()


def test_a_user_has_a_scope_in_the_session() -> None:
    try:
        user = pwd.getpwnam("v2")
    except KeyError:
        pytest.skip("no user with a session manager")

    def work() -> object:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        where = location.prepare("shop")
        cgroup = control.create(where, "web-1", resources=Resources(memory=64 * MIB, pids=7)).cgroup
        process = start(cgroup, "sleep", "1000")
        found = limits.limits(cgroup)
        kill.kill(cgroup)
        process.wait()
        control.remove(cgroup)
        return own_cgroup(), found.memory, found.pids, where == location.locate("shop")

    slice_ = f"/user.slice/user-{user.pw_uid}.slice/user@{user.pw_uid}.service/app.slice"
    path = f"{slice_}/pycompose-shop.scope"
    assert run_in_child(work) == [f"{path}/{LEAF}", 64 * MIB, 7, True]
    assert_gone(f"{MOUNT}{path}")


def test_what_systemd_refuses_is_told() -> None:
    with pytest.raises(HostError, match=r"^cannot start the systemd scope of project a/b: Invalid unit name"):
        scope.enter_scope("a/b", uid=0, leaf=LEAF, mount_point=MOUNT)
