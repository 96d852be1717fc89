"""What lowering must know about this host, looked up."""

from __future__ import annotations

import os

from composer.hints import Iterable
from composer.lowering.host import HostFacts


def host_facts(rootfs: Iterable[str]) -> HostFacts:
    """This host, as far as containers with these root file systems need to know it."""
    return HostFacts(
        hostname=os.uname().nodename,
        hosts=_content("/etc/hosts"),
        resolv_conf=_content("/etc/resolv.conf"),
        directories=frozenset(path for path in rootfs if os.path.isdir(path)),
    )


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
