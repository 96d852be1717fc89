"""What was handed to the launcher for its containers and is written down nowhere: contents of secrets.

They come as sealed memory files over the launcher's socket, which only root can connect to, and are kept for as long as
the launcher lives: a container that is restarted needs its secret again, whether or not a supervisor is there. Nobody
can ask for one back; what is in them is read by containers' children alone, and no container keeps a descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from composer.linux.memory import lock_file


@dataclass(slots=True)
class Deposits:
    """By identity: the same content is kept once."""

    log: Callable[[str], None]
    files: dict[str, int] = field(default_factory=dict)

    def take(self, identity: str, fd: int) -> None:
        """Keep a memory file; `fd` stays the caller's."""
        if identity in self.files:
            return
        try:
            lock_file(fd)
        except OSError as error:
            self.log(f"a secret may be swapped out: {error.strerror}")
        self.files[identity] = os.dup(fd)
