"""What containers are called, on the host and in their own eyes."""

from __future__ import annotations

import re

from composer.errors import UsageError
from composer.lowering.defaults import LONGEST_HOSTNAME, LONGEST_NAME

_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HOSTNAME = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?")


def container(project: str, service: str, number: int) -> str:
    """shop-web-1: what Compose calls a container that has no `container_name`."""
    return f"{project}-{service}-{number}"


def oneoff(project: str, service: str, suffix: str) -> str:
    """shop-web-run-1f2e3d: a container made by `run`. The caller sees to it that the suffix is new."""
    return f"{project}-{service}-run-{suffix}"


def hostname(container_name: str) -> str:
    """The hostname of a container that is given none: its name.

    Docker takes the first digits of a random id. Ours is known before the container is made, the same after it is made
    anew, and says something in a prompt or a log.
    """
    return container_name[:LONGEST_HOSTNAME].rstrip("-._")


def refuse_unfit(*, container: str, project: str = "", hostname: str = "") -> None:
    """Names that somebody typed: they become directories and cgroups. Raises UsageError."""
    if project and not _PROJECT.fullmatch(project):
        hint = "write lower-case letters, digits, - and _, beginning with a letter or digit"
        raise UsageError(f'cannot use "{project}" as project name', hint=hint)
    if not _CONTAINER.fullmatch(container) or len(container) > LONGEST_NAME:
        hint = f"begin with a letter or digit; use letters, digits, dots, - and _, at most {LONGEST_NAME} of them"
        raise UsageError(f'cannot call a container "{container}"', hint=hint)
    if hostname and (len(hostname) > LONGEST_HOSTNAME + 1 or not _HOSTNAME.fullmatch(hostname)):
        raise UsageError(f'cannot use "{hostname}" as hostname', hint="use letters, digits and -, at most 64 of them")
