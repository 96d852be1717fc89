"""The cgroup of one container, as a value: where it is in each hierarchy.

Beyond this module: whether it is there.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.runtime.cgroup.hierarchy import UNIFIED


@frozen
class Cgroup:
    """(controller of v1, or "unified"; absolute directory). v1 controllers mounted together share a directory."""

    directories: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The container, for messages."""
        return self.directories[0][1].rpartition("/")[2] if self.directories else "?"

    @property
    def unified(self) -> str | None:
        """Its directory in the v2 tree."""
        return self.v1(UNIFIED)

    def v1(self, controller: str) -> str | None:
        """Its directory in the v1 hierarchy of `controller`; None where v1 does not have it."""
        return next((directory for name, directory in self.directories if name == controller), None)

    def distinct(self) -> tuple[str, ...]:
        """Each directory once."""
        return tuple(dict.fromkeys(directory for _, directory in self.directories))
