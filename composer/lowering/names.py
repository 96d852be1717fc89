"""What containers are called, on the host and in their own eyes."""

from __future__ import annotations

from composer.lowering.defaults import LONGEST_HOSTNAME


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
