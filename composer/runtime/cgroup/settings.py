"""Limits as writes to files of cgroup v1 or v2. Pure: `lower` is given what the host has, and touches nothing.

Beyond this module: whether the values make sense (checks), device nodes (devices), the writing itself (control).

Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst of the kernel name the files. Where both versions can
do a thing, they mean the same numbers here; the conversions are runc's, so that a file moves between engines.
The order of the writes is the order in which a new cgroup accepts them:
  * memory before memory and swap together (v1), as the sum may never be less than the part;
  * the period before the quota, which is checked against it.
"""

from __future__ import annotations

import math

from composer.enums import Enum
from composer.frozen import frozen
from composer.hints import Iterator, Mapping
from composer.spec.cgroup import Resources, Throttle, ThrottleKind

PERIOD = 100_000  # microseconds, the kernel's own default of cpu.max and cpu.cfs_period_us
UNLIMITED = -1


class Need(Enum):
    """What it means when the host cannot do what a setting says."""

    HARD = "hard"  # an upper bound that would not hold: an error
    SOFT = "soft"  # a share or a preference: a warning
    DEFAULT = "default"  # nobody asked for it: nothing


Choices = tuple[tuple[str, str], ...]  # (file, value): the first whose file exists is written


@frozen
class Setting:
    """One thing to set for a container."""

    key: str  # of the Compose file, for messages
    controller: str
    choices: Choices
    need: Need = Need.HARD


@frozen
class Missing:
    """A setting that this host has no means for."""

    key: str
    need: Need
    reason: str


@frozen
class Settings:
    """Everything to write, in order, and what cannot be written here."""

    writes: tuple[Setting, ...] = ()
    missing: tuple[Missing, ...] = ()


Versions = Mapping[str, int]  # controller → 1 or 2, for those this host has
Numbers = Mapping[str, str]  # block device (path on the host) → "MAJOR:MINOR"


def lower(resources: Resources, *, versions: Versions, numbers: Numbers) -> Settings:
    """What to write for `resources` where the controllers are of `versions`."""
    writes, missing = [], []
    for limit in _limits(resources, numbers):
        version = _version(limit.controller, versions)
        choices = {1: limit.v1, 2: limit.v2}.get(version, ())
        if choices:
            writes.append(Setting(limit.key, limit.controller, choices, limit.need))
        else:
            reason = f"cgroup v{version} cannot do it" if version else f"no {limit.controller} controller here"
            missing.append(Missing(limit.key, limit.need, reason))
    return Settings(tuple(writes), tuple(missing))


def _version(controller: str, versions: Versions) -> int:
    """1 or 2; 0 where there is no such controller."""
    return versions.get(controller) or versions.get(_NAME_IN_V2.get(controller, ""), 0)


_NAME_IN_V2 = {"blkio": "io"}


@frozen
class _Limit:
    """A setting in both versions; () where a version cannot do it."""

    key: str
    controller: str  # v1's name
    v1: Choices = ()
    v2: Choices = ()
    need: Need = Need.HARD


def _limits(resources: Resources, numbers: Numbers) -> Iterator[_Limit]:
    yield from _pids(resources)
    yield from _memory(resources)
    yield from _block_io(resources, numbers)
    yield from _cpu(resources)
    yield from _cpuset(resources)


def _pids(resources: Resources) -> Iterator[_Limit]:
    if resources.pids is not None:
        write = (("pids.max", str(resources.pids) if resources.pids > 0 else "max"),)
        yield _Limit("pids_limit", "pids", write, write)


def _memory(resources: Resources) -> Iterator[_Limit]:
    limit, reservation = resources.memory, resources.memory_reservation
    if limit is not None:
        v1, v2 = (("memory.limit_in_bytes", _v1(limit)),), (("memory.max", _v2(limit)),)
        yield _Limit("mem_limit", "memory", v1, v2)
        yield _swap(limit, resources.memory_swap)
    if reservation is not None:
        v1, v2 = (("memory.soft_limit_in_bytes", _v1(reservation)),), (("memory.low", _v2(reservation)),)
        yield _Limit("mem_reservation", "memory", v1, v2, Need.SOFT)
    if resources.memory_swappiness is not None:
        v1 = (("memory.swappiness", str(resources.memory_swappiness)),)
        yield _Limit("mem_swappiness", "memory", v1, need=Need.SOFT)
    if resources.oom_kill_disable:
        yield _Limit("oom_kill_disable", "memory", (("memory.oom_control", "1"),), need=Need.SOFT)


def _swap(memory: int, memory_swap: int | None) -> _Limit:
    """Memory and swap together; as much swap as memory where nothing is said, as Docker has it.

    The files are missing where the kernel does not account for swap.
    """
    total = memory_swap if memory_swap is not None else 2 * memory
    if memory <= 0:
        total = UNLIMITED
    swap = total - memory if total > 0 else UNLIMITED
    need = Need.DEFAULT if memory_swap is None else Need.SOFT
    v2 = (("memory.swap.max", str(swap) if swap >= 0 else "max"),)
    return _Limit("memswap_limit", "memory", (("memory.memsw.limit_in_bytes", _v1(total)),), v2, need)


def _v1(size: int) -> str:
    return str(size if size > 0 else UNLIMITED)


def _v2(size: int) -> str:
    return str(size) if size > 0 else "max"


def _block_io(resources: Resources, numbers: Numbers) -> Iterator[_Limit]:
    if resources.blkio_weight is not None:
        yield _io_weight("blkio_config.weight", resources.blkio_weight, prefix="", suffix="")
    for share in resources.blkio_weight_devices:
        prefix = f"{numbers[share.device]} "
        yield _io_weight("blkio_config.weight_device", share.weight, prefix=prefix, suffix="_device")
    for throttle in resources.blkio_throttles:
        yield _throttle(throttle, number=numbers[throttle.device])


def _io_weight(key: str, weight: int, *, prefix: str, suffix: str) -> _Limit:
    """Of the two schedulers that know weights, BFQ takes 1 to 1000 and blk-iocost, on v2 only, 1 to 10000."""
    same = f"{prefix}{weight}"
    v1 = ((f"blkio.bfq.weight{suffix}", same), (f"blkio.weight{suffix}", same))
    v2 = (("io.bfq.weight", same), ("io.weight", f"{prefix}{iocost_weight(weight)}"))
    return _Limit(key, "blkio", v1, v2, Need.SOFT)


def iocost_weight(weight: int) -> int:
    """blkio's weight of 10 to 1000 on io.weight's scale of 1 to 10000."""
    return 1 + (weight - 10) * 9999 // 990


def _throttle(throttle: Throttle, *, number: str) -> _Limit:
    kind = throttle.kind
    v1 = ((f"blkio.throttle.{kind.value}_device", f"{number} {throttle.rate}"),)
    v2 = (("io.max", f"{number} {_IO_MAX[kind]}={throttle.rate}"),)
    return _Limit(f"blkio_config.device_{kind.value}", "blkio", v1, v2)


_IO_MAX = {
    ThrottleKind.READ_BPS: "rbps",
    ThrottleKind.WRITE_BPS: "wbps",
    ThrottleKind.READ_IOPS: "riops",
    ThrottleKind.WRITE_IOPS: "wiops",
}


def _cpu(resources: Resources) -> Iterator[_Limit]:
    if resources.cpu_shares:
        v1 = (("cpu.shares", str(resources.cpu_shares)),)
        v2 = (("cpu.weight", str(cpu_weight(resources.cpu_shares))),)
        yield _Limit("cpu_shares", "cpu", v1, v2, Need.SOFT)
    if resources.nano_cpus:
        yield from _bandwidth("cpus", quota=resources.nano_cpus * PERIOD // 10**9, period=PERIOD)
    elif resources.cpu_quota or resources.cpu_period:
        key = "cpu_quota" if resources.cpu_quota else "cpu_period"
        yield from _bandwidth(key, quota=resources.cpu_quota or UNLIMITED, period=resources.cpu_period or PERIOD)


def _bandwidth(key: str, *, quota: int, period: int) -> Iterator[_Limit]:
    """v2 has both numbers in one file, so the period is no setting of its own there."""
    quota = max(quota, UNLIMITED)
    yield _Limit(key, "cpu", (("cpu.cfs_period_us", str(period)),), need=Need.DEFAULT)
    yield _Limit(key, "cpu", (("cpu.cfs_quota_us", str(quota)),), (("cpu.max", f"{_v2(quota)} {period}"),))


def cpu_weight(shares: int) -> int:
    """cpu.shares (2 to 262144, 1024 is the default) as cpu.weight (1 to 10000, 100 is the default).

    A quadratic through the minima, the defaults and the maxima of the logarithms, agreed on between the OCI
    runtimes. The straight line they used before gave a default container 39 against the 100 of everything else.
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    exponent = math.log2(shares)
    return math.ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34))


def _cpuset(resources: Resources) -> Iterator[_Limit]:
    for key, file, value in (
        ("cpuset", "cpuset.cpus", resources.cpuset_cpus),
        ("cpuset_mems", "cpuset.mems", resources.cpuset_mems),
    ):
        if value:
            yield _Limit(key, "cpuset", ((file, value), (file.removeprefix("cpuset."), value)), ((file, value),))
