"""`pycompose config`"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import yaml

from composer.cli.invocation import Invocation
from composer.cli.loading import loaded, lowered
from composer.cli.options import Command, Option, switch, text
from composer.errors import HostError
from composer.loader.canonical import canonical
from composer.loader.request import Loaded
from composer.spec.fingerprint import fingerprint

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose config --format json web",
    options=(
        switch("--environment", help="Print the variables that the files may use"),
        text("--format", metavar="FORMAT", choices=("yaml", "json"), help="yaml or json"),
        text("--hash", metavar="SERVICE", help="Print what tells a changed configuration, of one service or of *"),
        switch("--networks", help="Print the names of networks"),
        switch("--no-interpolate", help="Leave variables as they are written"),
        text("--output", "-o", metavar="FILE", help="Write to a file"),
        switch("--profiles", help="Print the names of profiles"),
        switch("--quiet", "-q", help="Only check"),
        switch("--services", help="Print the names of services"),
        switch("--volumes", help="Print the names of volumes"),
        Option("--no-consistency", hidden=True),
        Option("--no-normalize", hidden=True),
    ),
)

Tree = dict[str, Any]  # what canonical gives: plain data as YAML and JSON have it


def run(call: Invocation) -> int:
    interpolate = not call.arguments.switch("no-interpolate")
    found = loaded(call, services=call.operands, interpolate=interpolate)
    if not call.arguments.switch("quiet"):
        _write(call, _text(call, found, interpolate=interpolate))
    return 0


def _text(call: Invocation, found: Loaded, *, interpolate: bool) -> str:
    given, project = call.arguments, found.project
    if service := given.text("hash"):
        return _lines(_hashes(found, service))
    if given.switch("environment"):
        return _lines(f"{name}={value}" for name, value in sorted(found.environment.items()))
    listed = {
        "services": project.services,
        "volumes": project.volumes,
        "networks": project.networks,
        "profiles": _profiles(found),
    }
    for key, names in listed.items():
        if given.switch(key):
            return _lines(names)
    tree = _reduced(canonical(project, escape=interpolate), call.operands)
    if given.text("format") == "json":
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=1000)


def _profiles(found: Loaded) -> list[str]:
    services = (*found.project.services.values(), *found.project.disabled_services.values())
    return sorted({profile for service in services for profile in service.profiles})


def _hashes(found: Loaded, wanted: str) -> Iterable[str]:
    for service in lowered(found).services:
        if wanted in ("*", service.name) and service.containers:
            yield f"{service.name} {fingerprint(service.containers[0], service.policy)}"


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
