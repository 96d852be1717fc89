"""Where a container's root file system comes from. Each is a read-only lower layer; writes go to an overlay."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostRoot:
    """The host's own root file system, below the container's copy-on-write layer."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory on the host (absolute path)."""

    path: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive on the host (absolute path), as `docker export` writes it, plain or compressed."""

    path: str


RootfsSource = HostRoot | Directory | Archive
