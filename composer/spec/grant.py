"""A config or secret as a container sees it: a file with an owner and a mode, whose content comes from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostFile:
    """Read at each start of the container."""

    path: str


@dataclass(frozen=True, slots=True)
class Literal:
    """Said in the files: nothing that must not be seen."""

    content: str


@dataclass(frozen=True, slots=True)
class Deposited:
    """Handed to the launcher beside everything that is written down, and known there by the grant's identity."""


Content = HostFile | Literal | Deposited


@dataclass(frozen=True, slots=True)
class Grant:
    """A read-only file at `target`. `identity` tells contents apart and gives nothing of them away."""

    name: str  # for messages: secret token, config nginx
    target: str
    content: Content
    identity: str = ""
    uid: int | None = None  # None: the user the container runs as
    gid: int | None = None
    mode: int = 0o444
