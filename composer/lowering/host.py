"""What lowering must know about the host: a snapshot, taken by the caller."""

from __future__ import annotations

from collections.abc import Mapping

from composer.frozen import field, frozen


@frozen
class HostFacts:
    """Facts of this host.

    `directories` are those of the root file systems (`rootfs.paths` names all of a project) that are directories; every
    other one is taken for an archive.

    `contents` are the identities of files that configs and secrets name, `variables` those of the environment variables
    behind secrets; neither gives anything of the content away. `values` are the variables behind configs.
    """

    hostname: str = ""
    hosts: str = ""  # content of /etc/hosts
    resolv_conf: str = ""  # content of /etc/resolv.conf
    directories: frozenset[str] = frozenset()
    root: str = ""  # below which external configs and secrets are
    contents: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
