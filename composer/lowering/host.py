"""What lowering must know about the host: a snapshot, taken by the caller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts of this host.

    `directories` are those of the root file systems (`rootfs.paths` names all of a project) that are directories; every
    other one is taken for an archive.
    """

    hostname: str = ""
    hosts: str = ""  # content of /etc/hosts
    resolv_conf: str = ""  # content of /etc/resolv.conf
    directories: frozenset[str] = frozenset()
