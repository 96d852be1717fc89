"""Every attribute of the language is known, and each that is used changes what runs, or is told to change nothing.

Samples are the Compose files of the corpus in canonical form: an attribute is taken out of one, and what both ask of
the machine is compared.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from composer.errors import PycomposeError
from composer.loader.canonical import canonical
from composer.loader.codes import Code
from composer.loader.handled import UNHANDLED
from composer.loader.pipeline import load
from composer.loader.request import LoadRequest
from composer.lowering.desired import LoweringOptions, lower
from composer.lowering.host import HostFacts
from composer.lowering.network import OPTIONS
from composer.spec.desired import Desired
from tests.loader.generate_schema import SHIPPED

CORPUS = Path(__file__).with_name("corpus")
ATTRIBUTES = Path(__file__).with_name("attributes.txt").read_text(encoding="utf-8").splitlines()[1:]
SCHEMA = json.loads(SHIPPED.read_text(encoding="utf-8"))

ENVIRONMENT = {"HOME": "/root", "TAG": "1.2", "TOKEN": "t"}
HOST = HostFacts(variables={name: f"identity of {name}" for name in ENVIRONMENT}, values=ENVIRONMENT)

Steps: TypeAlias = tuple[str | int, ...]

# These the loader has done its part with before a project is there; it has tests of its own for each
READ = frozenset(
    (
        *("version", "name", "services.*.profiles", "services.*.label_file", "services.*.use_api_socket"),
        *("include", "include.[].path", "include.[].env_file", "include.[].project_directory"),
        *("services.*.extends", "services.*.extends.service", "services.*.extends.file"),
        *("services.*.env_file", "services.*.env_file.[].path", "services.*.env_file.[].format"),
        *("services.*.env_file.[].required",),
        *(f"{kind}.*.external.name" for kind in ("networks", "volumes", "secrets", "configs")),  # becomes `name`
    )
)

# These say nothing that would change a container
TELLING = {
    "services.*.image": "names an image, and rootfs is what runs",
    "services.*.healthcheck.disable": "a rootfs brings no check that there is to switch off",
    "networks.*.ipam.driver": "default is the only value there is",
    "volumes.*.driver": "local is the only value there is",
    "services.*.ports.[].mode": "host and ingress differ in a Swarm only",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A project, and where the attribute stands in it."""

    tree: dict[str, Any]
    place: Steps


def _around(kind: str, line: str) -> str:
    if kind == "service.lines":
        image = "" if line.startswith("image:") else "    image: a\n"
        return f"services:\n  web:\n{image}    {line}\n  other: {{image: b}}\n{_BESIDE}"
    used = _USED.get(line.partition(":")[0], "")
    return line if line.startswith("services:") else f"services:\n  web:\n    image: a\n    {used}\n{line}\n"


_BESIDE = """
networks: {front: {}, back: {}}
volumes: {data: {}}
configs: {conf: {content: hello}}
secrets: {sec: {environment: HOME}}
models: {llm: {model: ai/smollm2}}
"""
_USED = {
    "networks": "networks: [net]",
    "volumes": "volumes: ['vol:/data']",
    "configs": "configs: [conf]",
    "secrets": "secrets: [sec]",
    "models": "models: [llm]",
}


def _texts() -> Iterator[str]:
    for kind in ("service.lines", "top.lines"):
        for line in (CORPUS / kind).read_text().splitlines():
            if line and not line.startswith("# "):
                yield _around(kind, line)
    for path in sorted(CORPUS.glob("*.yaml")):
        yield path.read_text()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("attributes")
    for name in ("a.env", "b.env", "raw.env", "labels.txt", "more-labels.txt"):
        (directory / name).write_text("A=b\n")
    return directory


@pytest.fixture(scope="module")
def projects(ground: Path) -> list[dict[str, Any]]:
    """All valid files of the corpus in canonical form, each service with something to run."""
    found = []
    for text in _texts():
        (ground / "compose.yaml").write_text(text)
        try:
            tree = canonical(load(LoadRequest(cwd=str(ground), require_rootfs=False, environment=ENVIRONMENT)).project)
        except PycomposeError:
            continue  # the corpus has mistakes, too
        for service in tree["services"].values():
            service["rootfs"] = "/srv/root"
            service["command"] = service.get("command") or ["serve"]
        found.append(tree)
    return found


def _places(node: Any, steps: tuple[str, ...], place: Steps = ()) -> Iterator[Steps]:
    if not steps:
        yield place
        return
    step, rest = steps[0], steps[1:]
    match node:
        case dict():
            for key in node if step == "*" else {step} & node.keys():
                yield from _places(node[key], rest, (*place, key))
        case list() if step == "[]":
            for index, item in enumerate(node):
                yield from _places(item, rest, (*place, index))


def _samples(projects: list[dict[str, Any]], attribute: str) -> Iterator[Sample]:
    for tree in projects:
        for place in _places(tree, tuple(attribute.split("."))):
            yield Sample(tree, place)


def _without(sample: Sample) -> dict[str, Any]:
    tree = copy.deepcopy(sample.tree)
    node: Any = tree
    for step in sample.place[:-1]:
        node = node[step]
    del node[sample.place[-1]]
    return tree


@dataclass(frozen=True, slots=True)
class Asked:
    """What a project asks of the machine, or why it is refused; and what is told not to be done, by its place."""

    desired: Desired | str
    not_done: tuple[tuple[Steps, str], ...] = ()


def _asked(ground: Path, tree: dict[str, Any]) -> Asked:
    (ground / "compose.yaml").write_text(json.dumps(tree))
    try:
        found = load(LoadRequest(cwd=str(ground), environment=ENVIRONMENT))
        desired = lower(found.project, host=HOST, options=LoweringOptions())
    except PycomposeError as refusal:
        return Asked(str(refusal))
    return Asked(desired, tuple((it.path, it.message) for it in found.warnings if it.code is Code.NOT_SUPPORTED))


def _counts(ground: Path, sample: Sample) -> bool:
    """Whether the attribute changes something, or is told not to."""
    asked = _asked(ground, sample.tree)
    if isinstance(asked.desired, str):
        return False
    if any(_is_meant(sample.place, place, message) for place, message in asked.not_done):
        return True
    return _asked(ground, _without(sample)) != asked


def _is_meant(attribute: Steps, place: Steps, message: str) -> bool:
    """Whether a warning is about the attribute or what it is part of; one warning stands for all that `where` has."""
    if attribute[: len(place)] == place:
        return True
    group = next(it for it in UNHANDLED if message.startswith((f"{it.name}:", f"{it.name} (")))
    return any(_fits(attribute, where.split(".")) for where in group.where)


def _fits(place: Steps, where: list[str]) -> bool:
    return len(place) >= len(where) and all(step in ("*", at) for step, at in zip(where, place, strict=False))


def _attributes(schema: Any, path: tuple[str, ...]) -> Iterator[str]:
    """The paths that a JSON schema without references allows."""
    for way in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _attributes(way, path)
    for name, inner in schema.get("properties", {}).items():
        yield ".".join((*path, name))
        yield from _attributes(inner, (*path, name))
    for inner in (schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()):
        if isinstance(inner, dict):
            yield from _attributes(inner, (*path, "*"))
    if isinstance(schema.get("items"), dict):
        yield from _attributes(schema["items"], (*path, "[]"))


def test_options_that_are_not_told_are_read() -> None:
    told = next(it for it in UNHANDLED if it.name == "options of network drivers")
    assert told.known == OPTIONS.keys()


def test_every_attribute_is_in_our_schema() -> None:
    assert len(ATTRIBUTES) > 350
    known = set(_attributes(SCHEMA, ()))
    assert [it for it in ATTRIBUTES if it not in known] == []


@pytest.mark.parametrize("attribute", [it for it in ATTRIBUTES if it not in READ | TELLING.keys()])
def test_no_attribute_is_dropped_silently(attribute: str, ground: Path, projects: list[dict[str, Any]]) -> None:
    samples = list(_samples(projects, attribute))
    assert samples, "the corpus has no sample"
    assert any(_counts(ground, sample) for sample in samples), f"none of {len(samples)} samples"
