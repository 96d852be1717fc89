"""`deploy`: replicas, resources and what happens to a container that ended."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from composer.model.part import Part
from composer.model.scalars import ByteSize, Cpus, Duration, Integer, Limit, Natural, Number, Spelled, Text


class DeployMode(StrEnum):
    """`deploy.mode`."""

    REPLICATED = "replicated"
    GLOBAL = "global"
    REPLICATED_JOB = "replicated-job"
    GLOBAL_JOB = "global-job"


class RestartCondition(StrEnum):
    """`deploy.restart_policy.condition`."""

    NONE = "none"
    ON_FAILURE = "on-failure"
    ANY = "any"


class DeployRestartPolicy(Part):
    """None for `condition` is any, for `delay` and `window` zero, for `max_attempts` without end."""

    condition: RestartCondition | None = None
    delay: Duration | None = None
    max_attempts: Natural | None = None
    window: Duration | None = None


class Limits(Part):
    """What a container may use at most: CPUs, bytes, processes (-1: unlimited)."""

    cpus: Cpus | None = None
    memory: ByteSize | None = None
    pids: Limit | None = None


class DeviceRequest(Part):
    """A device asked for by what it can do. `count` of -1 means all."""

    capabilities: tuple[Text, ...] = ()
    driver: Text | None = None
    count: Integer | None = None
    device_ids: tuple[Text, ...] = ()
    options: Mapping[str, Spelled | None] = {}


class DiscreteResource(Part):
    """A countable resource of a Swarm node."""

    kind: Text | None = None
    value: Number | None = None


class GenericResource(Part):
    """A resource of a Swarm node."""

    discrete_resource_spec: DiscreteResource | None = None


class Reservations(Part):
    """What a container is to have at least."""

    cpus: Cpus | None = None
    memory: ByteSize | None = None
    generic_resources: tuple[GenericResource, ...] = ()
    devices: tuple[DeviceRequest, ...] = ()


class Resources(Part):
    """`deploy.resources`."""

    limits: Limits | None = None
    reservations: Reservations | None = None


class UpdateOrder(StrEnum):
    """What comes first when a replica is replaced."""

    STOP_FIRST = "stop-first"
    START_FIRST = "start-first"


class FailureAction(StrEnum):
    """What a failed update leads to."""

    CONTINUE = "continue"
    ROLLBACK = "rollback"
    PAUSE = "pause"


class UpdateConfig(Part):
    """How replicas are replaced."""

    parallelism: Natural | None = None
    delay: Duration | None = None
    failure_action: FailureAction | None = None
    monitor: Duration | None = None
    max_failure_ratio: Number | None = None
    order: UpdateOrder | None = None


class Preference(Part):
    """How replicas spread over Swarm nodes."""

    spread: Text | None = None


class Placement(Part):
    """Where Swarm may put replicas."""

    constraints: tuple[Text, ...] = ()
    preferences: tuple[Preference, ...] = ()
    max_replicas_per_node: Natural | None = None


class Deploy(Part):
    """`deploy`."""

    mode: DeployMode | None = None
    endpoint_mode: Text | None = None
    replicas: Natural | None = None
    labels: Mapping[str, Spelled] = {}
    resources: Resources | None = None
    restart_policy: DeployRestartPolicy | None = None
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    placement: Placement | None = None
