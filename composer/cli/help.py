"""Help texts, made from what commands accept."""

from __future__ import annotations

import textwrap

from composer.cli.catalogue import COMMANDS, GROUPS
from composer.cli.options import GLOBAL, Command, Option
from composer.hints import Iterable

_WIDTH = 100
_COLUMN = 30


def overview() -> str:
    """What `pycompose` and `pycompose --help` say."""
    parts = ["Usage: pycompose [OPTIONS] COMMAND [ARGS...]", "", "Run a Compose file straight on the Linux kernel.", ""]
    for group, commands in GROUPS.items():
        parts += [f"{group}:", *(f"  {name:<12}{summary}" for name, summary in commands.items()), ""]
    parts += ["Options, before or behind the command:", *_options(GLOBAL), ""]
    parts += ["Example:", "  pycompose up -f compose.yaml", "", "`pycompose COMMAND --help` explains a command."]
    return "\n".join(parts)


def of_command(name: str, command: Command) -> str:
    """What `pycompose NAME --help` says."""
    usage = " ".join(
        filter(None, (f"Usage: pycompose {name}", "[OPTIONS]" if command.options else "", command.operands))
    )
    parts = [usage, "", f"{COMMANDS.get(name) or command.summary}.", ""]
    if own := _options(command.options):
        parts += ["Options:", *own, ""]
    if command.words:
        parts += ["Words:", *(f"  {word:<12}{it.summary}" for word, it in command.words.items()), ""]
    taken = {option.short for option in command.options} | {option.name for option in command.options}
    inherited = [option for option in GLOBAL if option.name not in taken and option.name != "--version"]
    parts += ["Options of all commands:", *_options(inherited, taken=taken), ""]
    parts += ["Example:", *(f"  {line}" for line in command.example.splitlines())]
    return "\n".join(parts)


def _options(options: Iterable[Option], *, taken: Iterable[str] = ()) -> list[str]:
    lines = []
    for option in options:
        if not option.hidden:
            lines += _option(option, short="" if option.short in taken else option.short)
    return lines


def _option(option: Option, *, short: str) -> list[str]:
    names = f"{short}, {option.name}" if short else f"    {option.name}"
    head = f"  {names} {option.metavar}".rstrip()
    wrapped = textwrap.wrap(option.help, _WIDTH - _COLUMN) or [""]
    if len(head) >= _COLUMN - 1:
        wrapped.insert(0, "")
    first = f"{head:<{_COLUMN}}{wrapped[0]}".rstrip()
    return [first, *(" " * _COLUMN + line for line in wrapped[1:])]
