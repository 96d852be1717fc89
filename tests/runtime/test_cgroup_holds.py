"""The limits hold, and what happens is seen: on the running kernel, whichever version of cgroups it has."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from composer.runtime.cgroup import control, kill, oom, stats
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.location import Location
from composer.spec.cgroup import DeviceRule
from composer.spec.container import Device
from tests.runtime.in_cgroup import Started, container, output, start, where

pytestmark = [pytest.mark.root, pytest.mark.cgroup]
__all__ = ["where"]  # the fixture
MIB = 1 << 20
# Stops by itself at 256 MiB and after 20 s, limit or no limit
MEMORY_BOMB = "import signal; signal.alarm(20)\nkept = [bytearray(1 << 20) for _ in range(256)]"
# 200 sleepers at most, for 20 s at most
FORKS = """
import os, signal, time
os.setsid()
signal.alarm(20)
for made in range(200):
    try:
        pid = os.fork()
    except BlockingIOError:
        break
    if pid == 0:
        time.sleep(20)
        os._exit(0)
print(made, flush=True)
os.killpg(0, signal.SIGKILL)
"""
DROP_CACHE = "import os; os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)"
BUSY = "import signal; signal.alarm(20)\nwhile True: pass"


def python(cgroup: Cgroup, code: str) -> Started:
    return start(cgroup, sys.executable, "-I", "-S", "-c", code)


class TestMemory:
    def test_who_goes_over_the_limit_is_killed_and_it_is_counted(self, where: Location) -> None:
        with container(where, memory=32 * MIB, memory_swap=32 * MIB) as cgroup:
            watch = oom.open_oom_watch(cgroup)
            assert watch is not None
            assert not oom.acknowledge(watch)
            assert oom.oom_kills(cgroup) == 0
            assert python(cgroup, MEMORY_BOMB).wait() == -signal.SIGKILL
            assert select.select([watch], [], [], 10)[0]
            assert oom.acknowledge(watch)
            assert oom.oom_kills(cgroup) > 0  # some kernels count one victim twice
            found = stats.stats(cgroup)
            assert found.memory_limit == 32 * MIB
            assert found.memory_peak is None or 31 * MIB <= found.memory_peak <= 32 * MIB
            os.close(watch)

    def test_who_stays_below_is_left_alone(self, where: Location) -> None:
        with container(where, memory=64 * MIB) as cgroup:
            assert python(cgroup, "kept = bytearray(16 << 20)").wait() == 0
            assert oom.oom_kills(cgroup) == 0

    def test_usage_leaves_out_page_cache_that_can_go(self, where: Location, tmp_path: Path) -> None:
        big = tmp_path / "big"
        big.write_bytes(bytes(32 * MIB))
        os.sync()
        with container(where) as cgroup:
            assert python(cgroup, f"file = open({str(big)!r}, 'rb'); {DROP_CACHE}; file.read()").wait() == 0
            found = stats.stats(cgroup)
            assert found.memory_peak is None or found.memory_peak > 16 * MIB  # the file was in it
            assert found.memory_usage is not None
            assert found.memory_usage < 16 * MIB

    def test_of_a_cgroup_that_is_gone_nothing_is_known(self, where: Location) -> None:
        cgroup = control.create(where, "web-1").cgroup
        control.remove(cgroup)
        assert stats.stats(cgroup) == stats.Stats()
        assert oom.oom_kills(cgroup) == 0


class TestProcessors:
    def test_a_quota_is_a_share_of_the_wall_clock(self, where: Location) -> None:
        with container(where, nano_cpus=200_000_000) as cgroup:
            process = python(cgroup, BUSY)
            share = _share(cgroup)
            assert 0.1 < share < 0.3  # of one processor, by the cgroup's own accounting, on a loaded machine
            assert (stats.stats(cgroup).throttled_periods or 0) > 0
            kill.kill(cgroup)
            process.wait()

    def test_shares_count_where_two_want_the_same_processor(self, where: Location) -> None:
        with (
            container(where, "small-1", cpu_shares=256, cpuset_cpus="0") as small,
            container(where, "large-1", cpu_shares=1024, cpuset_cpus="0") as large,
        ):
            processes = [python(small, BUSY), python(large, BUSY)]
            before = _cpu_ns(small), _cpu_ns(large)
            select.select([], [], [], 1.5)
            ratio = (_cpu_ns(large) - before[1]) / (_cpu_ns(small) - before[0])
            assert ratio > 1.8  # 4 : 1, and 2.9 : 1 in weights of cgroup v2
            for cgroup, process in zip((small, large), processes, strict=True):
                kill.kill(cgroup)
                process.wait()

    def test_a_cpuset_is_all_that_a_process_can_ask_for(self, where: Location) -> None:
        code = "import os\nos.sched_setaffinity(0, range(os.cpu_count()))\nprint(sorted(os.sched_getaffinity(0)))"
        with container(where, cpuset_cpus="0") as cgroup:
            assert output(cgroup, sys.executable, "-I", "-S", "-c", code) == "[0]"


def _cpu_ns(cgroup: Cgroup) -> int:
    return stats.stats(cgroup).cpu_ns or 0


def _share(cgroup: Cgroup) -> float:
    """Of one processor, over a second and a half."""
    before, start_ns = _cpu_ns(cgroup), time.monotonic_ns()
    select.select([], [], [], 1.5)
    return (_cpu_ns(cgroup) - before) / (time.monotonic_ns() - start_ns)


class TestPids:
    def test_forks_end_at_the_limit(self, where: Location) -> None:
        with container(where, pids=12) as cgroup:
            assert output(cgroup, sys.executable, "-I", "-S", "-c", FORKS) == "11"
            assert stats.stats(cgroup).pids_limit == 12

    def test_they_are_counted(self, where: Location) -> None:
        with container(where) as cgroup:
            processes = [start(cgroup, "sleep", "1000") for _ in range(3)]
            assert stats.stats(cgroup).pids == 3
            kill.kill(cgroup)
            assert [process.wait() for process in processes] == [-9] * 3


class TestDevices:
    """Read through nodes made in place, as a container with CAP_MKNOD could."""

    TRY = """
import os, sys
kind, major, minor, flags = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
path = os.path.join(sys.argv[5], "node")
os.mknod(path, 0o600 | {"c": 0o020000, "b": 0o060000}[kind], os.makedev(major, minor))
try:
    os.close(os.open(path, flags))
    print("opened")
except OSError as error:
    print(error.strerror)
finally:
    os.unlink(path)
"""
    NULL, KMSG = ("c", "1", "3"), ("c", "1", "11")

    def attempt(self, cgroup: Cgroup, device: tuple[str, str, str], flags: int, where: Path) -> str:
        return output(cgroup, sys.executable, "-I", "-S", "-c", self.TRY, *device, str(flags), str(where))

    def test_the_default_list(self, where: Location, tmp_path: Path) -> None:
        with container(where) as cgroup:
            assert self.attempt(cgroup, self.NULL, os.O_RDWR, tmp_path) == "opened"
            assert self.attempt(cgroup, self.KMSG, os.O_RDONLY, tmp_path) == "Operation not permitted"

    def test_a_device_shown_to_the_container_with_the_access_it_has(self, where: Location, tmp_path: Path) -> None:
        node = tmp_path / "kmsg"
        os.mknod(node, 0o020600, os.makedev(1, 11))
        cgroup = control.create(where, "web-1", nodes=(Device(str(node), "/dev/kmsg", "rm"),)).cgroup
        assert self.attempt(cgroup, self.KMSG, os.O_RDONLY, tmp_path) == "opened"
        assert self.attempt(cgroup, self.KMSG, os.O_WRONLY, tmp_path) == "Operation not permitted"
        control.remove(cgroup)

    def test_rules_of_the_users_own(self, where: Location, tmp_path: Path) -> None:
        with container(where, device_rules=(DeviceRule("c", 1, None, "r"),)) as cgroup:
            assert self.attempt(cgroup, self.KMSG, os.O_RDONLY, tmp_path) == "opened"

    def test_a_privileged_container_may_use_all(self, where: Location, tmp_path: Path) -> None:
        cgroup = control.create(where, "web-1", privileged=True).cgroup
        assert self.attempt(cgroup, self.KMSG, os.O_RDWR, tmp_path) == "opened"
        control.remove(cgroup)
