"""What was handed to the launcher for its containers and is written down nowhere: contents of secrets.

They come as sealed memory files over the launcher's socket, which only root can connect to, and are kept for as long as
the launcher, or the holder, lives: a container that is restarted needs its secret again, whether or not a supervisor is
there. Nobody can ask for one back; what is in them is read by containers' children alone, and no container keeps a
descriptor.
"""

from __future__ import annotations

import os

from composer.frozen import field, mutable
from composer.hints import Callable
from composer.linux.memory import lock_file
from composer.runtime.launcher.holder import Hold

NAME = "deposit/"  # what the holder has them under, identities added; no container has a name with a slash


@mutable
class Deposits:
    """By identity: the same content is kept once."""

    hold: Hold
    log: Callable[[str], None]
    files: dict[str, int] = field(default_factory=dict)

    def take(self, identity: str, fd: int) -> None:
        """Keep a memory file; `fd` stays the caller's."""
        if identity in self.files:
            return
        self.restore(identity, os.dup(fd))
        self.hold.keep(NAME + identity, "", (fd,), binds=False)

    def restore(self, identity: str, fd: int) -> None:
        """Keep what an earlier launcher had; `fd` is ours."""
        try:
            lock_file(fd)
        except OSError as error:
            self.log(f"a secret may be swapped out: {error.strerror}")
        self.files[identity] = fd

    def hold_all(self) -> None:
        """Give all to another holder."""
        for identity, fd in self.files.items():
            self.hold.keep(NAME + identity, "", (fd,), binds=False)
