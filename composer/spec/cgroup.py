"""Resource limits of a container, in units of cgroup v1 and v2 alike; None leaves the kernel's default."""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen


class ThrottleKind(Enum):
    READ_BPS = "read_bps"
    WRITE_BPS = "write_bps"
    READ_IOPS = "read_iops"
    WRITE_IOPS = "write_iops"


@frozen
class Throttle:
    """An upper bound for one block device (a path on the host), in bytes or operations per second."""

    device: str
    kind: ThrottleKind
    rate: int


@frozen
class DeviceWeight:
    """Share of one block device (a path on the host), 10 to 1000."""

    device: str
    weight: int


@frozen
class DeviceRule:
    """One line of the device allow-list. `type` is a (all), b or c; None stands for any number."""

    type: str
    major: int | None
    minor: int | None
    access: str  # some of "rwm"


@frozen
class Resources:
    """Limits of one container."""

    memory: int | None = None  # bytes
    memory_swap: int | None = None  # memory and swap together, bytes; -1 unlimited; None: twice the memory
    memory_reservation: int | None = None  # bytes
    memory_swappiness: int | None = None  # 0 to 100, cgroup v1 only
    oom_kill_disable: bool = False  # cgroup v1 only
    nano_cpus: int | None = None  # 1_000_000_000 is one core; excludes cpu_quota and cpu_period
    cpu_quota: int | None = None  # microseconds per period; -1 unlimited
    cpu_period: int | None = None  # microseconds
    cpu_shares: int | None = None  # 2 to 262144, 1024 is the default
    cpuset_cpus: str = ""  # list format of cpuset(7): "0-2,5"
    cpuset_mems: str = ""
    pids: int | None = None  # -1 unlimited
    blkio_weight: int | None = None  # 10 to 1000
    blkio_weight_devices: tuple[DeviceWeight, ...] = ()
    blkio_throttles: tuple[Throttle, ...] = ()
    device_rules: tuple[DeviceRule, ...] = ()  # beyond the default allow-list
    parent: str = ""  # cgroup_parent, below the project's own cgroup
