"""Device nodes of the host that a service's container is given."""

from __future__ import annotations

from composer.model.service import Service
from composer.spec.container import Device


def lower(service: Service) -> tuple[Device, ...]:
    """A device named the CDI way (vendor/class=name) is none that could be made; whoever loaded the file said so."""
    return tuple(
        Device(device.source, device.target or device.source, device.permissions)
        for device in service.devices
        if not device.is_cdi
    )
