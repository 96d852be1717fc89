"""Commands that are made of words (`volume ls`, `network rm`): what they have in common."""

from __future__ import annotations

import sys

from composer import jsontext
from composer.cli.invocation import Invocation
from composer.errors import NoSuchThing, PycomposeError, UsageError
from composer.hints import Callable, Iterable, Mapping
from composer.loader.nearest import nearest


def run_word(call: Invocation, words: Mapping[str, Callable[[Invocation], int]]) -> int:
    """Do what the word after the command says. Raises UsageError: there is no such word."""
    command, _, word = call.command.partition(" ")
    if word in words:
        return words[word](call)
    near = nearest(call.operands[0], words)
    hint = f"did you mean {near}?" if near else f"there is {', '.join(words)}"
    raise UsageError(f'there is no "{command} {call.operands[0]}"', hint=hint)


def pairs(given: Iterable[str], *, option: str) -> dict[str, str]:
    """What was given as KEY=VALUE, or as KEY. Raises UsageError."""
    found = {}
    for word in given:
        key, _, value = word.partition("=")
        if not key:
            raise UsageError(f'{option} cannot be "{word}"', hint="write KEY=VALUE")
        found[key] = value
    return found


def print_trees(trees: list[dict[str, object]], *, wanted: str | None) -> None:
    """What `inspect` tells: JSON, or what a template takes out of it. Raises UsageError: a template that cannot be."""
    if wanted and wanted != "json":
        from composer.cli.render import template  # regular expressions

        print(template.render(wanted, trees, fields=tuple(trees[0]) if trees else ()))
    else:
        print(jsontext.pretty(trees))


def is_confirmed(warning: str) -> bool:
    """Whether a person agrees, asked on standard error. No answer is none."""
    print(warning, file=sys.stderr)
    print("Are you sure? [yN] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def each(names: Iterable[str], remove: Callable[[str], None], *, missing_is_fine: bool) -> None:
    """Remove each for itself: one that is in use does not keep the others. Raises what was in the way, in the end."""
    failed: list[PycomposeError] = []
    for name in names:
        try:
            remove(name)
        except NoSuchThing as error:
            if not missing_is_fine:
                failed.append(error)
        except PycomposeError as error:
            failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise PycomposeError("\n".join(error.message for error in failed))
