"""What a service's container may use. `deploy.resources` and the older keys say the same; either counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.model.deploy import Limits, Reservations
from composer.model.resource import BlkioConfig, ThrottleBytes, ThrottleOperations
from composer.model.service import Service
from composer.spec.cgroup import DeviceRule, DeviceWeight, Resources, Throttle, ThrottleKind


def lower(service: Service) -> Resources:
    """Zero means "no limit" in a Compose file, and None here."""
    blkio = service.blkio_config or BlkioConfig()
    limits, reservations = _deployed(service)
    return Resources(
        memory=service.mem_limit or limits.memory or None,
        memory_swap=service.memswap_limit or None,
        memory_reservation=service.mem_reservation or reservations.memory or None,
        memory_swappiness=_swappiness(service.mem_swappiness),
        oom_kill_disable=service.oom_kill_disable,
        nano_cpus=nano_cpus(service.cpus or limits.cpus or 0),
        cpu_quota=service.cpu_quota or None,
        cpu_period=service.cpu_period or None,
        cpu_shares=service.cpu_shares or None,
        cpuset_cpus=service.cpuset or "",
        pids=_pids(limits.pids if service.pids_limit is None else service.pids_limit),
        blkio_weight=blkio.weight,
        blkio_weight_devices=tuple(DeviceWeight(device.path, device.weight) for device in blkio.weight_device),
        blkio_throttles=tuple(_throttles(blkio)),
        device_rules=tuple(
            DeviceRule(rule.type, rule.major, rule.minor, rule.access) for rule in service.device_cgroup_rules
        ),
    )


def nano_cpus(cpus: float) -> int | None:
    """Billionths of a CPU."""
    return round(cpus * 1_000_000_000) or None


def _deployed(service: Service) -> tuple[Limits, Reservations]:
    resources = service.deploy.resources if service.deploy else None
    if resources is None:
        return Limits(), Reservations()
    return resources.limits or Limits(), resources.reservations or Reservations()


def _swappiness(value: int | None) -> int | None:
    """-1 is Docker's way to say nothing."""
    return None if value == -1 else value


def _pids(limit: int | None) -> int | None:
    """Zero and less are without limit, as with Docker; nothing said is the kernel's default, which is the same."""
    return -1 if limit is not None and limit <= 0 else limit


def _throttles(blkio: BlkioConfig) -> Iterator[Throttle]:
    by_kind: tuple[tuple[ThrottleKind, Iterable[ThrottleBytes | ThrottleOperations]], ...] = (
        (ThrottleKind.READ_BPS, blkio.device_read_bps),
        (ThrottleKind.WRITE_BPS, blkio.device_write_bps),
        (ThrottleKind.READ_IOPS, blkio.device_read_iops),
        (ThrottleKind.WRITE_IOPS, blkio.device_write_iops),
    )
    for kind, devices in by_kind:
        for device in devices:
            yield Throttle(device.path, kind, device.rate)
