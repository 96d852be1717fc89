"""Limits that cannot be."""

from __future__ import annotations

import pytest

from composer.runtime.cgroup.checks import Processors, format_list, parse_list, problems
from composer.spec.cgroup import DeviceWeight, Resources

MIB = 1 << 20
HOST = Processors(4, cpus=frozenset({0, 1, 2, 5}), mems=frozenset({0}))


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        (Resources(memory=4 * MIB), "mem_limit 4194304: less than 6 MiB, nothing could start in it"),
        (Resources(memory_reservation=1), "mem_reservation 1: less than 6 MiB, nothing could start in it"),
        (
            Resources(memory=8 * MIB, memory_reservation=9 * MIB),
            "mem_reservation 9437184: more than mem_limit 8388608",
        ),
        (
            Resources(memory_swap=8 * MIB),
            "memswap_limit 8388608: it counts memory and swap together, so mem_limit must be set as well",
        ),
        (
            Resources(memory=8 * MIB, memory_swap=7 * MIB),
            "memswap_limit 7340032: less than mem_limit 8388608, and it counts memory and swap together",
        ),
        (Resources(nano_cpus=4_500_000_000), "cpus 4.5: between 0.01 and 4, the number of processors here"),
        (Resources(nano_cpus=9_000_000), "cpus 0.009: between 0.01 and 4, the number of processors here"),
        (
            Resources(nano_cpus=10**9, cpu_quota=5000),
            "cpus 1: cpu_quota and cpu_period say the same in another way; set one or the other",
        ),
        (Resources(cpu_period=999), "cpu_period 999: between 1000 and 1000000 microseconds"),
        (Resources(cpu_quota=999), "cpu_quota 999: at least 1000 microseconds"),
        (Resources(cpu_shares=1), "cpu_shares 1: between 2 and 262144"),
        (Resources(memory_swappiness=101), "mem_swappiness 101: between 0 and 100"),
        (Resources(blkio_weight=9), "blkio_config.weight 9: between 10 and 1000"),
        (
            Resources(blkio_weight_devices=(DeviceWeight("/dev/sda", 1001),)),
            "blkio_config.weight_device 1001: between 10 and 1000",
        ),
        (Resources(cpuset_cpus="0-4"), "cpuset 0-4: not available here: 3-4 (there is 0-2,5)"),
        (Resources(cpuset_mems="1"), "cpuset_mems 1: not available here: 1 (there is 0)"),
        (Resources(cpuset_cpus="one"), "cpuset 'one': not a list such as 0-2,5"),
        (Resources(cpuset_cpus="2-1"), "cpuset '2-1': not a list such as 0-2,5"),
    ],
)
def test_problems(resources: Resources, problem: str) -> None:
    assert problems(resources, processors=HOST) == (problem,)


@pytest.mark.parametrize(
    "resources",
    [
        Resources(),
        Resources(memory=6 * MIB, memory_swap=6 * MIB, memory_reservation=6 * MIB, memory_swappiness=100),
        Resources(memory=-1, memory_swap=-1),
        Resources(memory=8 * MIB, memory_swap=-1),
        Resources(nano_cpus=4 * 10**9, cpuset_cpus="0-2,5", cpuset_mems="0", cpu_shares=2),
        Resources(cpu_quota=-1, cpu_period=1_000_000),
        Resources(nano_cpus=0, cpu_shares=0, blkio_weight=0, pids=-1),
    ],
)
def test_what_can_be(resources: Resources) -> None:
    assert problems(resources, processors=HOST) == ()


def test_all_problems_come_at_once() -> None:
    assert len(problems(Resources(memory=1, nano_cpus=1, cpuset_cpus="9"), processors=HOST)) == 3


@pytest.mark.parametrize("text", ["", "0", "0-2", "0-2,5", "1,3,5-7"])
def test_lists_go_there_and_back(text: str) -> None:
    assert format_list(parse_list(text)) == text


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-2", "0-99999999999"])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_list(text)
