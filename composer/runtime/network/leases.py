"""Who has which address of a macvlan or ipvlan network: such an endpoint has no outer end that could carry a label.

    <leases>/<network>@<address>    pid, start time, project, container

A lease ends with the process that it names. All but `held` is done under the lock of the host's network.
"""

from __future__ import annotations

import os

from composer.linux.identity import start_time
from composer.runtime.network.labels import EndpointLabel
from composer.spec.network import Attachment


def held(directory: str, network: str) -> list[EndpointLabel]:
    """Those whose holders live, as labels of one address each."""
    found = (_read(directory, name) for name in _listed(directory) if name.partition("@")[0] == network)
    return [label for label in found if label is not None]


def tidy(directory: str) -> None:
    """Give back what the dead had."""
    for name in _listed(directory):
        if _read(directory, name) is None:
            os.unlink(f"{directory}/{name}")
    try:
        os.rmdir(directory)
    except OSError:
        pass  # some are left, or there was none


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _read(directory: str, name: str) -> EndpointLabel | None:
    """None of a holder that is dead."""
    network, _, address = name.partition("@")
    try:
        with open(f"{directory}/{name}", encoding="ascii") as file:
            pid, started, project, container = file.read().split(" ")
        alive = start_time(int(pid)) == int(started)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return EndpointLabel(network, project, container, (address,)) if alive else None


def take(directory: str, attachment: Attachment, *, pid: int, project: str, container: str) -> None:
    """Lease an attachment's addresses to a container's first process."""
    os.makedirs(directory, mode=0o711, exist_ok=True)
    for address in (attachment.ipv4_address, attachment.ipv6_address):
        if address:
            path = f"{directory}/{attachment.network}@{address}"
            with open(f"{directory}/.new", "w", encoding="ascii") as file:
                file.write(f"{pid} {start_time(pid)} {project} {container}")
            os.rename(f"{directory}/.new", path)
