"""The limits of a container as the kernel has them.

Beyond this module: what was asked for (spec), and what it uses (stats).
"""

from __future__ import annotations

from composer.runtime.cgroup import files
from composer.runtime.cgroup.container import Cgroup
from composer.spec.cgroup import Resources


def limits(cgroup: Cgroup) -> Resources:
    """The limits in force, rounded as the kernel does; None where there is none, or no cgroup. Raises OSError.

    `cpu_shares` stays None on v2: its weights are coarser and cannot be turned back. `cpus` comes as quota and period.
    """
    memory, cpu = cgroup.v1("memory"), cgroup.v1("cpu")
    limit, with_swap, reservation = _memory_v1(memory) if memory else _memory_v2(cgroup.unified)
    quota, period, shares = _cpu_v1(cpu) if cpu else _cpu_v2(cgroup.unified)
    cpuset = cgroup.v1("cpuset") or cgroup.unified
    return Resources(
        memory=limit,
        memory_swap=with_swap,
        memory_reservation=reservation,
        cpu_quota=quota,
        cpu_period=period,
        cpu_shares=shares,
        cpuset_cpus=_text(cpuset, "cpuset.cpus"),
        cpuset_mems=_text(cpuset, "cpuset.mems"),
        pids=_number(cgroup.v1("pids") or cgroup.unified, "pids.max"),
    )


Three = tuple[int | None, int | None, int | None]


def _memory_v1(directory: str) -> Three:
    names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes")
    limit, with_swap, reservation = (_number(directory, name) for name in names)
    return limit, with_swap, reservation


def _memory_v2(directory: str | None) -> Three:
    limit, swap = _number(directory, "memory.max"), _number(directory, "memory.swap.max")
    with_swap = None if limit is None or swap is None else limit + swap
    return limit, with_swap, _number(directory, "memory.low") or None


def _cpu_v1(directory: str) -> Three:
    quota, shares = int(_text(directory, "cpu.cfs_quota_us") or -1), _number(directory, "cpu.shares")
    if quota < 0:
        return None, None, shares
    return quota, _number(directory, "cpu.cfs_period_us"), shares


def _cpu_v2(directory: str | None) -> Three:
    quota, _, period = _text(directory, "cpu.max").partition(" ")
    if quota in ("", "max"):
        return None, None, None
    return int(quota), int(period), None


def _number(directory: str | None, name: str) -> int | None:
    return files.number(_text(directory, name) or None)


def _text(directory: str | None, name: str) -> str:
    return (files.read_optional(directory, name) or "") if directory else ""
