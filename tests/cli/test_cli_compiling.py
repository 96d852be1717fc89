"""What Compose files came to is remembered, and only as long as nothing that it came of has changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from composer.cli.compiling import Compiled, compiled
from composer.cli.invocation import Console, Invocation, invocation
from composer.cli.options import GLOBAL
from composer.cli.parse import Arguments, split

pytestmark = pytest.mark.root

COMPOSE = """\
include: [part/compose.yaml]
services:
  web:
    extends: {file: base.yaml, service: web}
    rootfs: ./root
    command: ["serve", "${WORD:-none}"]
    environment: [INHERITED]
    env_file: [{path: web.env, required: false}, must.env]
  tool: {rootfs: ./root, command: [tool], profiles: [tools]}
"""
FILES = {
    "compose.yaml": COMPOSE,
    "base.yaml": "services: {web: {labels: {from: base}}}",
    "part/compose.yaml": 'services: {part: {rootfs: ../root, command: ["${PART:-none}"]}}',
    "must.env": "MUST=1\nSAYS=${SAID:-nothing}\n",
}


@dataclass
class Desk:
    """A directory with a project, and somebody who calls `up` there."""

    top: Path
    environment: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    services: tuple[str, ...] = ()
    scale: Mapping[str, int] = field(default_factory=dict)
    cwd: str = "project"

    @property
    def call(self) -> Invocation:
        places = {"PYCOMPOSE_RUN": f"{self.top}/run", "PYCOMPOSE_ROOT": f"{self.top}/state", "HOME": str(self.top)}
        arguments = Arguments()
        split(self.words, GLOBAL, arguments=arguments)
        environment = {**places, **self.environment}
        cwd = str(self.top / self.cwd)
        return invocation("up", arguments, environment=environment, cwd=cwd, uid=0, console=Console())

    def ask(self) -> Compiled:
        answer = compiled(self.call, services=self.services, scale=self.scale)
        answer.remember(self.call)
        return answer

    def write(self, name: str, content: str) -> None:
        path = self.top / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    for name, content in FILES.items():
        desk.write(name, content)
    (tmp_path / "project/root").mkdir()
    return desk


def is_remembered(answer: Compiled) -> bool:
    return answer.found is None


def archive(desk: Desk) -> None:
    (desk.top / "project/root").rmdir()
    desk.write("root", "")


def move(desk: Desk) -> None:
    shutil.copytree(desk.top / "project", desk.top / "other")
    desk.cwd = "other"


CHANGES: dict[str, Callable[[Desk], None]] = {
    "the file": lambda desk: desk.write("compose.yaml", COMPOSE.replace("serve", "wait")),
    "a file of the same length": lambda desk: desk.write("compose.yaml", COMPOSE.replace("serve", "SERVE")),
    "a file that is extended": lambda desk: desk.write("base.yaml", "services: {web: {labels: {from: afar}}}"),
    "a file that is included": lambda desk: desk.write(
        "part/compose.yaml", "services: {part: {rootfs: ../root, command: [x]}}"
    ),
    "an .env file of what is included": lambda desk: desk.write("part/.env", "PART=1"),
    "an .env file": lambda desk: desk.write(".env", "WORD=1"),
    "an env file": lambda desk: desk.write("must.env", "MUST=2"),
    "an env file that was not there": lambda desk: desk.write("web.env", "MAY=1"),
    "an override": lambda desk: desk.write("compose.override.yaml", "services: {web: {labels: {more: '1'}}}"),
    "a file that is not used": lambda desk: desk.write("compose.yml", "services: {}"),
    "a variable in the file": lambda desk: desk.environment.update(WORD="1"),
    "a variable that a service inherits": lambda desk: desk.environment.update(INHERITED="1"),
    "a variable in an env file": lambda desk: desk.environment.update(SAID="1"),
    "a variable in what is included": lambda desk: desk.environment.update(PART="1"),
    "a variable that names the project": lambda desk: desk.environment.update(COMPOSE_PROJECT_NAME="shop"),
    "a variable that names profiles": lambda desk: desk.environment.update(COMPOSE_PROFILES="tools"),
    "a variable that names subnets": lambda desk: desk.environment.update(PYCOMPOSE_ADDRESS_POOLS="10.9.0.0/16:24"),
    "a profile": lambda desk: desk.words.extend(["--profile", "tools"]),
    "a name": lambda desk: desk.words.extend(["-p", "shop"]),
    "a service": lambda desk: setattr(desk, "services", ("tool",)),
    "a number of containers": lambda desk: setattr(desk, "scale", {"web": 3}),
    "a root file system that is an archive now": archive,
    "another directory": move,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_seen(desk: Desk, change: str) -> None:
    before = desk.ask()
    assert not is_remembered(before)
    again = desk.ask()
    assert is_remembered(again)
    assert (again.desired, again.services) == (before.desired, before.services)
    CHANGES[change](desk)
    after = desk.ask()
    assert not is_remembered(after)
    shutil.rmtree(desk.call.paths.compiled)
    assert desk.ask().desired == after.desired
    assert desk.ask().desired == after.desired


def test_a_variable_that_nobody_asks_for_changes_nothing(desk: Desk) -> None:
    desk.ask()
    desk.environment["SSH_CLIENT"] = "somewhere else"
    assert is_remembered(desk.ask())


def test_warnings_are_repeated(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.write("compose.yaml", f"version: '3'\n{COMPOSE}")
    desk.ask()
    said = capsys.readouterr().err
    assert "version" in said
    assert is_remembered(desk.ask())
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("damage", [b"", b"{", b'{"question": 1}', b"\xff"])
def test_a_damaged_memory_is_none(desk: Desk, damage: bytes) -> None:
    desired = desk.ask().desired
    (entry,) = Path(desk.call.paths.compiled).iterdir()
    entry.write_bytes(damage)
    answer = desk.ask()
    assert not is_remembered(answer)
    assert answer.desired == desired
    assert is_remembered(desk.ask())


def test_memory_is_bounded_and_closed_to_others(desk: Desk) -> None:
    for number in range(70):
        desk.words = ["-p", f"shop{number}"]
        desk.ask()
    directory = Path(desk.call.paths.compiled)
    assert len(list(directory.iterdir())) == 64
    assert directory.stat().st_mode & 0o777 == 0o700
    assert is_remembered(desk.ask())


def test_secrets_and_what_comes_through_a_pipe_are_not_remembered(desk: Desk) -> None:
    desk.write("compose.yaml", "services: {a: {rootfs: ./root, command: [x], secrets: [s]}}\nsecrets: {s: {file: s}}")
    desk.write("s", "secret")
    desk.ask()
    assert not is_remembered(desk.ask())
    for _ in range(2):
        reader, writer = os.pipe()
        os.write(writer, b"services: {b: {rootfs: /, command: [x]}}")
        os.close(writer)
        desk.words = ["-f", f"/dev/fd/{reader}", "-p", "piped"]
        answer = desk.ask()
        os.close(reader)
        assert not is_remembered(answer)
        assert answer.services == ("b",)


def test_neither_yaml_nor_pydantic_is_imported_for_what_is_remembered(desk: Desk) -> None:
    code = (
        "import sys; from composer.cli.main import main; status = main(sys.argv[1:]); "
        "print([it for it in ('yaml', 'pydantic') if it in sys.modules]); sys.exit(status)"
    )
    environment = {**os.environ, **desk.call.environment}
    command = [sys.executable, "-c", code, "up", "--dry-run", "--format", "json"]
    said = []
    for _ in range(2):
        done = subprocess.run(command, cwd=desk.call.cwd, env=environment, capture_output=True, text=True, check=True)
        plan, _, imported = done.stdout.rstrip().rpartition("\n")
        said.append((json.loads(plan), imported))
        desk.ask()
    assert said[0][0] == said[1][0]
    assert (said[0][1], said[1][1]) == ("['yaml', 'pydantic']", "[]")
