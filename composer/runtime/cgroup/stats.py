"""What a container uses.

Beyond this module: rates and percentages, which need two looks and a clock. Everything is None where the host has no
controller for it. A value that does not come with the others is not from the same instant.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.runtime.cgroup import files
from composer.runtime.cgroup.container import Cgroup


@frozen
class Stats:
    """Memory and traffic in bytes, times in nanoseconds since the container started."""

    memory_usage: int | None = None  # without the part of the page cache that is first to go, as Docker has it
    memory_limit: int | None = None  # None also where there is no limit
    memory_peak: int | None = None  # page cache included
    swap: int | None = None
    cpu_ns: int | None = None
    cpu_user_ns: int | None = None
    cpu_system_ns: int | None = None
    throttled_periods: int | None = None
    throttled_ns: int | None = None
    pids: int | None = None
    pids_limit: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None


def stats(cgroup: Cgroup) -> Stats:
    """What it uses now; all None when it is gone. Raises OSError."""
    unified = cgroup.unified
    memory, cpuacct, blkio = (cgroup.v1(controller) for controller in ("memory", "cpuacct", "blkio"))
    pids = cgroup.v1("pids") or unified
    return Stats(
        **(_memory_v1(memory) if memory else _memory_v2(unified)),
        **(_cpu_v1(cpuacct, cgroup.v1("cpu")) if cpuacct else _cpu_v2(unified)),
        **(_io_v1(blkio) if blkio else _io_v2(unified)),
        pids=_number(pids, "pids.current"),
        pids_limit=_number(pids, "pids.max"),
    )


Some = dict[str, int | None]  # some of the fields of Stats


def _memory_v1(directory: str) -> Some:
    usage = _number(directory, "memory.usage_in_bytes")
    with_swap = _number(directory, "memory.memsw.usage_in_bytes")
    inactive = files.keyed(files.read_optional(directory, "memory.stat")).get("total_inactive_file", 0)
    return {
        "memory_usage": _less(usage, inactive),
        "memory_limit": _number(directory, "memory.limit_in_bytes"),
        "memory_peak": _number(directory, "memory.max_usage_in_bytes"),
        "swap": None if with_swap is None else max(0, with_swap - (usage or 0)),
    }


def _memory_v2(directory: str | None) -> Some:
    usage = _number(directory, "memory.current")
    return {
        "memory_usage": _less(usage, _keyed(directory, "memory.stat").get("inactive_file", 0)),
        "memory_limit": _number(directory, "memory.max"),
        "memory_peak": _number(directory, "memory.peak"),
        "swap": _number(directory, "memory.swap.current"),
    }


def _less(usage: int | None, inactive: int) -> int | None:
    return None if usage is None else max(0, usage - inactive)


def _cpu_v1(cpuacct: str, cpu: str | None) -> Some:
    throttling = _keyed(cpu, "cpu.stat")
    return {
        "cpu_ns": _number(cpuacct, "cpuacct.usage"),
        "cpu_user_ns": _number(cpuacct, "cpuacct.usage_user"),
        "cpu_system_ns": _number(cpuacct, "cpuacct.usage_sys"),
        "throttled_periods": throttling.get("nr_throttled"),
        "throttled_ns": throttling.get("throttled_time"),
    }


def _cpu_v2(directory: str | None) -> Some:
    usage = _keyed(directory, "cpu.stat")
    return {
        "cpu_ns": _from_microseconds(usage.get("usage_usec")),
        "cpu_user_ns": _from_microseconds(usage.get("user_usec")),
        "cpu_system_ns": _from_microseconds(usage.get("system_usec")),
        "throttled_periods": usage.get("nr_throttled"),
        "throttled_ns": _from_microseconds(usage.get("throttled_usec")),
    }


def _from_microseconds(value: int | None) -> int | None:
    return None if value is None else value * 1000


def _io_v1(directory: str) -> Some:
    """Lines "8:0 Read 4096"; "_recursive" counts what cgroups made inside do, as all other files do anyway."""
    text = files.read_optional(directory, "blkio.throttle.io_service_bytes_recursive")
    lines = [line.split() for line in (text or "").splitlines()]
    sums = {
        kind: sum(int(line[2]) for line in lines if len(line) == 3 and line[1] == kind) for kind in ("Read", "Write")
    }
    return {
        "read_bytes": None if text is None else sums["Read"],
        "write_bytes": None if text is None else sums["Write"],
    }


def _io_v2(directory: str | None) -> Some:
    """Lines "8:0 rbytes=4096 wbytes=0 ..."."""
    text = files.read_optional(directory, "io.stat") if directory else None
    pairs = [pair.partition("=") for line in (text or "").splitlines() for pair in line.split()[1:]]
    sums = {name: sum(int(value) for key, _, value in pairs if key == name) for name in ("rbytes", "wbytes")}
    return {
        "read_bytes": None if text is None else sums["rbytes"],
        "write_bytes": None if text is None else sums["wbytes"],
    }


def _keyed(directory: str | None, name: str) -> dict[str, int]:
    return files.keyed(files.read_optional(directory, name)) if directory else {}


def _number(directory: str | None, name: str) -> int | None:
    return files.number(files.read_optional(directory, name)) if directory else None
