"""Trees → model parts. What the model refuses is told in our own words, at the node's own place.

What is wrong is told and then left out, so that checks between services go on and every mistake comes out at once; the
project is refused in the end.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from composer.frozen import field, mutable
from composer.loader.codes import Code
from composer.loader.nearest import advice, did_you_mean
from composer.loader.problems import Path, Problems
from composer.loader.shapes import Kind, Shape, closed
from composer.loader.tree import Mapping, Node, is_null, place_of, place_of_key, plain
from composer.loader.unreadable import code_of, hint_of
from composer.model.part import Part
from composer.model.scalars import Unreadable, shown

PartType = TypeVar("PartType", bound=Part)


@mutable
class Validation:
    """Reads parts out of a project's tree. `pruned` are the paths that were wrong and are left out."""

    root: Mapping
    problems: Problems
    pruned: set[Path] = field(default_factory=set)

    def parts(self, kind: str, part: type[PartType], *, nullable: bool = True) -> dict[str, PartType]:
        """All that stand under a top-level key, by name; null means defaults where that makes sense."""
        node = self.root.entries.get(kind)
        if node is None or is_null(node):
            return {}
        if not isinstance(node, Mapping):
            self._tell_not_mapping(node, (kind,), f"write {kind}: and beneath it a name with its mapping")
            return {}
        read = ((name, self._part(item, part, (kind, name), nullable)) for name, item in node.entries.items())
        return {name: found for name, found in read if found is not None}

    def _part(self, node: Node, part: type[PartType], path: Path, nullable: bool) -> PartType | None:
        if nullable and is_null(node):
            return part.model_validate(_named(path, {}))
        if not isinstance(node, Mapping):
            self._tell_not_mapping(node, path, f"write keys beneath it, such as {_SUCH_AS.get(str(path[0]), 'name:')}")
            return None
        known = closed(node, Shape(Kind.PART, part), path=path, problems=self.problems)
        return self._read(known, part, path)

    def _read(self, node: Node, part: type[PartType], path: Path) -> PartType | None:
        """The part, without what is wrong in it; None where it cannot do without."""
        values: dict[str, Any] = _named(path, plain(node))
        try:
            return part.model_validate(values)
        except ValidationError as errors:
            wrong = errors.errors(include_url=False)
        for error in wrong:
            self._tell(error, node, path)
            self.pruned.add((*path, error["loc"][0]))
        good = {key: value for key, value in values.items() if key not in {error["loc"][0] for error in wrong}}
        needed = any(field.is_required() and key not in good for key, field in part.model_fields.items())
        return None if needed else part.model_validate(good)

    def _tell(self, error: ErrorDetails, node: Node, path: Path) -> None:
        inner = error["loc"]
        code, message, hint = _words(error, inner)
        missing = error["type"] == "missing"
        place = place_of(node, inner[:-1] if missing else inner)
        self.problems.error(code, message, at=place, path=(*path, *inner), hint=hint)

    def _tell_not_mapping(self, node: Node, path: Path, hint: str) -> None:
        message = f"found {shown(plain(node))} where a mapping is needed"
        self.pruned.add(path)
        self.problems.error(Code.WRONG_TYPE, message, at=place_of_key(self.root, path), path=path, hint=hint)


_SUCH_AS = {"services": "rootfs: and command:", "models": "model:"}


def _named(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """A service's name is its key; of other parts `name` is theirs to say."""
    return values | {"name": path[1]} if path[0] in ("services", "jobs") else values


_KINDS = {
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _words(error: ErrorDetails, path: Path) -> tuple[Code, str, str | None]:
    """What was found, and what a good one looks like."""
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Unreadable):
        return code_of(cause), cause.message, hint_of(cause)
    found = shown(error["input"])
    match error["type"]:
        case "missing":
            key = str(path[-1])
            return Code.MISSING_KEY, f"{key} is missing", _MISSING.get(_place(path), f"write {key}: and its value")
        case "enum":
            return (Code.UNKNOWN_CHOICE, *_choice(error, path[-1]))
        case kind if kind in _KINDS:
            example = _example(kind, error["input"], path)
            return Code.WRONG_TYPE, f"found {found} where {_KINDS[kind]} is needed", example
        case _:
            return Code.BAD_VALUE, f"found {found}: {error['msg']}", None


def _place(path: tuple[str | int, ...]) -> tuple[str, str]:
    """The key a part stands under, whatever its own name or number is, and the key in it."""
    words = [str(step) for step in path[:-1] if isinstance(step, str)]
    return (words[0] if words else "", str(path[-1]))


_LIMIT = "write both: {soft: 1024, hard: 2048}"
_COMMAND = 'write command: ["program", "argument"]'
_MISSING = {
    ("depends_on", "condition"): "write condition: service_started, service_healthy or service_completed_successfully",
    ("ports", "target"): "write target: 80, the port in the container",
    ("volumes", "target"): "write target: /path/in/the/container",
    ("volumes", "type"): "write type: bind, volume or tmpfs",
    ("ulimits", "hard"): _LIMIT,
    ("ulimits", "soft"): _LIMIT,
    ("post_start", "command"): _COMMAND,
    ("pre_stop", "command"): _COMMAND,
    ("env_file", "path"): "write path: ./variables.env",
    ("configs", "source"): "write source: and the name of a config",
    ("secrets", "source"): "write source: and the name of a secret",
}


def _choice(error: ErrorDetails, key: str | int) -> tuple[str, str | None]:
    expected = error.get("ctx", {}).get("expected", "")
    known = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    written = error["input"]
    guess = did_you_mean(written, known) if isinstance(written, str) else None
    listed = f"write {', '.join(known[:-1])} or {known[-1]}"
    found = f'"{written}" is not a value of {key}' if isinstance(written, str) else f"found {shown(written)}"
    return found, advice(guess, listed)


def _example(kind: str, written: object, path: Path) -> str | None:
    key = str(path[-1]) if path else ""
    if written is None:
        return f"remove {key}, or write {'[]' if kind == 'tuple_type' else '{}'}"
    if kind in ("mapping_type", "dict_type"):
        return f"write {key}: and beneath it each name with its value"
    if kind == "tuple_type" and isinstance(written, (str, int, float)):
        return f"write {key}: [{_quoted(written)}]"
    return None


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
