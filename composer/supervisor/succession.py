"""When the launcher was killed: this process becomes the next launcher, by execve, and forks nothing.

launcher            supervisor                                    new launcher
killed              end of file on its socket
                    takes the project's lock, or leaves it to
                      the client that has it
                    execve: the lock's descriptor stays open ───► its socket listens; closes that descriptor:
                                                                    the lock is free again
                                                                  starts a supervisor, which adopts everything
"""

from __future__ import annotations

import os
from contextlib import suppress

from composer.control.config import SupervisorConfig, supervisor_command
from composer.frozen import replace
from composer.runtime.launcher import execute, spawn
from composer.runtime.launcher.config import Config
from composer.store import form
from composer.store.paths import Paths


def become_launcher(config: SupervisorConfig, *, dismissed: bool = False) -> None:
    """Replace this process. Returns only where there is no need: the launcher left by itself, or a client acts.

    `dismissed`: it left because we asked it to, being of another version.
    """
    places = Paths(run=config.run, root=config.root).project(config.project)
    if dismissed:
        with suppress(OSError):
            form.write(places)
    elif not os.path.exists(places.launcher_socket):
        return  # it has tidied up after itself
    launcher = Config(config.project, places.launcher_socket, supervisor_command(config))
    lock = spawn.claim(launcher)
    if lock is not None:
        execute.become(replace(launcher, ready_fd=lock))
