"""A container's published ports: whoever looks after them is looked after, or made anew, until the container's end."""

from __future__ import annotations

import os

from composer.errors import PycomposeError
from composer.frozen import mutable
from composer.hints import Callable
from composer.runtime.launch import Launch
from composer.runtime.launcher.loop import Loop
from composer.runtime.ports import publishing
from composer.runtime.ports.porter import Porter

PAUSE = 1.0  # seconds before a porter that has died gets a successor


@mutable
class Ports:
    """Those of one container, whose first process `pidfd` is."""

    launch: Launch
    pidfd: int
    loop: Loop
    log: Callable[[str], None]
    porter: Porter | None  # ours, or that of the launcher before this one
    closed: bool = False

    def open(self) -> None:
        """Have a porter, if there is something to look after."""
        if self.closed:
            return
        if self.porter is None:
            try:
                self.porter = publishing.reopen(self.launch.state, self.pidfd)
            except (PycomposeError, OSError) as error:
                self.log(f"cannot look after the ports of container {self.launch.spec.name}: {error}")
        if self.porter is not None:
            self.loop.watch(self.porter.pidfd, self._bury)

    def close(self) -> None:
        """Once the container's end is told, its ports are free."""
        self.closed = True
        try:
            publishing.close(self.launch.state)
        except (PycomposeError, OSError) as error:
            self.log(f"cannot take back the ports of container {self.launch.spec.name}: {error}")
        self._forget()

    def _bury(self) -> None:
        """It has ended before we took note of its container's end, or was killed."""
        self._forget()
        self.loop.call_later(PAUSE, self.open)

    def _forget(self) -> None:
        if self.porter is not None:
            self.loop.unwatch(self.porter.pidfd)
            if self.porter.is_child:
                os.waitpid(self.porter.pid, 0)
            os.close(self.porter.pidfd)
            self.porter = None
