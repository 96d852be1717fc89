"""Limits that cannot be, found before anything is made. Pure: what the host has is handed in.

Beyond this module: what cannot be written because a controller is missing (settings).

Docker checks the same, so that a file that works there works here; what both refuse, the kernel would refuse with
EINVAL, or accept and then let nothing start.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.hints import Iterator
from composer.spec.cgroup import Resources

MINIMUM_MEMORY = 6 << 20  # bytes: below it, not even an exec goes through
MEBIBYTE = 1 << 20


@frozen
class Processors:
    """What there is to run on; memory nodes are NUMA nodes."""

    count: int
    cpus: frozenset[int]
    mems: frozenset[int]


def problems(resources: Resources, *, processors: Processors) -> tuple[str, ...]:
    """Why `resources` cannot be had, as "KEY VALUE: reason"; empty when they can."""
    return (
        *_memory_problems(resources),
        *_cpu_problems(resources, processors.count),
        *_cpuset_problems("cpuset", resources.cpuset_cpus, available=processors.cpus),
        *_cpuset_problems("cpuset_mems", resources.cpuset_mems, available=processors.mems),
        *_range_problems(resources),
    )


def _memory_problems(resources: Resources) -> Iterator[str]:
    memory, total, reservation = resources.memory, resources.memory_swap, resources.memory_reservation
    limited = memory is not None and memory > 0
    for key, value in (("mem_limit", memory), ("mem_reservation", reservation)):
        if value is not None and 0 < value < MINIMUM_MEMORY:
            yield f"{key} {value}: less than 6 MiB, nothing could start in it"
    if total is not None and total > 0 and not limited:
        yield f"memswap_limit {total}: it counts memory and swap together, so mem_limit must be set as well"
    elif total is not None and total > 0 and memory is not None and total < memory:
        yield f"memswap_limit {total}: less than mem_limit {memory}, and it counts memory and swap together"
    if limited and memory is not None and reservation is not None and reservation > memory:
        yield f"mem_reservation {reservation}: more than mem_limit {memory}"


def _cpu_problems(resources: Resources, count: int) -> Iterator[str]:
    cpus, quota, period = resources.nano_cpus, resources.cpu_quota, resources.cpu_period
    if cpus and not 10**7 <= cpus <= count * 10**9:
        yield f"cpus {cpus / 10**9:g}: between 0.01 and {count}, the number of processors here"
    if cpus and (quota or period):
        yield f"cpus {cpus / 10**9:g}: cpu_quota and cpu_period say the same in another way; set one or the other"
    if period and not 1000 <= period <= 1_000_000:
        yield f"cpu_period {period}: between 1000 and 1000000 microseconds"
    if quota and 0 < quota < 1000:
        yield f"cpu_quota {quota}: at least 1000 microseconds"


def _cpuset_problems(key: str, text: str, *, available: frozenset[int]) -> Iterator[str]:
    try:
        absent = parse_list(text) - available
    except ValueError:
        yield f"{key} {text!r}: not a list such as 0-2,5"
        return
    if absent:
        yield f"{key} {text}: not available here: {format_list(absent)} (there is {format_list(available)})"


def _range_problems(resources: Resources) -> Iterator[str]:
    ranges = [
        ("cpu_shares", resources.cpu_shares or None, 2, 262144),
        ("mem_swappiness", resources.memory_swappiness, 0, 100),
        ("blkio_config.weight", resources.blkio_weight or None, 10, 1000),
        *(("blkio_config.weight_device", device.weight, 10, 1000) for device in resources.blkio_weight_devices),
    ]
    for key, value, low, high in ranges:
        if value is not None and not low <= value <= high:
            yield f"{key} {value}: between {low} and {high}"


def parse_list(text: str) -> frozenset[int]:
    """A list of cpuset(7), "0-2,5", as numbers. Raises ValueError."""
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, separator, last = part.partition("-")
        low, high = int(first), int(last if separator else first)
        if not 0 <= low <= high < 1 << 16:
            raise ValueError(f"bad range {part!r}")
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def format_list(numbers: frozenset[int]) -> str:
    """Numbers as a list of cpuset(7)."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)
