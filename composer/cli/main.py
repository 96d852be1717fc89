"""argv → command → exit status. The only place that reads the process: argv, environment, working directory, terminal.

Whatever a user can cause ends here as a message and an exit status; what gets through is a defect and a traceback.
"""

from __future__ import annotations

import os
import sys

from composer import errors, scarcity
from composer.cli.catalogue import COMMANDS, OTHER_NAMES
from composer.cli.invocation import Console, Invocation, invocation
from composer.cli.options import GLOBAL, Command
from composer.cli.parse import Arguments, parse, split
from composer.hints import Any, Protocol

BROKEN_PIPE = 141  # 128 + SIGPIPE


class CommandModule(Protocol):
    """What every module in `commands` has."""

    COMMAND: Command

    def run(self, call: Invocation) -> int:
        """Do it; the exit status."""
        ...


def main(argv: list[str] | None = None) -> int:
    """Run `pycompose` with these words, by default those of the process. KeyboardInterrupt is the caller's."""
    _open_streams()
    arguments = Arguments()
    try:
        status = _run(sys.argv[1:] if argv is None else argv, arguments)
        sys.stdout.flush()
    except errors.PycomposeError as error:
        return _tell(error, arguments)
    except BrokenPipeError:
        _discard_output()  # `pycompose logs | head`: nobody reads on
        return BROKEN_PIPE
    except OSError as error:
        if scarcity.is_told(error):
            raise  # there may be no memory for more words
        return _tell(_host_error(error), arguments)
    return status


def _open_streams() -> None:
    """Have descriptors 0, 1 and 2 even where the caller closed them (`>&-`): the next file would take their place.

    What is printed is UTF-8 in any locale, and names of files may be any bytes.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False, encoding="utf-8"))
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def load_command(name: str) -> CommandModule:
    """The module of a command. Raises UsageError where there is none."""
    name = OTHER_NAMES.get(name, name)
    if name not in COMMANDS:
        from composer.loader.nearest import did_you_mean

        hint = did_you_mean(name, COMMANDS) or "`pycompose help` lists the commands"
        raise errors.UsageError(f'unknown command "{name}"', hint=hint)
    path = f"composer.cli.commands.{name}"
    __import__(path)  # as `importlib.import_module`, without `importlib`, which brings `warnings` along
    module: Any = sys.modules[path]
    fitting: CommandModule = module  # it is one, as a module can be
    return fitting


def _run(argv: list[str], arguments: Arguments) -> int:
    rest = split(argv, GLOBAL, arguments=arguments)
    if arguments.switch("version"):
        rest = ["version"]
    if not rest:
        from composer.cli import help

        print(help.overview(), file=sys.stdout if arguments.switch("help") else sys.stderr)
        return 0 if arguments.switch("help") else errors.UsageError.exit_status
    name, *words = rest
    module = load_command(name)
    command = module.COMMAND
    if words and words[0] in command.words:
        name, command = f"{name} {words[0]}", command.words[words.pop(0)]
    parse(words, command, inherited=GLOBAL, arguments=arguments)
    if arguments.switch("help"):
        from composer.cli import help

        print(help.of_command(name, command))
        return 0
    return module.run(_invocation(name, arguments))


def _invocation(name: str, arguments: Arguments) -> Invocation:
    environment = dict(os.environ)
    return invocation(
        name,
        arguments,
        environment=environment,
        cwd=_working_directory(environment),
        uid=os.geteuid(),
        console=_console(arguments, environment),
    )


def _working_directory(environment: dict[str, str]) -> str:
    """The path that the user came by, where PWD tells it truly; symbolic links in it stay."""
    try:
        actual = os.getcwd()
    except FileNotFoundError:
        raise errors.HostError("cannot go on here: this directory was removed", hint="cd to another one") from None
    named = environment.get("PWD", "")
    return named if os.path.isabs(named) and os.path.realpath(named) == actual else actual


def _console(arguments: Arguments, environment: dict[str, str]) -> Console:
    ansi = arguments.text("ansi") or environment.get("COMPOSE_ANSI") or "auto"
    dumb = environment.get("TERM") == "dumb" or bool(environment.get("NO_COLOR"))
    out, error = _is_terminal(1), _is_terminal(2)
    progress = arguments.text("progress") or environment.get("COMPOSE_PROGRESS") or "auto"
    if progress == "auto":
        progress = "tty" if error and not dumb and ansi != "never" else "plain"
    return Console(
        colour_out=ansi == "always" or (ansi == "auto" and out and not dumb),
        colour_error=ansi == "always" or (ansi == "auto" and error and not dumb),
        progress=progress,
        columns=_columns(environment),
        interactive=_is_terminal(0) and out,
    )


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _columns(environment: dict[str, str]) -> int:
    for descriptor in (1, 2, 0):
        try:
            return os.get_terminal_size(descriptor).columns or 80
        except OSError:
            continue
    columns = environment.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) else 80


def _tell(error: errors.PycomposeError, arguments: Arguments) -> int:
    from composer.cli.render import problems

    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()  # it may be standard output itself that is full or gone
    console = _console(arguments, dict(os.environ))
    text = (
        problems.as_json(error) if console.progress == "json" else problems.render(error, colour=console.colour_error)
    )
    print(text, file=sys.stderr)
    return error.exit_status


def _discard_output() -> None:
    """What is printed and not written yet goes nowhere: the interpreter flushes once more on its way out."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _host_error(error: OSError) -> errors.HostError:
    what = f"cannot use {error.filename}" if error.filename else "cannot go on"
    hint = "run it as root" if isinstance(error, PermissionError) and os.geteuid() else None
    return errors.HostError(f"{what}: {error.strerror or error}", hint=hint)
