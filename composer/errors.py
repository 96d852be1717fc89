"""The tree of user-facing failures and their exit statuses.

    PycomposeError                    1   something could not be done
    ├── UsageError                    2   the command line is wrong
    ├── FileNotFound                 14   no Compose file, or a file it names, is there
    ├── InvalidFile                  15   a Compose file has mistakes; carries all of them
    ├── HostError                     1   the kernel or the file system refused a step
    │   └── MissingFeature            1   this host lacks something (see `pycompose check`)
    ├── CommandNotExecutable        126   the container's command cannot be executed
    ├── CommandNotFound             127   the container's command does not exist
    ├── DependencyFailed              1   a dependency exited, turned unhealthy or never became ready
    ├── Conflict                      1   a name, port or project is taken or busy
    └── NoSuchThing                   1   no such project, service or container

A message begins with what cannot be done and names the thing; `hint` is the way out, where there is one.
Only `cli` turns these into text and exit statuses; other exceptions are defects.
"""

from __future__ import annotations


class PycomposeError(Exception):
    """Something the user asked for could not be done."""

    exit_status: int = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PycomposeError):
    """The command line is wrong."""

    exit_status = 2


class FileNotFound(PycomposeError):
    """No Compose file, or a file that one names, is there."""

    exit_status = 14


class InvalidFile(PycomposeError):
    """A Compose file has mistakes. `problems` holds all of them, as `loader.problems.Problem`."""

    exit_status = 15

    def __init__(self, message: str, *, problems: tuple[object, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class HostError(PycomposeError):
    """The kernel or the file system refused a step."""


class MissingFeature(HostError):
    """This host lacks something that was asked for."""


class CommandNotExecutable(PycomposeError):
    """The container's command is there and cannot be executed."""

    exit_status = 126


class CommandNotFound(PycomposeError):
    """The container's command does not exist in its root file system."""

    exit_status = 127


class DependencyFailed(PycomposeError):
    """A dependency exited, turned unhealthy or never became ready."""


class Conflict(PycomposeError):
    """A name, a port or a project is taken or busy."""


class NoSuchThing(PycomposeError):
    """There is no such project, service or container."""
