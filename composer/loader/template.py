"""Variables in text: `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${VAR:+other}` and what they mean.

A text becomes a tuple of literals and references once; what a reference is not asked for is never looked at, so an
unused default neither warns nor fails. `$$` is a dollar sign; a `$` that begins no name stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from composer.frozen import frozen

Lookup: TypeAlias = Callable[[str], str | None]

MAX_NESTING = 50

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR = re.compile(r":?[-?+]")


class BadTemplate(ValueError):
    """The text cannot be read as a template, or has no value."""

    def __init__(self, message: str, *, hint: str | None = None, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.offset = offset


class RequiredVariable(BadTemplate):
    """A variable that must have a value has none."""


@frozen
class Reference:
    """`${name operator argument}`; an operator of "" is a plain reference."""

    name: str
    operator: str = ""
    argument: Template = ()


Template: TypeAlias = tuple[str | Reference, ...]


def parse_template(text: str) -> Template:
    parts, end = _parts(text, 0, nesting=0)
    assert end == len(text)
    return parts


def _parts(text: str, position: int, *, nesting: int) -> tuple[Template, int]:
    """Literals and references up to the end, or within braces up to the brace that closes them."""
    if nesting > MAX_NESTING:
        raise BadTemplate(f"variables nested deeper than {MAX_NESTING} levels", offset=position)
    parts: list[str | Reference] = []
    begun = position
    while position < len(text):
        character = text[position]
        if character == "}" and nesting:
            break
        if character != "$":
            position += 1
            continue
        part, after = _dollar(text, position, nesting)
        parts += filter(None, (text[begun:position], part))
        begun = position = after
    parts += filter(None, (text[begun:position],))
    return tuple(parts), position


def _dollar(text: str, position: int, nesting: int) -> tuple[str | Reference, int]:
    following = text[position + 1 : position + 2]
    if following == "$":
        return "$", position + 2
    if following == "{":
        return _braced(text, position, nesting)
    name = _NAME.match(text, position + 1)
    if name is None:
        return "$", position + 1
    return Reference(name[0]), name.end()


def _braced(text: str, start: int, nesting: int) -> tuple[Reference, int]:
    name = _NAME.match(text, start + 2)
    if name is None:
        raise BadTemplate(f'"{_excerpt(text, start)}" names no variable', hint=_ESCAPE, offset=start)
    if text[name.end() : name.end() + 1] == "}":
        return Reference(name[0]), name.end() + 1
    operator = _OPERATOR.match(text, name.end())
    if operator is None:
        raise _malformed(text, start, name)
    argument, end = _parts(text, operator.end(), nesting=nesting + 1)
    if end == len(text):
        raise BadTemplate(f'"{_excerpt(text, start)}" is not closed', hint='write "}" behind it', offset=start)
    return Reference(name[0], operator[0], argument), end + 1


_ESCAPE = "write ${NAME}, or $$ for a dollar sign"


def _malformed(text: str, start: int, name: re.Match[str]) -> BadTemplate:
    if "}" not in text[start:]:
        return BadTemplate(f'"{_excerpt(text, start)}" is not closed', hint=f"write ${{{name[0]}}}", offset=start)
    found = text[name.end()]
    message = f'"{found}" cannot follow the name in "{_excerpt(text, start)}"'
    return BadTemplate(message, hint="known are ${A:-x} ${A-x} ${A:?x} ${A?x} ${A:+x} ${A+x}", offset=start)


def _excerpt(text: str, start: int) -> str:
    end = text.find("}", start)
    excerpt = text[start : end + 1] if end >= 0 else text[start:]
    return excerpt if len(excerpt) <= 40 else excerpt[:39] + "…"


def substitute(template: Template, lookup: Lookup, *, unset: Callable[[str], None]) -> str:
    """The text with its variables' values. `unset` is told of each variable that has none and needs one."""
    return "".join(part if isinstance(part, str) else _value(part, lookup, unset) for part in template)


def _value(reference: Reference, lookup: Lookup, unset: Callable[[str], None]) -> str:
    value = lookup(reference.name)
    present = bool(value) if reference.operator.startswith(":") else value is not None
    match reference.operator[-1:]:
        case "-" if not present:
            return substitute(reference.argument, lookup, unset=unset)
        case "+":
            return substitute(reference.argument, lookup, unset=unset) if present else ""
        case "?" if not present:
            why = "is not set" if value is None else "is empty"
            raise _required(reference.name, why, substitute(reference.argument, lookup, unset=unset))
    if value is None:
        unset(reference.name)
    return value or ""


def _required(name: str, why: str, wanted: str) -> BadTemplate:
    message = f"the required variable {name} {why}" + (f": {wanted}" if wanted else "")
    return RequiredVariable(message, hint=f"set {name} in the environment or in .env")


def references(template: Template) -> Iterator[Reference]:
    """All references in the text, those in arguments too."""
    for part in template:
        if isinstance(part, Reference):
            yield part
            yield from references(part.argument)
