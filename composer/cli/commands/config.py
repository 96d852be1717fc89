"""`pycompose config`"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, TypeAlias

import yaml

from composer.cli.invocation import Invocation
from composer.cli.loading import loaded, lowered
from composer.cli.options import Command, switch, text
from composer.cli.project import load_request
from composer.cli.render.table import table
from composer.errors import HostError, UsageError
from composer.frozen import replace
from composer.hints import Callable, Iterable
from composer.loader.canonical import canonical
from composer.loader.pipeline import load_uninterpolated
from composer.loader.request import Loaded
from composer.loader.variables import Variable, variables
from composer.model.project import Project

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose config --format json web",
    options=(
        switch("--environment", help="Print the variables that the files may use"),
        text("--format", metavar="FORMAT", choices=("yaml", "json"), help="yaml or json"),
        text("--hash", metavar="SERVICE", help="Print what tells a changed configuration, of one service or of *"),
        switch("--images", help="Print the names of images"),
        switch("--lock-image-digests", help="Print an override file that pins images to their digests"),
        switch("--models", help="Print the names of models"),
        switch("--networks", help="Print the names of networks"),
        switch("--no-consistency", help="Do not check what services say about each other"),
        switch("--no-env-resolution", help="Leave env_file and variables without a value as they are written"),
        switch("--no-interpolate", help="Leave variables as they are written; nothing can be validated then"),
        switch("--no-normalize", help="Add no full names, networks and dependencies that are only implied"),
        switch("--no-path-resolution", help="Leave paths relative"),
        text("--output", "-o", metavar="FILE", help="Write to a file"),
        switch("--profiles", help="Print the names of profiles"),
        switch("--quiet", "-q", help="Only check"),
        switch("--resolve-image-digests", help="Pin images to their digests"),
        switch("--services", help="Print the names of services"),
        switch("--variables", help="Print the variables that the files ask for, and their defaults"),
        switch("--volumes", help="Print the names of volumes"),
    ),
)

Tree: TypeAlias = dict[str, Any]  # plain data as YAML and JSON have it


def run(call: Invocation) -> int:
    output = _uninterpolated(call) if _wants_templates(call) else _interpolated(call)
    if not call.arguments.switch("quiet"):
        _write(call, output)
    return 0


# ---- as the files are written -----------------------------------------------------------------------------------


def _wants_templates(call: Invocation) -> bool:
    return call.arguments.switch("variables") or call.arguments.switch("no-interpolate")


def _uninterpolated(call: Invocation) -> str:
    paths = not call.arguments.switch("no-path-resolution")
    tree = load_uninterpolated(replace(load_request(call), stdin=sys.stdin, resolve_paths=paths))
    if call.arguments.switch("variables"):
        return _variables(call, variables(tree))
    for name, _ in _LISTS:
        if name != "models" and call.arguments.switch(name) and name in tree:
            return _lines(sorted(tree[name]))
    return _formatted(call, _reduced(tree, call.operands))


def _variables(call: Invocation, found: dict[str, Variable]) -> str:
    if call.arguments.text("format") == "json":
        return json.dumps({name: asdict(variable) for name, variable in found.items()}, indent=2) + "\n"
    rows = [(it.name, str(it.required).lower(), it.default, it.alternative) for it in found.values()]
    return table(("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"), rows) + "\n"


# ---- as a project -----------------------------------------------------------------------------------------------


def _interpolated(call: Invocation) -> str:
    given = call.arguments
    found = loaded(
        call,
        services=call.operands,
        require_rootfs=given.text("hash") is not None,
        normalize=not given.switch("no-normalize"),
        resolve_paths=not given.switch("no-path-resolution"),
        resolve_environment=not given.switch("no-env-resolution"),
        consistency=not given.switch("no-consistency"),
    )
    if service := given.text("hash"):
        return _lines(_hashes(call, found, service))
    if given.switch("environment"):
        return _lines(f"{name}={value}" for name, value in sorted(found.environment.items()))
    for name, listed in _LISTS:
        if given.switch(name):
            return _lines(listed(found.project))
    if given.switch("lock-image-digests"):
        locked = {name: {"image": image} for name, image in _pinned(found.project).items()}
        return _formatted(call, {"services": locked})
    if given.switch("resolve-image-digests"):
        _pinned(found.project)
    if given.switch("quiet"):
        return ""
    normalize, unresolved = not given.switch("no-normalize"), given.switch("no-env-resolution")
    return _formatted(
        call, _reduced(canonical(found.project, normalize=normalize, env_files=unresolved), call.operands)
    )


def _kept(kind: str) -> Callable[[Project], Iterable[str]]:
    """The names of what `config` prints under a key: definitions nobody uses are left out."""
    return lambda project: canonical(project).get(kind, ())


def _images(project: Project) -> Iterable[str]:
    for name, service in project.services.items():
        if service.image or service.build:
            yield service.image or f"{project.name}-{name}"


def _models(project: Project) -> Iterable[str]:
    return (project.models[name].model for name in _kept("models")(project))


def _profiles(project: Project) -> Iterable[str]:
    services = (*project.services.values(), *project.disabled_services.values())
    return sorted({profile for service in services for profile in service.profiles})


_LISTS: tuple[tuple[str, Callable[[Project], Iterable[str]]], ...] = (
    ("services", lambda project: project.services),
    ("volumes", _kept("volumes")),
    ("networks", _kept("networks")),
    ("images", _images),
    ("models", _models),
    ("profiles", _profiles),
)


def _hashes(call: Invocation, found: Loaded, wanted: str) -> Iterable[str]:
    from composer.spec.fingerprint import fingerprint

    for service in lowered(call, found).services:
        if wanted in ("*", service.name) and service.containers:
            yield f"{service.name} {fingerprint(service.containers[0], service.policy)}"


def _pinned(project: Project) -> dict[str, str]:
    """The images with their digests. Raises UsageError for one that would have to be asked for."""
    images = {name: service.image for name, service in project.services.items() if service.image}
    for name, image in images.items():
        if "@" not in image:
            hint = f"write image: {image}@sha256:…"
            raise UsageError(f"cannot pin the image {image} of {name} to a digest: no registry is asked", hint=hint)
    return images


def _reduced(tree: Tree, services: tuple[str, ...]) -> Tree:
    """Only the services named and what they depend on, directly or through others."""
    if not services:
        return tree
    wanted: dict[str, Any] = {}
    pending = list(services)
    while pending:
        name = pending.pop()
        if name not in wanted and name in tree["services"]:
            wanted[name] = tree["services"][name]
            pending += wanted[name].get("depends_on") or ()
    return {**tree, "services": {name: it for name, it in tree["services"].items() if name in wanted}}


# ---- on paper ---------------------------------------------------------------------------------------------------


def _formatted(call: Invocation, tree: Tree) -> str:
    if call.arguments.text("format") == "json":
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(_without_what_says_nothing(tree), sort_keys=False, allow_unicode=True, width=1000)


def _without_what_says_nothing(tree: Tree) -> Tree:
    """The JSON of docker compose has these keys always, its YAML only where they say something."""
    empty = {"services": ("command", "entrypoint"), "networks": ("ipam",)}
    parts = {
        kind: {
            name: {key: it for key, it in (part or {}).items() if it or key not in keys}
            for name, part in tree[kind].items()
        }
        for kind, keys in empty.items()
        if kind in tree
    }
    return {**tree, **parts}


def _lines(words: Iterable[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def _write(call: Invocation, output: str) -> None:
    path = call.arguments.text("output")
    if path is None:
        sys.stdout.write(output)
        return
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(output)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
