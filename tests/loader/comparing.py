"""One project through both tools: what differs, apart from what is meant to differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from composer.errors import PycomposeError
from composer.loader.canonical import canonical
from composer.loader.pipeline import load
from composer.loader.problems import Problem
from composer.loader.request import LoadRequest
from tests.loader import oracle
from tests.loader.differences import ABSENT, accepted, refused, written


@dataclass(frozen=True, slots=True)
class Ours:
    """`project` is None where it is refused; `errors` then say why, as `<path> message`."""

    project: oracle.Tree | None
    errors: tuple[str, ...] = ()


def ours(request: LoadRequest) -> Ours:
    try:
        return Ours(canonical(load(replace(request, require_rootfs=False)).project))
    except PycomposeError as error:
        problems = [problem for problem in getattr(error, "problems", ()) if isinstance(problem, Problem)]
        errors = (f"<{it.notation}> {it.message}" for it in problems if it.severity == "error")
        return Ours(None, tuple(errors) or (str(error),))


def request_for(directory: Path, *options: str) -> LoadRequest:
    """The same command line for us."""
    given = list(pairwise(options))
    files, profiles, env_files = (
        tuple(value for option, value in given if option == wanted) for wanted in ("-f", "--profile", "--env-file")
    )
    return LoadRequest(
        cwd=str(directory),
        environment=oracle.ENVIRONMENT,
        files=files,
        profiles=profiles,
        env_files=env_files,
    )


def differences(directory: Path, *options: str) -> list[str]:
    """What the two tools see differently in a directory, in words; empty where they agree as far as they should."""
    return list(_differences(oracle.ask(directory, *options), ours(request_for(directory, *options))))


def _differences(theirs: oracle.Answer, own: Ours) -> Iterator[str]:
    if own.project is None:
        unexpected = [error for error in own.errors if not refused(error)]
        if theirs.accepted and unexpected:
            yield f"docker compose accepts it; ours: {'; '.join(unexpected)}"
    elif theirs.project is None:
        if not accepted(theirs.said):
            yield f"pycompose accepts it; theirs: {theirs.said.strip()}"
    else:
        for path, mine, other in compared(without_extensions(own.project), without_extensions(theirs.project)):
            if not written(path, mine, other):
                yield f"{path}: ours {_shown(mine)}, theirs {_shown(other)}"


def without_extensions(tree: Any) -> Any:
    """What docker compose's JSON can have: it leaves out what begins with x- anywhere but at the top."""
    match tree:
        case dict():
            kept = {key: value for key, value in tree.items() if not key.startswith("x-") and key != "rootfs"}
            return {key: without_extensions(_in_order(key, value)) for key, value in kept.items()}
        case list():
            return [without_extensions(item) for item in tree]
        case _:
            return tree


def _in_order(key: str, value: Any) -> Any:
    """The order of ports means nothing; of a range, docker compose writes 10 before 2."""
    if key != "ports" or not isinstance(value, list):
        return value
    return sorted(value, key=lambda port: json.dumps(port, sort_keys=True))


def compared(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places where two trees differ, with what stands there."""
    match ours, theirs:
        case dict(), dict():
            for key in sorted(ours.keys() | theirs.keys()):
                yield from compared(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{path}.{key}")
        case list(), list() if len(ours) == len(theirs):
            for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
                yield from compared(mine, other, f"{path}[{index}]")
        case _ if ours != theirs or isinstance(ours, bool) != isinstance(theirs, bool):
            yield path, ours, theirs


def _shown(value: Any) -> str:
    return "nothing" if value is ABSENT else repr(value)
