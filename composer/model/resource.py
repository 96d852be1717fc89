"""What the kernel is asked to limit, beyond a single number."""

from __future__ import annotations

from typing import Annotated

from composer.model.part import Part
from composer.model.scalars import ByteSize, Limit, Natural, Text, between

BlkioWeight = Annotated[int, between(10, 1000)]


class Ulimit(Part):
    """A resource limit as prlimit(2) takes it; -1 is unlimited."""

    soft: Limit
    hard: Limit


class WeightDevice(Part):
    """A device's share of its time."""

    path: Text
    weight: BlkioWeight


class ThrottleBytes(Part):
    """Bytes a second from or to a device, at most."""

    path: Text
    rate: ByteSize


class ThrottleOperations(Part):
    """Operations a second on a device, at most."""

    path: Text
    rate: Natural


class BlkioConfig(Part):
    """`blkio_config`."""

    weight: BlkioWeight | None = None
    weight_device: tuple[WeightDevice, ...] = ()
    device_read_bps: tuple[ThrottleBytes, ...] = ()
    device_write_bps: tuple[ThrottleBytes, ...] = ()
    device_read_iops: tuple[ThrottleOperations, ...] = ()
    device_write_iops: tuple[ThrottleOperations, ...] = ()
