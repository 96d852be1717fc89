"""What both forms of `run` have in common: words of the command line as parts of a container, and its start."""

from __future__ import annotations

import os
import shlex
import sys

from composer.cli.commands.exec import variables, wants_terminal
from composer.cli.invocation import Invocation
from composer.cli.oneoff import new
from composer.errors import FileNotFound, InvalidFile, UsageError
from composer.loader.problems import Problem
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Bind
from composer.spec.policy import Policy

_ATTRIBUTES = {"ro": True, "rw": False}


def start(call: Invocation, spec: ContainerSpec, policy: Policy) -> int:
    """Start the container, here or in the background; the exit status."""
    remove = call.arguments.switch("rm")
    if call.arguments.switch("detach"):
        return _start_detached(call, spec, policy, remove=remove)
    oneoff = new(call, spec, policy)
    try:
        return oneoff.run()
    finally:
        if remove:
            oneoff.remove()


def _start_detached(call: Invocation, spec: ContainerSpec, policy: Policy, *, remove: bool) -> int:
    from composer.cli.operation import perform  # a supervisor's language: not on the way to a foreground container
    from composer.control.messages import Run

    perform(call, spec.project, Run(spec, policy, remove=remove))
    print(spec.name)
    return 0


def suffix() -> str:
    """What makes a one-off container's name new."""
    return os.urandom(6).hex()


def terminal(call: Invocation) -> bool:
    """Whether the container has a terminal of its own."""
    if call.arguments.switch("detach"):
        return call.arguments.switch("tty")
    return wants_terminal(call)


def reads_input(call: Invocation) -> bool:
    """Whether standard input is passed on."""
    return call.arguments.switch("interactive", default=not call.arguments.switch("detach"))


def entrypoint(call: Invocation) -> tuple[str, ...] | None:
    """The words of --entrypoint, None where it was not given. Raises UsageError."""
    given = call.arguments.text("entrypoint")
    if given is None:
        return None
    try:
        return tuple(shlex.split(given))
    except ValueError as error:
        raise UsageError(f"cannot read --entrypoint {given}: {error}") from None


def environment(call: Invocation) -> tuple[tuple[str, str], ...]:
    """The variables of --env-from-file and --env, which wins. Raises PycomposeError."""
    found: dict[str, str] = {}
    for path in call.arguments.texts("env-from-file"):
        found |= _variables_in(path, call)
    return tuple((found | dict(variables(call.arguments.texts("env"), call))).items())


def _variables_in(path: str, call: Invocation) -> dict[str, str]:
    from composer.loader.dotenv import BadEnvFile, parse_env

    try:
        with open(os.path.join(call.cwd, os.path.expanduser(path)), encoding="utf-8") as file:
            return parse_env(file.read(), file=path, lookup=call.environment.get, warn=_warn)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise FileNotFound(f"cannot read the variables in {path}: {why}") from None
    except BadEnvFile as error:
        raise InvalidFile(f"cannot use {path}", problems=(error.problem,)) from None


def _warn(problem: Problem) -> None:
    print(f"pycompose: {problem}", file=sys.stderr)


def labels(call: Invocation) -> tuple[tuple[str, str], ...]:
    pairs = (word.partition("=") for word in call.arguments.texts("label"))
    return tuple((name, value) for name, _, value in pairs)


def binds(call: Invocation) -> tuple[Bind, ...]:
    """SOURCE:TARGET[:ro] words. Raises UsageError."""
    return tuple(_bind(word, call.cwd) for word in call.arguments.texts("volume"))


def _bind(word: str, cwd: str) -> Bind:
    source, _, rest = word.partition(":")
    target, _, attribute = rest.partition(":")
    if not (source and target.startswith("/")) or attribute not in ("", *_ATTRIBUTES):
        raise UsageError(f'cannot read "{word}" as a bind mount', hint="write ./here:/there or ./here:/there:ro")
    if "/" not in source and source not in (".", "..", "~"):
        hint = f"write ./{source}:{target} for a directory here"
        raise UsageError(f'cannot mount the volume "{source}": `run -v` takes directories', hint=hint)
    path = os.path.normpath(os.path.join(cwd, os.path.expanduser(source)))
    return Bind(path, target, read_only=_ATTRIBUTES.get(attribute, False), create_source=True)
