"""What a launcher must know: its argument, as JSON."""

from __future__ import annotations

import os

from composer.frozen import frozen


@frozen
class Config:
    """Paths are absolute."""

    project: str
    socket: str
    supervisor: tuple[str, ...] = ()  # its argv, to which a descriptor is added; () runs none
    ready_fd: int = -1  # written to and closed once the socket listens

    @property
    def holder_socket(self) -> str:
        return f"{os.path.dirname(self.socket)}/holder.sock"

    @property
    def lock(self) -> str:
        """The project's: held by whoever starts a launcher."""
        return f"{os.path.dirname(self.socket)}/lock"
