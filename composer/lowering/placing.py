"""In which order mounts are made, and which give way to which."""

from __future__ import annotations

from collections.abc import Iterable

from composer.spec.mounts import Mount


def combine(default: Iterable[Mount], own: Iterable[Mount]) -> tuple[Mount, ...]:
    """Default mounts, then the user's, parents before what is below them.

    A default gives way to one of the user's at the same place, and all below /dev to one of /dev itself.
    """
    mine = sorted(own, key=lambda mount: _depth(mount.target))
    targets = {mount.target for mount in mine}
    kept = (
        mount
        for mount in default
        if mount.target not in targets and not ("/dev" in targets and mount.target.startswith("/dev/"))
    )
    return (*kept, *mine)


def _depth(target: str) -> int:
    return target.rstrip("/").count("/")
