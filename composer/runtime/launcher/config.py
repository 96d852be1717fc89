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
    gate_fd: int = -1  # nothing is done before there is a byte to be read, and nothing at all at the end of file

    @property
    def holder_socket(self) -> str:
        return f"{os.path.dirname(self.socket)}/holder.sock"

    @property
    def log(self) -> str:
        """Where a launcher that was started ahead puts what it has to say, from when it begins."""
        return f"{os.path.dirname(self.socket)}/launcher.log"

    @property
    def lock(self) -> str:
        """The project's: held by whoever starts a launcher."""
        return f"{os.path.dirname(self.socket)}/lock"
