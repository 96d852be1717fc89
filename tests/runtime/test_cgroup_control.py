"""Cgroups of containers: made, entered, found again, removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from composer.errors import Conflict, HostError, MissingFeature, PycomposeError
from composer.runtime.cgroup import control, kill, limits, location
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.location import Location, Tree
from composer.spec.cgroup import Resources, Throttle, ThrottleKind
from composer.spec.container import Device
from tests.runtime.in_cgroup import container, output, start, where

pytestmark = [pytest.mark.root, pytest.mark.cgroup]
__all__ = ["where"]  # the fixture
MIB = 1 << 20


def there(cgroup: Cgroup) -> set[str]:
    return {directory for directory in cgroup.distinct() if Path(directory).is_dir()}


def test_a_container_is_in_all_hierarchies_under_its_own_name(where: Location) -> None:
    with container(where) as cgroup:
        assert there(cgroup) == {f"{tree.project}/web-1" for tree in where.trees}
        found = output(cgroup, "cat", "/proc/self/cgroup").splitlines()
        assert len([line for line in found if line.endswith("/web-1")]) == len(where.trees)
    assert there(cgroup) == set()


def test_a_project_is_below_pycompose_or_has_a_scope(where: Location) -> None:
    for tree in where.trees:
        assert tree.path in (f"pycompose/{where.project}", "")
        assert tree.path or tree.project.endswith(f"/pycompose-{where.project}.scope")


def test_limits_are_in_force_before_the_first_instruction(where: Location) -> None:
    asked = Resources(memory=64 * MIB, memory_swap=96 * MIB, nano_cpus=250_000_000, pids=17, cpuset_cpus="0")
    cgroup = control.create(where, "web-1", resources=asked).cgroup
    found = limits.limits(cgroup)
    assert (found.memory, found.pids, found.cpuset_cpus) == (64 * MIB, 17, "0")
    assert (found.cpu_quota, found.cpu_period) == (25_000, 100_000)
    assert found.memory_swap in (96 * MIB, None)  # None: a kernel that does not account for swap
    assert output(cgroup, "cat", "/proc/self/status").count("Cpus_allowed_list:\t0\n") == 1
    control.remove(cgroup)


def test_without_limits_the_kernel_has_none(where: Location) -> None:
    with container(where) as cgroup:
        found = limits.limits(cgroup)
        assert (found.memory, found.memory_swap, found.pids, found.cpu_quota) == (None, None, None, None)


def test_a_failed_start_leaves_nothing_behind(where: Location) -> None:
    impossible = Throttle("/dev/loop0", ThrottleKind.READ_BPS, -5)
    if not os.path.exists(impossible.device):
        pytest.skip("no /dev/loop0")
    refused = (
        r"^cannot set (blkio\.throttle|io\.max).* of container web-1 to \S+ \S+ \(blkio_config\.device_read_bps\): "
    )
    with pytest.raises(HostError, match=refused):
        control.create(where, "web-1", resources=Resources(blkio_throttles=(impossible,)))
    assert there(control.find(where, "web-1")) == set()


def test_limits_that_cannot_be_are_refused_before_anything_is_made(where: Location) -> None:
    with pytest.raises(PycomposeError, match=r"^cannot limit container web-1: mem_limit 1: less than 6 MiB.*; cpus"):
        control.create(where, "web-1", resources=Resources(memory=1, nano_cpus=10**15))
    assert there(control.find(where, "web-1")) == set()


def test_a_missing_controller_is_named_with_the_key(where: Location) -> None:
    bare = Location(where.project, tuple(Tree(tree.version, (), tree.base, tree.path) for tree in where.trees))
    with pytest.raises(MissingFeature, match="cannot set mem_limit of container web-1: no memory controller here"):
        control.create(bare, "web-1", resources=Resources(memory=64 * MIB))


def test_a_share_that_cannot_be_is_a_warning(where: Location) -> None:
    created = control.create(where, "web-1", resources=Resources(blkio_weight=500))
    directory = created.cgroup.v1("blkio") or created.cgroup.unified
    names = ("io.bfq.weight", "io.weight", "blkio.bfq.weight", "blkio.weight")
    found = [
        Path(f"{directory}/{name}").read_text().split()[-1] for name in names if Path(f"{directory}/{name}").exists()
    ]
    control.remove(created.cgroup)
    if found:
        assert found[0] in ("500", "4950")
        assert created.warnings == ()
    else:
        (warning,) = created.warnings
        assert warning.startswith("cannot set blkio_config.weight of container web-1: this kernel has no ")


def test_an_unknown_device_is_refused(where: Location) -> None:
    with pytest.raises(PycomposeError, match="cannot use device /dev/nothing: No such file"):
        control.create(where, "web-1", nodes=(Device("/dev/nothing", "/dev/nothing"),))
    with pytest.raises(PycomposeError, match="cannot use device /etc/hosts: it is not a device"):
        control.create(where, "web-1", nodes=(Device("/etc/hosts", "/dev/hosts"),))


def test_an_empty_cgroup_of_an_earlier_run_is_made_anew(where: Location) -> None:
    control.create(where, "web-1", resources=Resources(pids=5))
    with container(where) as cgroup:
        assert limits.limits(cgroup).pids is None


def test_processes_of_an_earlier_run_are_named_and_left_alone(where: Location) -> None:
    with container(where) as cgroup:
        process = start(cgroup, "sleep", "1000")
        with pytest.raises(Conflict, match=rf"earlier run are in it: {process.pid} \(sleep\)"):
            control.create(where, "web-1")
        assert there(cgroup) == set(cgroup.distinct())
        kill.kill(cgroup)
        assert process.wait() == -9


def test_removing_twice_is_fine(where: Location) -> None:
    cgroup = control.create(where, "web-1").cgroup
    control.remove(cgroup)
    control.remove(cgroup)


def test_a_cgroup_with_processes_is_not_removed(where: Location) -> None:
    with container(where) as cgroup:
        process = start(cgroup, "sleep", "1000")
        with pytest.raises(
            HostError, match=rf"cannot remove the cgroup of container web-1: still in it: {process.pid} \(sleep\)$"
        ):
            control.remove(cgroup)
        kill.kill(cgroup)
        process.wait()


def test_cgroups_that_a_container_made_are_removed_with_it(where: Location) -> None:
    with container(where) as cgroup:
        for directory in cgroup.distinct():
            Path(f"{directory}/a/b").mkdir(parents=True)
    assert there(cgroup) == set()


def test_cgroup_parent_lies_between_project_and_container(where: Location) -> None:
    cgroup = control.create(where, "web-1", resources=Resources(parent="/batch/night", pids=5, cpuset_cpus="0")).cgroup
    assert set(cgroup.distinct()) == {f"{tree.project}/batch/night/web-1" for tree in where.trees}
    assert control.find(where, "web-1", parent="batch/night") == cgroup
    assert (limits.limits(cgroup).pids, limits.limits(cgroup).cpuset_cpus) == (5, "0")


def test_leftovers_are_found_killed_and_removed(where: Location) -> None:
    """As `down` does after a crash, knowing nothing but the project's name."""
    processes = [start(control.create(where, name).cgroup, "sleep", "1000") for name in ("web-1", "web-2")]
    nested = control.create(where, "db-1", resources=Resources(parent="batch")).cgroup
    processes.append(start(nested, "sleep", "1000"))
    found = control.leftovers(location.locate(where.project))
    assert [cgroup.name for cgroup in found] == ["batch", "web-1", "web-2"]
    for cgroup in found:
        kill.kill(cgroup)
        control.remove(cgroup)
    assert [process.wait() for process in processes] == [-9, -9, -9]
    assert control.leftovers(where) == ()


def test_a_removed_project_can_be_used_again(where: Location) -> None:
    control.remove_project(where)
    assert not any(Path(tree.project).exists() for tree in where.trees if tree.path)  # "": a scope with us in it
    with container(where, pids=5) as cgroup:
        assert limits.limits(cgroup).pids == 5


def test_only_an_empty_pycompose_directory_goes_with_a_project(where: Location) -> None:
    if not all(tree.path for tree in where.trees):
        pytest.skip("scopes have no such directory")
    other = location.prepare(f"{where.project}-other")
    control.remove_project(other)
    assert all(Path(tree.project).is_dir() for tree in where.trees)


def test_a_process_can_be_put_in_from_outside(where: Location) -> None:
    with container(where) as cgroup:
        pid = os.fork()
        if pid == 0:
            os.execvp("sleep", ["sleep", "1000"])
        control.join(cgroup, pid)
        assert all(Path(f"{directory}/cgroup.procs").read_text() == f"{pid}\n" for directory in cgroup.distinct())
        kill.kill(cgroup)
        assert os.waitpid(pid, 0)[1] == 9


def test_who_cannot_be_put_in_is_named(where: Location) -> None:
    with container(where) as cgroup, pytest.raises(HostError, match="cannot put process 4194303 into"):
        control.join(cgroup, 4194303)
