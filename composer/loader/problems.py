"""Mistakes in Compose files, with the place each one stands at.

A problem says what was found; its hint says what a good one looks like. Excerpts and colours are drawn by `cli`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from composer.frozen import field, frozen, mutable, replace
from composer.loader.codes import Code

Path = tuple[str | int, ...]


@frozen
class Place:
    """Where a node stands: lines and columns from 1, the end excluded."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    """Whether a file can be used all the same."""

    ERROR = "error"
    WARNING = "warning"


@frozen
class Problem:
    """One mistake. `str()` is its one-line form: file:line:column: path: message (hint)."""

    code: Code
    message: str
    place: Place | None = None
    path: Path = ()
    hint: str | None = None
    severity: Severity = Severity.ERROR
    source: str | None = None  # the line at `place`, for an excerpt

    @property
    def notation(self) -> str:
        """The path as people write it: services.web.ports[0], services.web.labels["a.b"]."""
        return notation(self.path)

    def __str__(self) -> str:
        parts = [str(self.place)] if self.place else []
        parts += [self.notation] if self.path else []
        hint = f" ({self.hint})" if self.hint else ""
        return ": ".join((*parts, self.message)) + hint


_PLAIN = re.compile(r"[\w-]+")


def notation(path: Iterable[str | int]) -> str:
    """Keys that could be mistaken for several are quoted, so that the text means one path only."""
    return "".join(map(_step, path)).removeprefix(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f'["{step}"]'


def presentable(problem: Problem) -> Problem:
    """The problem with texts that can be shown: what a file quotes may be long, or may steer a terminal."""
    path = tuple(_printable(step, longest=80) if isinstance(step, str) else step for step in problem.path)
    hint = _printable(problem.hint, longest=300) if problem.hint else problem.hint
    return replace(problem, message=_printable(problem.message, longest=300), path=path, hint=hint)


def _printable(text: str, *, longest: int) -> str:
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


class Fatal(Exception):
    """Loading cannot go on after this problem; those found before it are told as well."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


MAX_ERRORS = 100
MAX_NODES = 100_000


@mutable
class Problems:
    """The problems of one load in the order they were found: an error once per place, a warning once.

    Of a value whose template is unreadable nothing else is told: nobody knows what it would have been.

    After MAX_ERRORS the file is something else than was thought, and looking for more would only take time. `grown` are
    nodes that nobody wrote: what short forms and `extends` made out of a few characters.
    """

    known: dict[object, Problem] = field(default_factory=dict)
    unreadable: set[Place] = field(default_factory=set)
    grown: int = 0

    def error(
        self, code: Code, message: str, *, at: Place | None = None, path: Path = (), hint: str | None = None
    ) -> None:
        self.add(Problem(code, message, at, path, hint))

    def warn(
        self, code: Code, message: str, *, at: Place | None = None, path: Path = (), hint: str | None = None
    ) -> None:
        self.add(Problem(code, message, at, path, hint, Severity.WARNING))

    def add(self, problem: Problem) -> None:
        if problem.severity is Severity.WARNING:
            self.known.setdefault((problem.code, problem.message), problem)
            return
        if problem.place in self.unreadable:
            return
        self.known.setdefault(problem, problem)
        if len(self.errors) > MAX_ERRORS:
            message = f"more than {MAX_ERRORS} mistakes: the rest is not looked at"
            raise Fatal(Problem(Code.TOO_MANY_MISTAKES, message, problem.place))

    def grow(self, nodes: int, *, at: Place) -> None:
        """Count nodes that were made rather than written. Raises Fatal before they take all memory."""
        self.grown += nodes
        if self.grown > MAX_NODES:
            message = f"more than {MAX_NODES} nodes, ranges of ports and extended services written out"
            raise Fatal(Problem(Code.TOO_LARGE, message, at, hint="publish fewer ports, or extend a smaller service"))

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.known.values() if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.known.values() if problem.severity is Severity.WARNING)
