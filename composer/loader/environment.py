"""What variables are taken from: the process environment, which always wins, and `.env` files behind it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from composer.loader.dotenv import BadEnvFile, parse_env
from composer.loader.files import Files
from composer.loader.problems import Problems
from composer.loader.request import LoadRequest

_TRUE = frozenset(("1", "true", "yes", "on", "y", "t"))


def interpolation_environment(request: LoadRequest, *, files: Files, problems: Problems) -> dict[str, str]:
    """Before files are looked for: `--env-file`, else COMPOSE_ENV_FILES, else `.env` beside the first `-f`, or here."""
    named = _named(request)
    here = request.directory
    paths = tuple(os.path.join(request.cwd, path) for path in named) if named else _default(request, here, files)
    values = read_env_files(paths, outer=request.environment, files=files, problems=problems)
    return {**values, **request.environment}


def with_project_env(
    request: LoadRequest, environment: Mapping[str, str], *, directory: str, files: Files, problems: Problems
) -> dict[str, str]:
    """Gaps are filled from the `.env` of the project's directory, unless files were named or it has been read."""
    if _named(request) or request.directory == directory:
        return dict(environment)
    values = read_env_files(_default(request, directory, files), outer=environment, files=files, problems=problems)
    return {**values, **environment}


def _named(request: LoadRequest) -> tuple[str, ...]:
    listed = request.environment.get("COMPOSE_ENV_FILES", "").split(",")
    return request.env_files or tuple(filter(None, listed))


def _default(request: LoadRequest, directory: str, files: Files) -> tuple[str, ...]:
    disabled = request.environment.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in _TRUE
    return () if disabled else default_env_file(directory, files)


def default_env_file(directory: str, files: Files) -> tuple[str, ...]:
    path = os.path.join(directory, ".env")
    return (path,) if files.is_file(path) else ()


def read_env_files(
    paths: tuple[str, ...], *, outer: Mapping[str, str], files: Files, problems: Problems
) -> dict[str, str]:
    """The variables of `paths`, of which a later one wins; `outer` answers first. Raises FileNotFound."""
    values: dict[str, str] = {}
    for path in paths:
        text = files.text(path, what="the env file")
        try:
            values |= parse_env(text, file=files.shown(path), lookup=outer.get, earlier=values, warn=problems.add)
        except BadEnvFile as error:
            problems.add(error.problem)
    return values
