"""A config or secret as a container sees it: a file with an owner and a mode, whose content comes from elsewhere."""

from __future__ import annotations

from composer.frozen import frozen


@frozen
class HostFile:
    """Read at each start of the container."""

    path: str


@frozen
class Literal:
    """Said in the files: nothing that must not be seen."""

    content: str


@frozen
class Deposited:
    """Handed to the launcher beside everything that is written down, and known there by the grant's identity."""


Content = HostFile | Literal | Deposited


@frozen
class Grant:
    """A read-only file at `target`. `identity` tells contents apart and gives nothing of them away."""

    name: str  # for messages: secret token, config nginx
    target: str
    content: Content
    identity: str = ""
    uid: int | None = None  # None: the user the container runs as
    gid: int | None = None
    mode: int = 0o444
    place: str = ""  # spec.place
