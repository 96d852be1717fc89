"""What is asked of the loader, and what it answers."""

from __future__ import annotations

import os

from composer.frozen import field, frozen
from composer.hints import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:  # who only wants to know which files and what name there is shall not wait for pydantic
    from typing import TextIO

    from composer.loader.consulted import Consulted
    from composer.loader.origin import Origin
    from composer.loader.problems import Problem
    from composer.model.project import Project

STDIN = "-"  # a file of this name


@frozen
class LoadRequest:
    """Files, names and switches of a command line. The process environment is handed in, never read."""

    cwd: str
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()  # empty: COMPOSE_FILE, else discovered; "-" is standard input
    project_name: str | None = None
    project_directory: str | None = None
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()  # named on the command line: their own profiles are active
    stdin: TextIO | None = None
    require_rootfs: bool = True
    interpolate: bool = True
    normalize: bool = True  # write out defaults, full names, implied networks and dependencies
    resolve_paths: bool = True  # make paths absolute
    resolve_environment: bool = True  # read env_file, and take names without a value from the environment
    consistency: bool = True  # check what services say about each other and about definitions

    @property
    def directory(self) -> str:
        """The project's directory as the words say it, where they do; otherwise the person's."""
        if self.project_directory:
            return os.path.normpath(os.path.join(self.cwd, self.project_directory))
        first = next((path for path in self.files if path != STDIN), None)
        return os.path.normpath(os.path.join(self.cwd, os.path.dirname(first or "")))


@frozen
class Loaded:
    """A project without mistakes. `environment` is what variables were taken from."""

    project: Project
    warnings: tuple[Problem, ...]
    environment: Consulted
    origin: Origin
