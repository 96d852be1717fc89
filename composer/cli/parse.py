"""argv against the options of a command, as fingers used to docker compose expect.

Options stand before or after operands, `--name=value` or `--name value`, `-n5` or `-n 5`, switches together (`-it`)
or denied (`--tty=false`). Options of all commands may stand before the command or behind it; where both have the
same letter, a command's own comes first (`logs -f`). `--` ends the options.
"""

from __future__ import annotations

from composer.cli.options import Command, Option
from composer.errors import UsageError
from composer.frozen import field, mutable
from composer.hints import Iterable

Value = bool | int | str | list[str]

_TRUTH = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


@mutable
class Arguments:
    """What was typed, by option name without the dashes."""

    values: dict[str, Value] = field(default_factory=dict)
    operands: list[str] = field(default_factory=list)

    def switch(self, key: str, *, default: bool = False) -> bool:
        """Whether a switch was given, or what it was set to."""
        value = self.values.get(key, default)
        assert isinstance(value, bool)
        return value

    def text(self, key: str) -> str | None:
        """The value of an option, None where it was not given."""
        value = self.values.get(key)
        assert value is None or isinstance(value, str)
        return value

    def number(self, key: str) -> int | None:
        """The whole number of an option, None where it was not given."""
        value = self.values.get(key)
        assert value is None or (isinstance(value, int) and not isinstance(value, bool))
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """All values of an option that may be given several times."""
        value = self.values.get(key, [])
        assert isinstance(value, list)
        return tuple(value)


def split(argv: list[str], options: Iterable[Option], *, arguments: Arguments) -> list[str]:
    """Take the options before the command's name; the rest begins with it. Raises UsageError."""
    return _Reader(_table(options), arguments, stops_at_operand=True).read(argv)


def parse(argv: list[str], command: Command, *, inherited: Iterable[Option], arguments: Arguments) -> Arguments:
    """Add to `arguments` what stands behind the command's name. Raises UsageError."""
    table = _table(inherited) | _table(command.options)
    reader = _Reader(table, arguments, stops_at_operand=command.stops_at_operand)
    arguments.operands += reader.read(argv)
    if arguments.switch("help"):
        return arguments  # whatever else is said, or is not
    count = len(arguments.operands)
    if count < command.at_least:
        raise UsageError(f"{command.operands.replace('[OPTIONS] ', '')} is missing")
    if command.at_most is not None and count > command.at_most:
        raise UsageError(f'"{arguments.operands[command.at_most]}" is one too many')
    return arguments


def _table(options: Iterable[Option]) -> dict[str, Option]:
    return {name: option for option in options for name in (option.name, option.short) if name}


@mutable
class _Reader:
    table: dict[str, Option]
    arguments: Arguments
    stops_at_operand: bool
    pending: list[str] = field(default_factory=list)  # reversed

    def read(self, argv: list[str]) -> list[str]:
        """Take the options; what is left are the operands."""
        operands: list[str] = []
        self.pending = argv[::-1]
        while self.pending:
            word = self.pending.pop()
            if word == "--":
                return operands + self.pending[::-1]
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._short(word)
            else:
                operands.append(word)
                if self.stops_at_operand:
                    return operands + self.pending[::-1]
        return operands

    def _long(self, word: str) -> None:
        name, equals, value = word.partition("=")
        option = self._known(name)
        if not option.metavar:
            self._store(option, _truth(name, value) if equals else True)
        else:
            self._store(option, value if equals else self._next(name))

    def _short(self, word: str) -> None:
        for position in range(1, len(word)):
            option = self._known(f"-{word[position]}", shown=word)
            rest = word[position + 1 :]
            if option.metavar:
                self._store(option, rest.removeprefix("=") if rest else self._next(f"-{word[position]}"))
                return
            if rest.startswith("="):
                self._store(option, _truth(f"-{word[position]}", rest[1:]))
                return
            self._store(option, True)

    def _known(self, name: str, *, shown: str = "") -> Option:
        option = self.table.get(name)
        if option is None:
            where = f" in {shown}" if shown and shown != name else ""
            raise UsageError(f"unknown option {name}{where}", hint=self._suggestion(name))
        return option

    def _suggestion(self, name: str) -> str | None:
        from composer.loader.nearest import did_you_mean

        return did_you_mean(name, [name for name, option in self.table.items() if len(name) > 2 and not option.hidden])

    def _next(self, name: str) -> str:
        if not self.pending:
            raise UsageError(f"{name} needs a value: {name} {self.table[name].metavar}")
        return self.pending.pop()

    def _store(self, option: Option, value: bool | str) -> None:
        if option.choices and value not in option.choices:
            raise UsageError(f'{option.name} cannot be "{value}"', hint=f"choose {_either(option.choices)}")
        if option.repeat:
            values = self.arguments.values.setdefault(option.key, [])
            assert isinstance(values, list)
            values.append(str(value))
        else:
            self.arguments.values[option.key] = _whole_number(option, str(value)) if option.number else value


def _truth(name: str, value: str) -> bool:
    if value.lower() not in _TRUTH:
        raise UsageError(f'{name} cannot be "{value}"', hint="choose true or false")
    return _TRUTH[value.lower()]


def _whole_number(option: Option, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UsageError(f'{option.name} cannot be "{value}"', hint="give a whole number") from None


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
