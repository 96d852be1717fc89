"""Files with one thing wrong: both tools give the same verdict, and the same project where it is good all the same."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from composer.loader.parse import parse
from composer.loader.problems import Fatal, Problems
from composer.loader.tree import plain
from tests.loader import oracle
from tests.loader.comparing import differences

pytestmark = pytest.mark.skipif(oracle.missing() is not None, reason=oracle.missing() or "")

Mutation: TypeAlias = Callable[[dict[str, Any], random.Random], list[dict[str, Any]]]

AT_ONCE = 12  # mutants are made a dozen at a time and compared side by side
ROUNDS = 25


def _sources() -> list[tuple[str, dict[str, Any]]]:
    """The single files of the corpus as plain data: mutants are written as JSON, which is YAML without a dialect."""
    found = []
    for path in sorted(Path(__file__).with_name("corpus").glob("*.yaml")):
        problems = Problems()
        try:
            documents = parse(path.read_bytes(), file=path.name, problems=problems)
        except Fatal:
            continue
        if len(documents) == 1 and not problems.errors and isinstance(tree := plain(documents[0]), dict):
            found.append((path.name, tree))
    return found


SOURCES = _sources()


def _spots(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands below the top, extensions left out: nobody reads them."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        if not str(key).startswith("x-"):
            yield (*path, key)
            yield from _spots(value, (*path, key))


def _parent(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        tree = tree[step]
    return tree


def typo(tree: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    path = chance.choice([path for path in _spots(tree) if isinstance(path[-1], str) and len(path[-1]) > 2])
    parent, key = _parent(tree, path), path[-1]
    at = chance.randrange(1, len(key))
    value = parent.pop(key)
    parent[key[:at] + key[at + 1 :]] = value
    return [tree]


def wrong_type(tree: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    path = chance.choice(list(_spots(tree)))
    _parent(tree, path)[path[-1]] = chance.choice([7, True, "text", [], ["text"], {}, {"key": "value"}, -1, 1.5])
    return [tree]


def removed(tree: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    path = chance.choice(list(_spots(tree)))
    del _parent(tree, path)[path[-1]]
    return [tree]


def cycle(tree: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    services = [name for name, service in tree.get("services", {}).items() if isinstance(service, dict)]
    for name in services[:2]:
        tree["services"][name]["depends_on"] = [chance.choice(services)]
    return [tree]


def reordered(tree: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        entries = list(value.items())
        chance.shuffle(entries)
        return {key: shuffled(inner) for key, inner in entries}

    return [shuffled(tree)]


def split(tree: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    """Each service's keys over two files; one key stands in both."""
    second: dict[str, Any] = {"services": {}}
    for name, service in tree.get("services", {}).items():
        if isinstance(service, dict) and len(service) > 1:
            keys = chance.sample(sorted(service), k=len(service) // 2)
            second["services"][name] = {key: service[key] for key in keys}
            tree["services"][name] = {key: it for key, it in service.items() if key not in keys[1:]}
    return [tree, second] if second["services"] else [tree]


MUTATIONS: tuple[Mutation, ...] = (typo, wrong_type, removed, cycle, reordered, split)


def _written(files: list[dict[str, Any]], place: Path) -> tuple[str, ...]:
    place.mkdir(parents=True)
    for number, tree in enumerate(files):
        (place / f"{number}.yaml").write_text(json.dumps(tree))
    return tuple(word for number in range(len(files)) for word in ("-f", f"{number}.yaml"))


def _mutant(seed: int, place: Path) -> tuple[str, Path, tuple[str, ...]]:
    chance = random.Random(seed)
    name, tree = chance.choice(SOURCES)
    mutation = chance.choice(MUTATIONS)
    try:
        files = mutation(deepcopy(tree), chance)
    except (IndexError, AttributeError):  # nothing there that could be changed in this way
        files = [tree]
    return f"{mutation.__name__} of {name}", place, _written(files, place / "project")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_mutants_are_judged_alike(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    seeds = random.Random(number).sample(range(2**32), AT_ONCE)  # the same with every version of everything
    place = tmp_path_factory.mktemp("mutants")
    mutants = [_mutant(seed, place / str(seed)) for seed in seeds]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda it: differences(it[1] / "project", *it[2]), mutants)
    told = [
        f"{name} {path}\n    " + "\n    ".join(lines)
        for (name, path, _), lines in zip(mutants, found, strict=True)
        if lines
    ]
    assert told == [], "\n".join(told)
