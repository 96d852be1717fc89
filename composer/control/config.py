"""What a supervisor must know: its argument, as JSON; and the command that it is in."""

from __future__ import annotations

import os
import sys

from composer.frozen import frozen
from composer.spec import codec
from composer.store.paths import Paths

_PACKAGES = ("anyio", "structlog")  # what the supervisor needs beyond the standard library
_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "supervisor", "__main__.py")


@frozen
class SupervisorConfig:
    """`path` are the directories of its packages, as it runs without `site`."""

    project: str
    run: str
    root: str
    path: tuple[str, ...] = ()


def config_of(paths: Paths, project: str) -> SupervisorConfig:
    """That of a project's supervisor that uses this process's packages."""
    return SupervisorConfig(project, run=paths.run, root=paths.root, path=package_path())


def supervisor_command(config: SupervisorConfig) -> tuple[str, ...]:
    """What the launcher executes, a descriptor number added."""
    return sys.executable, "-I", "-S", _MAIN, codec.dumps(config)


def package_path() -> tuple[str, ...]:
    """The directories that our own interpreter finds the supervisor's packages in."""
    return tuple(directory for directory in sys.path if any(os.path.isdir(f"{directory}/{name}") for name in _PACKAGES))
