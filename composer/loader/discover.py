"""Which files make up a project, where its directory is, and what it is called."""

from __future__ import annotations

import os

from composer.errors import FileNotFound, UsageError
from composer.frozen import frozen, replace
from composer.hints import Iterator, Mapping
from composer.loader.request import STDIN, LoadRequest

TYPE_CHECKING = False
if TYPE_CHECKING:  # `ps` has nothing to complain of
    from composer.loader.problems import Problems

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


@frozen
class Found:
    """Absolute paths; a file of "-" is stdin."""

    files: tuple[str, ...]
    directory: str


def discover(request: LoadRequest, *, environment: Mapping[str, str], problems: Problems | None) -> Found:
    """The files named on the command line, else in COMPOSE_FILE, else the nearest upward. Raises FileNotFound.

    `problems` takes warnings; None, where nobody wants to hear them.
    """
    files = request.files or _from_environment(environment)
    if not files:
        files = _nearest(request, problems)
    paths = tuple(file if file == STDIN else _absolute(request.cwd, file) for file in files)
    return Found(paths, replace(request, files=paths).directory)


def _from_environment(environment: Mapping[str, str]) -> tuple[str, ...]:
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    return tuple(filter(None, environment.get("COMPOSE_FILE", "").split(separator)))


def _nearest(request: LoadRequest, problems: Problems | None) -> tuple[str, ...]:
    start = _absolute(request.cwd, request.project_directory or ".")
    for directory in _upward(start):
        present = [path for name in NAMES if os.path.isfile(path := os.path.join(directory, name))]
        if present:
            if len(present) > 1 and problems is not None:
                _warn_of_several(present, problems)
            override = [path for name in OVERRIDES if os.path.isfile(path := os.path.join(directory, name))]
            return (present[0], *override[:1])
    hint = f"name one with -f, or create {NAMES[0]}; looked for {', '.join(NAMES)}"
    raise FileNotFound(f"cannot find a Compose file in {start} or above it", hint=hint)


def _upward(directory: str) -> Iterator[str]:
    yield directory
    while (parent := os.path.dirname(directory)) != directory:
        yield parent
        directory = parent


def _warn_of_several(present: list[str], problems: Problems) -> None:
    from composer.loader.codes import Code
    from composer.loader.problems import Place

    names = ", ".join(os.path.basename(path) for path in present)
    used = Place(present[0], 1, 1, 1, 1)
    problems.warn(Code.SEVERAL_FILES, f"several Compose files are here: {names}", at=used, hint="this one is used")


def _absolute(cwd: str, path: str) -> str:
    return os.path.normpath(os.path.join(cwd, path))


# ---- the project's name -----------------------------------------------------------------------------------------

_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def project_name(request: LoadRequest, *, environment: Mapping[str, str], in_file: str | None, directory: str) -> str:
    """-p, else COMPOSE_PROJECT_NAME, else the last file's `name`, else the directory's, the latter two made to fit."""
    for source, name in (
        ("-p", request.project_name),
        ("COMPOSE_PROJECT_NAME", environment.get("COMPOSE_PROJECT_NAME")),
    ):
        if name:
            return _checked_name(name, source)
    name = normal_name(in_file or "") or normal_name(os.path.basename(directory))
    if not name:
        raise UsageError(f"cannot make a project name of the directory {directory}", hint="choose one with -p NAME")
    return name


def _checked_name(name: str, source: str) -> str:
    if normal_name(name) == name:
        return name
    rule = "lower-case letters, digits, - and _, beginning with a letter or digit"
    better = f"; {normal_name(name)} would do" if normal_name(name) else ""
    raise UsageError(f'cannot use "{name}" of {source} as project name', hint=f"write {rule}{better}")


def normal_name(name: str) -> str:
    return "".join(filter(_OF_NAMES.__contains__, name.lower())).lstrip("_-")
