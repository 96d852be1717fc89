"""Where the values of a loaded project stand in its files, for those who find fault with one of them later."""

from __future__ import annotations

from collections.abc import Iterable

from composer.errors import InvalidFile
from composer.frozen import frozen
from composer.loader.codes import Code
from composer.loader.files import Files
from composer.loader.problems import Path, Place, Problem, presentable
from composer.loader.tree import Mapping, at, place_of, place_of_key


@frozen
class Origin:
    """The tree a project was read from, and the files it came out of."""

    root: Mapping
    files: Files

    def place(self, path: Path) -> Place:
        """Where a value stands; of a whole network or volume its name."""
        whole = isinstance(at(self.root, path), Mapping)
        return place_of_key(self.root, path) if whole else place_of(self.root, path)

    def problem(self, code: str, message: str, *, path: Path, hint: str | None = None) -> Problem:
        """A mistake in the value at `path`; of a whole service its name is shown."""
        return Problem(Code(code), message, self.place(path), path, hint)


def told(problems: Iterable[Problem], *, files: Files) -> tuple[Problem, ...]:
    """In the order of their places, each with the line it stands on."""
    ordered = sorted(problems, key=_position)
    return tuple(presentable(files.with_excerpt(problem)) for problem in ordered)


def _position(problem: Problem) -> tuple[str, int, int, int, int]:
    place = problem.place
    return (place.file, place.line, place.column, place.end_line, place.end_column) if place else ("", 0, 0, 0, 0)


def refusal(
    errors: Iterable[Problem], *, files: Files, warnings: Iterable[Problem] = (), last: Iterable[Problem] = ()
) -> InvalidFile:
    """All mistakes of a project; `last` is the one after which nothing more could be read."""
    all_errors = (*told(errors, files=files), *told(last, files=files))
    count = "1 mistake" if len(all_errors) == 1 else f"{len(all_errors)} mistakes"
    named = dict.fromkeys(problem.place.file for problem in all_errors if problem.place)
    message = f"cannot use {', '.join(named) or 'the Compose file'}: {count}"
    return InvalidFile(message, problems=all_errors + told(warnings, files=files))
