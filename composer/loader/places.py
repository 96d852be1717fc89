"""Tables of places: patterns such as `services.*.ports`, each with what is done to the nodes that stand there."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from typing import TypeAlias, TypeVar

from composer.frozen import field, frozen, mutable, replace
from composer.loader.codes import Code
from composer.loader.problems import Path, Problems
from composer.loader.tree import Mapping, Node, Scalar, Sequence
from composer.loader.unreadable import code_of, hint_of
from composer.model.scalars import Unreadable, WrongType, spelled

T = TypeVar("T")
Rewrite: TypeAlias = "Callable[[Node, Spot], Node]"


@frozen
class Spot:
    """Where a rewrite works, and where it tells what it cannot read."""

    path: Path
    problems: Problems
    literal: bool = False  # variables are left as they are written, and so is what cannot be read without their values

    def keeps(self, node: Node) -> bool:
        """Whether a value stays as it is, since its variables are not known."""
        return self.literal and isinstance(node, Scalar) and isinstance(node.value, str) and "$" in node.value

    def inner(self, step: str | int) -> Spot:
        return Spot(
            (*self.path, step), self.problems, self.literal
        )  # replace() is four times as slow, and this is called often

    def read(self, node: Scalar, reader: Callable[[str], T]) -> T | None:
        """What `reader` makes of a text, or None once the problem is told."""
        try:
            if not isinstance(node.value, str):
                hint = f'quote it: "{spelled(node.value)}"' if node.value is not None else None
                raise WrongType(node.value, "a text", hint=hint)
            return reader(node.value)
        except Unreadable as problem:
            self.tell(node, problem)
            return None

    def tell(self, node: Node, problem: Unreadable, *, code: Code | None = None) -> None:
        hint = hint_of(problem)
        self.problems.error(code or code_of(problem), problem.message, at=node.place, path=self.path, hint=hint)


def for_jobs(table: Table[str, Rewrite]) -> dict[str, Rewrite]:
    """The table with the places of services repeated for jobs, which say the same things."""
    of_services = {place: rewrite for place, rewrite in table.items() if place.startswith("services.")}
    return {**table, **{place.replace("services", "jobs", 1): rewrite for place, rewrite in of_services.items()}}


@mutable
class _Branch:
    rewrite: Rewrite | None = None
    steps: dict[str, _Branch] = field(default_factory=dict)


class Places:
    """The table as a tree of steps, so that a walk looks only where something may be rewritten.

    A place is rewritten before those inside it; `*` stands for any key or index.
    """

    def __init__(self, table: Table[str, Rewrite]) -> None:
        self._root = _grown(table)

    def rewritten(self, node: Node, spot: Spot) -> Node:
        return _rewritten(node, self._root, spot)


def _grown(table: Table[str, Rewrite]) -> _Branch:
    root = _Branch()
    for path, rewrite in table.items():
        branch = root
        for step in path.split("."):
            branch = branch.steps.setdefault(step, _Branch())
        branch.rewrite = rewrite
    return root


def _rewritten(node: Node, branch: _Branch, spot: Spot) -> Node:
    if branch.rewrite is not None:
        node = branch.rewrite(node, spot)
    match node:
        case Mapping() if branch.steps:
            return _rewritten_mapping(node, branch, spot)
        case Sequence() if "*" in branch.steps:
            inner = branch.steps["*"]
            items = tuple(_rewritten(item, inner, spot.inner(index)) for index, item in enumerate(node.items))
            unchanged = all(new is old for new, old in zip(items, node.items, strict=True))
            return node if unchanged else replace(node, items=items)
        case _:
            return node


def _rewritten_mapping(node: Mapping, branch: _Branch, spot: Spot) -> Mapping:
    any_key = branch.steps.get("*")
    changed: dict[str, Node] = {}
    for key, value in node.entries.items():
        inner = any_key or branch.steps.get(key)
        if inner is None:
            continue
        after = _rewritten(value, inner, spot.inner(key))
        if after is not value:
            changed[key] = after
    return node.holding({**node.entries, **changed}) if changed else node
