"""What went wrong, for a person: all mistakes of a file at once, each where it stands.

compose.yaml:4:5: error: services.web.enviroment: "enviroment" is not a key of a service [unknown-key]
  4 |     enviroment: {A: 1}
    |     ^^^^^^^^^^
    = did you mean environment?
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from composer.cli.render import colour as colours
from composer.cli.render.colour import paint
from composer.errors import InvalidFile, PycomposeError
from composer.hints import Iterable

if TYPE_CHECKING:
    from composer.cli.invocation import Console
    from composer.loader.problems import Problem

_WIDEST = 160  # characters of a source line


def render(error: PycomposeError, *, colour: bool) -> str:
    """A failure as text of one or more lines."""
    lines = []
    if isinstance(error, InvalidFile):
        lines += [of_file(problem, colour=colour) for problem in _in_order(error.problems)]
    lines.append(f"{paint('pycompose:', colours.RED, colour=colour)} {error.message}")
    if error.hint:
        lines.append(f"{paint('hint:', colours.CYAN, colour=colour)} {error.hint}")
    return "\n".join(lines)


def of_file(problem: Problem, *, colour: bool) -> str:
    """One mistake with its excerpt."""
    severity = paint(problem.severity.value, _SEVERITIES[problem.severity.value], colour=colour)
    head = [str(problem.place)] if problem.place else []
    path = [problem.notation] if problem.path else []
    code = paint(f"[{problem.code.value}]", colours.DIM, colour=colour)
    lines = [": ".join([*head, severity, *path, f"{problem.message} {code}"])]
    margin = "  "
    if problem.place is not None and problem.source is not None and problem.source.strip():
        margin = " " * len(f"  {problem.place.line} ")
        lines += _excerpt(problem, margin, colour=colour)
    if problem.hint:
        lines.append(f"{margin}{paint('=', colours.CYAN, colour=colour)} {problem.hint}")
    return "\n".join(lines)


def as_json(error: PycomposeError) -> str:
    """A failure for programs: a JSON object a line, one for each mistake and a last one that sums up."""
    lines = [diagnostic(problem) for problem in _in_order(error.problems)] if isinstance(error, InvalidFile) else []
    summary = {"error": error.message} | ({"hint": error.hint} if error.hint else {})
    return "\n".join((*lines, json.dumps(summary, ensure_ascii=False)))


def diagnostic(problem: Problem) -> str:
    """One mistake for programs: a JSON object on one line. docs/errors.md says what its keys mean."""
    tree: dict[str, object] = {
        "severity": problem.severity.value,
        "code": problem.code.value,
        "message": problem.message,
    }
    if problem.path:
        tree["path"] = problem.notation
    if place := problem.place:
        start, end = (place.line, place.column), (place.end_line, place.end_column)
        tree |= {"file": place.file, "range": {"start": _position(*start), "end": _position(*end)}}
    if problem.hint:
        tree["hint"] = problem.hint
    return json.dumps(tree, ensure_ascii=False)


def _position(line: int, column: int) -> dict[str, int]:
    return {"line": line, "column": column}


def warned(problem: Problem, console: Console) -> str:
    """A warning in the form that the person or program at the other end reads."""
    return diagnostic(problem) if console.progress == "json" else of_file(problem, colour=console.colour_error)


def in_all_forms(problem: Problem) -> tuple[str, str, str]:
    """A warning without colours, with them, and for a program."""
    return of_file(problem, colour=False), of_file(problem, colour=True), diagnostic(problem)


_SEVERITIES = {"error": colours.RED, "warning": colours.YELLOW}


def _in_order(problems: Iterable[object]) -> Iterable[Problem]:
    from composer.loader.problems import Problem  # here only where a file was read

    return [problem for problem in problems if isinstance(problem, Problem)]


def _excerpt(problem: Problem, margin: str, *, colour: bool) -> list[str]:
    place, source = problem.place, problem.source
    assert place is not None
    assert source is not None
    start = place.column - 1
    last = place.end_column - 1 if place.end_line == place.line else len(source)
    length = max(1, min(last, len(source)) - start)
    if max(start + length, len(source)) > _WIDEST:
        cut = max(0, start - _WIDEST // 2)
        source, start = source[cut : cut + _WIDEST], start - cut
        length = max(1, min(length, len(source) - start))
    # a tab takes as much room under the line as in it
    indent = "".join("\t" if character == "\t" else " " for character in source[:start].ljust(start))
    bar = paint("|", colours.CYAN, colour=colour)
    return [
        f"  {place.line} {bar} {source}",
        f"{margin}{bar} {indent}{paint('^' * length, colours.RED, colour=colour)}",
    ]


def relative(path: str, *, cwd: str) -> str:
    """A path as short as it can be said from here."""
    return min(path, os.path.relpath(path, cwd), key=len)
