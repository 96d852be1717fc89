"""What there is: a snapshot of a project's containers, taken by the supervisor and handed to the planner."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class State(Enum):
    """Docker's container states."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class HealthStatus(Enum):
    """Docker's health states; NONE is a container without a health check."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """One container as it is."""

    name: str
    service: str
    number: int
    fingerprint: str
    state: State
    health: HealthStatus = HealthStatus.NONE
    exit_code: int | None = None
    oneoff: bool = False
    layer: str = ""  # digest of the root file system it was made from, "" where there is none


@dataclass(frozen=True, slots=True)
class Observed:
    """A project as it is."""

    containers: tuple[ObservedContainer, ...] = ()
    layers: dict[str, str] = field(default_factory=dict)  # rootfs archive path → digest it has now, where known
