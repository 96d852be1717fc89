"""Healthchecks: how a container shows that it works, and what follows when it does not."""

from __future__ import annotations

from enum import StrEnum

from composer.model.part import Part
from composer.model.scalars import Boolean, Duration, Natural, Text


class OnUnhealthy(StrEnum):
    """`x-on-unhealthy`: what is done about a container that turned unhealthy."""

    NONE = "none"
    RESTART = "restart"
    STOP = "stop"
    KILL = "kill"


class Dns(StrEnum):
    """`x-dns`: which of a service's containers its names lead to."""

    RUNNING = "running"
    HEALTHY = "healthy"


class Healthcheck(Part):
    """`test` begins with CMD, CMD-SHELL or NONE; None or () keeps the image's. None elsewhere: Docker's default."""

    test: tuple[Text, ...] | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: Natural | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    disable: Boolean = False
