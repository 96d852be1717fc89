"""Compose files written to a directory and loaded, for the tests of the loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from composer.errors import InvalidFile
from composer.loader.pipeline import load
from composer.loader.problems import Problem
from composer.loader.request import Loaded, LoadRequest


def write(directory: Path, files: Mapping[str, str]) -> LoadRequest:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return LoadRequest(cwd=str(directory))


def loaded(directory: Path, text: str, **changes: object) -> Loaded:
    """The project in `text`, as the only file there is."""
    request = write(directory, {"compose.yaml": text})
    return load(replace(request, **changes))  # type: ignore[arg-type]  # the tests name LoadRequest's own fields


def problems_of(request: LoadRequest) -> tuple[Problem, ...]:
    """What is wrong, errors first; the warnings alone where nothing is."""
    try:
        return load(request).warnings
    except InvalidFile as refusal:
        return tuple(problem for problem in refusal.problems if isinstance(problem, Problem))


def told(directory: Path, text: str, **changes: object) -> list[str]:
    """The problems of `text` in their one-line form."""
    request = write(directory, {"compose.yaml": text})
    return [str(problem) for problem in problems_of(replace(request, **changes))]  # type: ignore[arg-type]  # as above
