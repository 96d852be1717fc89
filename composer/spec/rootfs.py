"""Where a container's root file system comes from. Each is a read-only lower layer; writes go to an overlay."""

from __future__ import annotations

from composer.frozen import frozen


@frozen
class HostRoot:
    """The host's own root file system, below the container's copy-on-write layer."""


@frozen
class Directory:
    """A directory on the host (absolute path)."""

    path: str


@frozen
class Archive:
    """A tar archive on the host (absolute path), as `docker export` writes it, plain or compressed."""

    path: str


RootfsSource = HostRoot | Directory | Archive
