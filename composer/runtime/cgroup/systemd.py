"""Whether systemd manages this host's cgroups, and how to find it.

Beyond this module: what is asked of it (scope).
"""

from __future__ import annotations

import os


def private_socket(uid: int) -> str:
    """Where the manager of this user's units listens; the system's own for root."""
    return "/run/systemd/private" if uid == 0 else f"/run/user/{uid}/systemd/private"


def is_running(uid: int) -> bool:
    """Whether systemd is PID 1 (sd_booted(3)) and a manager for this user's units answers."""
    return os.path.isdir("/run/systemd/system") and os.access(private_socket(uid), os.W_OK)


def scope_name(project: str) -> str:
    """Project names have nothing that a unit name may not have."""
    return f"pycompose-{project}.scope"
