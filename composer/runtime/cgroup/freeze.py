"""Stop everything in a container's cgroup, and let it go on.

Beyond this module: what a pause means for health checks and timers.

The v2 freezer (cgroup.freeze, Linux 5.2) is taken where there is a v2 tree, on a hybrid host as well: SIGKILL acts on
what it holds, and an event tells when it is done. The v1 freezer has neither, and can hang in FREEZING
(Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).
"""

from __future__ import annotations

import errno
import os
import time

from composer.errors import HostError
from composer.runtime.cgroup import files
from composer.runtime.cgroup.container import Cgroup

PATIENCE = 10.0  # seconds
V1_PAUSE = 0.001  # seconds between two looks; v1 has no event
V1_LOOKS_BEFORE_THAW = 50  # FREEZING that lasts is left by thawing and freezing again


def freeze(cgroup: Cgroup, *, timeout: float = PATIENCE) -> None:
    """Stop everything in it, and wait until it is. Raises HostError; nothing stays frozen then."""
    deadline = time.monotonic() + timeout
    try:
        done = _freeze(cgroup, deadline)
    except OSError as error:
        raise HostError(f"cannot freeze container {cgroup.name}: {error.strerror}") from error
    if not done:
        thaw(cgroup)
        raise HostError(f"cannot freeze container {cgroup.name}: not done after {timeout:g} s")


def _freeze(cgroup: Cgroup, deadline: float) -> bool:
    v1 = cgroup.v1("freezer")
    if directory := _v2_freezer(cgroup):
        files.write(directory, "cgroup.freeze", value="1")
        return files.wait_for_event(directory, ("frozen", 1), deadline=deadline)
    if v1:
        return _freeze_v1(v1, deadline)
    raise OSError(errno.EOPNOTSUPP, "this host has no freezer controller")


def _v2_freezer(cgroup: Cgroup) -> str | None:
    directory = cgroup.unified
    return directory if directory and os.path.exists(f"{directory}/cgroup.freeze") else None


def _freeze_v1(directory: str, deadline: float) -> bool:
    looks = 0
    while time.monotonic() < deadline:
        files.write(directory, "freezer.state", value="FROZEN")
        if files.read(directory, "freezer.state") == "FROZEN":
            return True
        looks += 1
        if looks % V1_LOOKS_BEFORE_THAW == 0:
            files.write(directory, "freezer.state", value="THAWED")
        time.sleep(V1_PAUSE)
    return False


def thaw(cgroup: Cgroup) -> None:
    """Let everything in it go on, whichever freezer holds it. Fine if none does. Raises HostError."""
    for directory, name, value in (
        (_v2_freezer(cgroup), "cgroup.freeze", "0"),
        (cgroup.v1("freezer"), "freezer.state", "THAWED"),
    ):
        if directory is None:
            continue
        try:
            files.write(directory, name, value=value)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostError(f"cannot thaw container {cgroup.name}: {error.strerror}") from error


def is_frozen(cgroup: Cgroup) -> bool:
    """Whether everything in it is stopped by a freezer, its own or one further up. Raises OSError."""
    if directory := _v2_freezer(cgroup):
        return files.keyed(files.read_optional(directory, "cgroup.events")).get("frozen") == 1
    v1 = cgroup.v1("freezer")
    return v1 is not None and files.read_optional(v1, "freezer.state") == "FROZEN"
