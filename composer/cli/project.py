"""Which project a command is about, found without reading YAML where that can be.

In this order:
1. `-p`, else COMPOSE_PROJECT_NAME in the environment or in `.env`;
2. the project on disk that was last brought up from the files meant here (-f, COMPOSE_FILE, or the nearest upward);
3. the `name:` at the top level of the last of those files that has one, read as one line of text;
4. the name of the directory.

Only a `name:` that contains a variable needs the loader. A project that runs is thus found although its file has
become invalid, and `ps` answers without importing what reads Compose files.
"""

from __future__ import annotations

import os

from composer.cli.invocation import Invocation
from composer.errors import FileNotFound, NoSuchThing, UsageError
from composer.hints import Iterator, Mapping
from composer.loader.discover import discover, project_name
from composer.loader.request import STDIN, LoadRequest
from composer.store import wanted
from composer.store.paths import ProjectPaths

_NAME = b"name:"
_NO_NAME = frozenset(b" \t\r\v\f\"'#")


def load_request(call: Invocation) -> LoadRequest:
    """What the loader is asked for this command line."""
    arguments = call.arguments
    return LoadRequest(
        cwd=call.cwd,
        environment=call.environment,
        files=arguments.texts("file"),
        project_name=arguments.text("project-name"),
        project_directory=arguments.text("project-directory"),
        env_files=arguments.texts("env-file"),
        profiles=arguments.texts("profile"),
    )


def name_of_project(call: Invocation, *, cheaply: bool = False) -> str:
    """The project meant. Raises PycomposeError: no file and no name is given, or `cheaply` it takes the loader."""
    request = load_request(call)
    environment = with_env_files(request)
    if request.project_name or environment.get("COMPOSE_PROJECT_NAME"):
        return project_name(request, environment=environment, in_file=None, directory=call.cwd)
    try:
        found = discover(request, environment=environment, problems=None)
    except FileNotFound as error:
        raise _or_name_one(error, call) from None
    _refuse_missing(found.files, call)
    environment = with_env_files(request, directory=found.directory)
    in_file = next(filter(None, map(_name_in_file, reversed(found.files))), None)
    if in_file is not None and "$" in in_file:
        if cheaply:
            raise UsageError(f"cannot tell what {in_file} comes to")
        in_file = _interpolated_name(request)
    name = project_name(request, environment=environment, in_file=in_file, directory=found.directory)
    recorded = [project for project in projects(call) if _files(call, project) == found.files]
    return recorded[0] if recorded and name not in recorded else name


def existing_project(call: Invocation, *, or_empty: bool = False) -> ProjectPaths:
    """The places of the project meant. Raises NoSuchThing: nothing of it is there.

    `or_empty`: one that is known from its files and not up yet is a project without containers. A name alone may be
    misspelt; a name beside `-f` is what the project of that file is to be called.
    """
    name = name_of_project(call)
    paths = call.paths.project(name)
    known = call.arguments.texts("file") or not is_named(call)
    if not os.path.isdir(paths.run) and not (or_empty and known):
        raise no_such_project(call, name)
    return paths


def is_named(call: Invocation) -> bool:
    """Whether somebody wrote the project's name, and may have misspelt it."""
    return bool(call.arguments.text("project-name") or call.environment.get("COMPOSE_PROJECT_NAME"))


def no_such_project(call: Invocation, name: str) -> NoSuchThing:
    from composer.loader.nearest import nearest

    known = list(projects(call))
    near = nearest(name, known)
    if near is not None:
        hint = f"did you mean {near}?"
    elif known:
        hint = f"there are {', '.join(known)}"
    else:
        hint = "`pycompose up` makes it"
    return NoSuchThing(f'there is no project "{name}"', hint=hint)


def projects(call: Invocation) -> Iterator[str]:
    """The projects on disk, by name."""
    try:
        names = sorted(os.listdir(call.paths.run))
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (name for name in names if not name.startswith(".") and os.path.isdir(f"{call.paths.run}/{name}"))


def _refuse_missing(files: tuple[str, ...], call: Invocation) -> None:
    """A file that was named must be there, unless a project that was brought up from it still is."""
    for path in files:
        if path != STDIN and not os.path.exists(path) and all(_files(call, name) != files for name in projects(call)):
            raise FileNotFound(f"cannot read the Compose file {path}: there is no such file")


def _files(call: Invocation, project: str) -> tuple[str, ...]:
    return wanted.outline(call.paths.project(project)).config_files


def env_files(request: LoadRequest) -> tuple[str, ...]:
    """Those that are named, `.env` where it lies is not."""
    listed = filter(None, request.environment.get("COMPOSE_ENV_FILES", "").split(","))
    return tuple(os.path.join(request.cwd, path) for path in request.env_files or listed)


def with_env_files(request: LoadRequest, *, directory: str | None = None) -> Mapping[str, str]:
    """The process environment and what `.env` files add to it, those beside the Compose files where they are known.

    The reader of these files is not imported where there is none, as everywhere most of the time.
    """
    places = (request.directory, directory or request.directory)
    if not env_files(request) and not any(os.path.exists(f"{place}/.env") for place in places):
        return request.environment
    from composer.loader.environment import interpolation_environment, with_project_env
    from composer.loader.files import Files
    from composer.loader.origin import refusal
    from composer.loader.problems import Fatal, Problems

    files, problems = Files(request.cwd), Problems()
    try:
        environment = interpolation_environment(request, files=files, problems=problems)
        if directory is None:
            return environment
        return with_project_env(request, environment, directory=directory, files=files, problems=problems)
    except Fatal as fatal:
        raise refusal((fatal.problem,), files=files) from None


def _name_in_file(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return name_line(file.read())
    except OSError:
        return None  # the loader, where one is needed, says what is wrong with it


def name_line(content: bytes) -> str | None:
    """The first `name:` at the top level of a Compose file that is no more than a word."""
    lines = [line.removeprefix(_NAME) for line in content.split(b"\n") if line.startswith(_NAME)]
    return next(filter(None, map(_plain_name, lines)), None)


def _plain_name(value: bytes) -> str | None:
    """What is written on a line, quoted or not, where it is no more than a word and perhaps a comment."""
    value = value.removesuffix(b"\r").strip(b" \t")
    quote = value[:1] if value[:1] in (b"'", b'"') else b""
    word, end, rest = value.removeprefix(quote).partition(quote or b"#")
    word, rest = (word, rest.lstrip(b" \t")) if quote else (word.rstrip(b" \t"), b"")
    if not word or _NO_NAME & set(word) or (quote and not end) or rest.partition(b"#")[0]:
        return None
    return word.decode(errors="surrogateescape")


def _interpolated_name(request: LoadRequest) -> str:
    from composer.loader.pipeline import load

    return load(request).project.name


def _or_name_one(error: FileNotFound, call: Invocation) -> FileNotFound:
    known = ", ".join(projects(call))
    hint = f"name a project with -p: there are {known}" if known else error.hint
    return FileNotFound(error.message, hint=hint)
