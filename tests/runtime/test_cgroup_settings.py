"""Compose keys as files of cgroup v1 and v2."""

from __future__ import annotations

import pytest

from composer.runtime.cgroup.settings import Need, cpu_weight, iocost_weight, lower
from composer.spec.cgroup import DeviceWeight, Resources, Throttle, ThrottleKind

V1 = dict.fromkeys(("memory", "cpu", "cpuacct", "pids", "cpuset", "blkio", "devices", "freezer"), 1)
V2 = dict.fromkeys(("memory", "cpu", "pids", "cpuset", "io"), 2)
MIB = 1 << 20
NUMBERS = {"/dev/sda": "8:0"}


def written(resources: Resources, versions: dict[str, int]) -> str:
    """What is tried to be written, "or" between the alternatives."""
    settings = lower(resources, versions=versions, numbers=NUMBERS)
    return "; ".join(" or ".join(f"{file} = {value}" for file, value in one.choices) for one in settings.writes)


CASES = [
    ("mem_limit, as much swap again", Resources(memory=100 * MIB),
     "memory.limit_in_bytes = 104857600; memory.memsw.limit_in_bytes = 209715200",
     "memory.max = 104857600; memory.swap.max = 104857600"),
    ("no swap", Resources(memory=100 * MIB, memory_swap=100 * MIB),
     "memory.limit_in_bytes = 104857600; memory.memsw.limit_in_bytes = 104857600",
     "memory.max = 104857600; memory.swap.max = 0"),
    ("unlimited swap", Resources(memory=100 * MIB, memory_swap=-1),
     "memory.limit_in_bytes = 104857600; memory.memsw.limit_in_bytes = -1",
     "memory.max = 104857600; memory.swap.max = max"),
    ("no limit, said so", Resources(memory=-1),
     "memory.limit_in_bytes = -1; memory.memsw.limit_in_bytes = -1",
     "memory.max = max; memory.swap.max = max"),
    ("mem_reservation", Resources(memory_reservation=50 * MIB),
     "memory.soft_limit_in_bytes = 52428800", "memory.low = 52428800"),
    ("mem_swappiness", Resources(memory_swappiness=0), "memory.swappiness = 0", ""),
    ("oom_kill_disable", Resources(oom_kill_disable=True), "memory.oom_control = 1", ""),
    ("cpus", Resources(nano_cpus=500_000_000),
     "cpu.cfs_period_us = 100000; cpu.cfs_quota_us = 50000", "cpu.max = 50000 100000"),
    ("least cpus", Resources(nano_cpus=10_000_000),
     "cpu.cfs_period_us = 100000; cpu.cfs_quota_us = 1000", "cpu.max = 1000 100000"),
    ("cpu_quota and cpu_period", Resources(cpu_quota=20_000, cpu_period=50_000),
     "cpu.cfs_period_us = 50000; cpu.cfs_quota_us = 20000", "cpu.max = 20000 50000"),
    ("cpu_quota alone", Resources(cpu_quota=20_000),
     "cpu.cfs_period_us = 100000; cpu.cfs_quota_us = 20000", "cpu.max = 20000 100000"),
    ("cpu_period alone", Resources(cpu_period=50_000),
     "cpu.cfs_period_us = 50000; cpu.cfs_quota_us = -1", "cpu.max = max 50000"),
    ("cpu_shares", Resources(cpu_shares=512), "cpu.shares = 512", "cpu.weight = 59"),
    ("cpus: 0 is no limit", Resources(nano_cpus=0, cpu_shares=0), "", ""),
    ("cpuset", Resources(cpuset_cpus="0-1", cpuset_mems="0"),
     "cpuset.cpus = 0-1 or cpus = 0-1; cpuset.mems = 0 or mems = 0", "cpuset.cpus = 0-1; cpuset.mems = 0"),
    ("pids_limit", Resources(pids=50), "pids.max = 50", "pids.max = 50"),
    ("pids_limit: -1", Resources(pids=-1), "pids.max = max", "pids.max = max"),
    ("blkio weight", Resources(blkio_weight=500),
     "blkio.bfq.weight = 500 or blkio.weight = 500", "io.bfq.weight = 500 or io.weight = 4950"),
    ("blkio weight of a disk", Resources(blkio_weight_devices=(DeviceWeight("/dev/sda", 100),)),
     "blkio.bfq.weight_device = 8:0 100 or blkio.weight_device = 8:0 100",
     "io.bfq.weight = 8:0 100 or io.weight = 8:0 910"),
    ("throttles", Resources(blkio_throttles=tuple(Throttle("/dev/sda", kind, 4096) for kind in ThrottleKind)),
     "; ".join(f"blkio.throttle.{kind.value}_device = 8:0 4096" for kind in ThrottleKind),
     "; ".join(f"io.max = 8:0 {kind}=4096" for kind in ("rbps", "wbps", "riops", "wiops"))),
    ("nothing", Resources(), "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("resources", "v1", "v2"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_written(resources: Resources, v1: str, v2: str) -> None:
    assert written(resources, V1) == v1
    assert written(resources, V2) == v2


def test_the_order_is_one_that_a_new_cgroup_accepts() -> None:
    everything = Resources(memory=100 * MIB, nano_cpus=10**9, cpuset_cpus="0", pids=5, blkio_weight=10, cpu_shares=2)
    files = [setting.choices[0][0] for setting in lower(everything, versions=V1, numbers={}).writes]
    assert files.index("memory.limit_in_bytes") < files.index("memory.memsw.limit_in_bytes")
    assert files.index("cpu.cfs_period_us") < files.index("cpu.cfs_quota_us")


@pytest.mark.parametrize(
    ("resources", "need"),
    [
        (Resources(memory=100 * MIB), Need.HARD),
        (Resources(nano_cpus=10**9), Need.HARD),
        (Resources(cpu_quota=5000), Need.HARD),
        (Resources(pids=5), Need.HARD),
        (Resources(cpuset_cpus="0"), Need.HARD),
        (Resources(blkio_throttles=(Throttle("/dev/sda", ThrottleKind.READ_BPS, 1),)), Need.HARD),
        (Resources(cpu_shares=512), Need.SOFT),
        (Resources(memory_reservation=100 * MIB), Need.SOFT),
        (Resources(blkio_weight=10), Need.SOFT),
        (Resources(memory_swappiness=1), Need.SOFT),
    ],
)
def test_without_controllers_limits_are_errors_and_shares_warnings(resources: Resources, need: Need) -> None:
    settings = lower(resources, versions={}, numbers=NUMBERS)
    assert settings.writes == ()
    missing = [one for one in settings.missing if one.need is not Need.DEFAULT]
    assert [one.need for one in missing] == [need]
    assert "controller here" in missing[0].reason


def test_what_only_v1_can_do_is_a_warning_on_v2() -> None:
    settings = lower(Resources(memory_swappiness=10, oom_kill_disable=True), versions=V2, numbers={})
    assert [(one.key, one.need, one.reason) for one in settings.missing] == [
        ("mem_swappiness", Need.SOFT, "cgroup v2 cannot do it"),
        ("oom_kill_disable", Need.SOFT, "cgroup v2 cannot do it"),
    ]


def test_swap_that_nobody_asked_for_is_not_missed() -> None:
    assert lower(Resources(memory=100 * MIB), versions=V1, numbers={}).writes[-1].need is Need.DEFAULT
    asked = Resources(memory=100 * MIB, memory_swap=100 * MIB)
    assert lower(asked, versions=V1, numbers={}).writes[-1].need is Need.SOFT


def test_each_controller_may_be_of_another_version() -> None:
    hybrid = {"memory": 2, "cpu": 1}
    assert written(Resources(memory=100 * MIB, cpu_shares=1024), hybrid) == (
        "memory.max = 104857600; memory.swap.max = 104857600; cpu.shares = 1024"
    )


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(1, 1), (2, 1), (10, 4), (256, 35), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (10**6, 10000)],
)
def test_cpu_shares_as_weight(shares: int, weight: int) -> None:
    assert cpu_weight(shares) == weight


@pytest.mark.parametrize(("weight", "io_weight"), [(10, 1), (100, 910), (500, 4950), (1000, 10000)])
def test_blkio_weight_as_io_weight(weight: int, io_weight: int) -> None:
    assert iocost_weight(weight) == io_weight
