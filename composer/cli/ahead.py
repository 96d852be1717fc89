"""A project's processes import what they need while its files are read and we import what we need, where none of it
runs: for `up`, which has them started as the first thing it does, and so with imports of next to nothing.
"""

from __future__ import annotations

import os

from composer.cli.invocation import Invocation
from composer.cli.project import name_of_project
from composer.control.config import config_of, supervisor_command
from composer.errors import PycomposeError
from composer.runtime.launcher import ahead

dismiss = ahead.dismiss


def start(call: Invocation) -> None:
    """They touch nothing before they are asked for, and leave with us where they never are, or by `dismiss`."""
    try:
        call.require_root()
        project = name_of_project(call, cheaply=True)
        places = call.paths.project(project)
        if not os.path.exists(places.supervisor_socket):
            command = supervisor_command(config_of(call.paths, project))
            ahead.start(project, socket_path=places.launcher_socket, supervisor=command)
    except (PycomposeError, OSError):
        pass  # it is told by who needs it: the files may have mistakes as well
