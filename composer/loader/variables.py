"""Which variables the files of a project ask for, and what they say about each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from composer.frozen import frozen
from composer.loader.template import BadTemplate, Reference, Template, parse_template


@frozen
class Variable:
    """`default` is used where it is not set, `alternative` where it is; `required`: without a value nothing loads."""

    name: str
    required: bool = False
    default: str = ""
    alternative: str = ""


def variables(tree: Any) -> dict[str, Variable]:
    """The variables in the values of an uninterpolated tree, by name in alphabetical order."""
    found: dict[str, Variable] = {}
    for text in _texts(tree):
        try:
            template = parse_template(text)
        except BadTemplate:
            continue  # told when it is interpolated
        for reference in _references(template):
            found[reference.name] = _joined(found.get(reference.name), _variable(reference))
    return dict(sorted(found.items()))


def _texts(tree: Any) -> Iterator[str]:
    match tree:
        case str() if "$" in tree:
            yield tree
        case dict():
            for value in tree.values():
                yield from _texts(value)
        case list():
            for value in tree:
                yield from _texts(value)


def _references(template: Template) -> Iterator[Reference]:
    for part in template:
        if isinstance(part, Reference):
            yield part
            yield from _references(part.argument)


def _variable(reference: Reference) -> Variable:
    argument = written(reference.argument)
    match reference.operator[-1:]:
        case "?":
            return Variable(reference.name, required=True)
        case "-":
            return Variable(reference.name, default=argument)
        case "+":
            return Variable(reference.name, alternative=argument)
        case _:
            return Variable(reference.name)


def _joined(first: Variable | None, second: Variable) -> Variable:
    """One variable that is asked for in two places."""
    if first is None:
        return second
    return Variable(
        first.name,
        required=first.required or second.required,
        default=first.default or second.default,
        alternative=first.alternative or second.alternative,
    )


def written(template: Template) -> str:
    """A template as it stands in a file."""
    return "".join(part if isinstance(part, str) else _written(part) for part in template)


def _written(reference: Reference) -> str:
    return f"${{{reference.name}{reference.operator}{written(reference.argument)}}}"
