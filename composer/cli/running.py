"""What both forms of `run` have in common: words of the command line as parts of a container, and its start."""

from __future__ import annotations

import os
import shlex
import sys

from composer.cli.commands.exec import variables, wants_terminal
from composer.cli.invocation import Invocation
from composer.cli.oneoff import Needs, new
from composer.control.volumes import PROJECT
from composer.errors import FileNotFound, InvalidFile, UsageError
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Bind, Mount, VolumeMount
from composer.spec.policy import Policy
from composer.spec.volume import Volume
from composer.store.volumes import refuse_unfit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.loader.problems import Problem

_ATTRIBUTES = {"ro": True, "rw": False}


def start(call: Invocation, spec: ContainerSpec, policy: Policy, *, needs: Needs) -> int:
    """Start the container, here or in the background; the exit status."""
    remove = call.arguments.switch("rm")
    if call.arguments.switch("detach"):
        return _start_detached(call, spec, policy, needs, remove=remove)
    oneoff = new(call, spec, policy, needs)
    try:
        return oneoff.run()
    finally:
        if remove:
            oneoff.remove()


def _start_detached(call: Invocation, spec: ContainerSpec, policy: Policy, needs: Needs, *, remove: bool) -> int:
    from composer.cli.operation import perform  # a supervisor's language: not on the way to a foreground container
    from composer.control.messages import Run

    operation = Run(spec, policy, needs.volumes, remove=remove)
    perform(call, spec.project, operation, deposits=needs.deposits)
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


def mounts(call: Invocation) -> tuple[Mount, ...]:
    """[SOURCE:]TARGET[:ro] words: a directory, a volume by its name on the host, or a new one. Raises UsageError."""
    return tuple(_mount(word, call.cwd) for word in call.arguments.texts("volume"))


def volumes(call: Invocation, project: str) -> tuple[Volume, ...]:
    """The volumes that they name, to be made for the project where they are missing. Raises UsageError."""
    labels_ = ((PROJECT, project),)
    return tuple(Volume(it.volume, labels=labels_) for it in mounts(call) if isinstance(it, VolumeMount) and it.volume)


def _mount(word: str, cwd: str) -> Mount:
    source, _, rest = word.partition(":")
    target, _, attribute = rest.partition(":")
    if not rest and source.startswith("/"):
        return VolumeMount(os.path.normpath(source))
    if not (source and target.startswith("/")) or attribute not in ("", *_ATTRIBUTES):
        hint = "write ./here:/there, ./here:/there:ro or volume:/there"
        raise UsageError(f'cannot read "{word}" as a mount', hint=hint)
    if "/" not in source and source not in (".", "..", "~"):
        refuse_unfit(source)
        return VolumeMount(target, source, read_only=_ATTRIBUTES.get(attribute, False))
    path = os.path.normpath(os.path.join(cwd, os.path.expanduser(source)))
    return Bind(path, target, read_only=_ATTRIBUTES.get(attribute, False), create_source=True)
