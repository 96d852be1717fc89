"""Jobs: workloads that run to completion when something triggers them."""

from __future__ import annotations

from enum import StrEnum

from composer.model.cron import Cron
from composer.model.part import Part
from composer.model.scalars import Boolean, Text
from composer.model.service import Service


class Concurrency(StrEnum):
    """What happens when a job is due and its last run goes on."""

    FORBID = "forbid"
    QUEUE = "queue"


class MissedFires(StrEnum):
    """What happens about the times that went by while nobody was there."""

    ONE = "one"
    SKIP = "skip"


class Schedule(Part):
    """When a job is due."""

    cron: Cron
    timezone: Text | None = None
    concurrency: Concurrency | None = None
    missed_fires: MissedFires | None = None


class Triggers(Part):
    """What starts a job."""

    manual: Boolean | None = None
    schedule: tuple[Schedule, ...] = ()


class Job(Service):
    """A job: what a service may say, and what starts it."""

    triggers: Triggers
