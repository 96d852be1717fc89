"""Commands that run at points of a container's life, and what depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from composer.model.choices import User
from composer.model.part import Part
from composer.model.scalars import Boolean, Spelled, Text


class Condition(StrEnum):
    """What a dependency must have reached before its dependent starts."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class Dependency(Part):
    """What a service waits for. Not `required`: may be absent. `restart`: restarted along with it."""

    condition: Condition
    required: Boolean = True
    restart: Boolean = False


class Hook(Part):
    """A command run inside the container: `post_start`, `pre_stop`."""

    command: tuple[Text, ...]
    user: User | None = None
    privileged: Boolean = False
    working_dir: Text | None = None
    environment: Mapping[str, Spelled] = {}


class InitHook(Part):
    """A container run to completion before the service's own: `pre_start`."""

    command: tuple[Text, ...] | None = None
    image: Text | None = None
    user: User | None = None
    privileged: Boolean = False
    working_dir: Text | None = None
    environment: Mapping[str, Spelled] = {}
    per_replica: Boolean = False
