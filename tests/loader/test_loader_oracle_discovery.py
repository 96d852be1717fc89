"""The same files as docker compose, found the same way: names, parents, overrides, variables, standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.loader import oracle
from tests.loader.comparing import compared, without_extensions
from tests.loader.differences import written

pytestmark = pytest.mark.skipif(oracle.missing() is not None, reason=oracle.missing() or "")

REPOSITORY = Path(__file__).parents[2]


def _services(**images: str) -> str:
    return json.dumps({"services": {name: {"image": image} for name, image in images.items()}})


FILES = {
    "both/compose.yaml": _services(web="yaml"),
    "both/compose.yml": _services(web="yml"),
    "both/docker-compose.yml": _services(web="old"),
    "old/docker-compose.yml": _services(web="old"),
    "old/docker-compose.override.yml": _services(web="over", more="over"),
    "mixed/compose.yml": _services(web="yml"),
    "mixed/compose.override.yaml": _services(web="over"),
    "mixed/docker-compose.override.yml": _services(web="older"),
    "up/compose.yaml": _services(web="above"),
    "up/.env": "TAG=above\n",
    "up/in/deep/file": "",
    "up/with/.env": "TAG=below\n",
    "named/base.yaml": 'name: said\nservices: {web: {image: "a:${TAG}", build: {context: ./web}}}\n',
    "named/over.yaml": "services: {web: {build: {args: {A: b}}, volumes: [./data:/data]}, extra: {image: e}}\n",
    "named/sub/third.yaml": "services: {third: {image: t, build: .}}\n",
    "named/.env": "TAG=from-env\nCOMPOSE_PROJECT_NAME=env-name\n",
    "named/other.env": "TAG=other\nONLY=here\n",
    "named/third.env": "TAG=third\n",
    "file-in-env/.env": "COMPOSE_FILE=a.yaml:b.yaml\nCOMPOSE_PROFILES=x\n",
    "file-in-env/a.yaml": "services: {web: {image: a}, x: {image: o, profiles: [x]}, y: {image: n, profiles: [y]}}\n",
    "file-in-env/b.yaml": _services(web="b"),
    "none/file": "",
    "none-with-override/compose.override.yaml": _services(web="over"),
    "two-documents/compose.yaml": "services: {web: {image: a}}\n---\nservices: {web: {image: b}}\n",
    "Odd Name_9/compose.yaml": _services(web="a"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A command line: `at` is the working directory, `words` come before `config`."""

    at: str
    words: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""


NAMED = ("-f", "base.yaml", "-f", "over.yaml")
CASES = {
    "the best of several names": Case("both"),
    "the old name and its override": Case("old"),
    "an override of another name": Case("mixed"),
    "a file named comes without the override": Case("old", ("-f", "docker-compose.yml")),
    "the parents": Case("up/in/deep"),
    "the environment file beside the file": Case("up/with"),
    "several files": Case("named", NAMED),
    "files in another order": Case("named", ("-f", "over.yaml", "-f", "base.yaml")),
    "a file elsewhere": Case("none", ("-f", "../named/base.yaml")),
    "the directory is that of the first file": Case("named", ("-f", "sub/third.yaml", "-f", "base.yaml")),
    "another project directory": Case("named", ("--project-directory", "..", *NAMED)),
    "a project directory to look in": Case("none", ("--project-directory", "../old")),
    "a name": Case("named", ("-p", "given", *NAMED)),
    "a bad name": Case("named", ("-p", "Not Good", *NAMED)),
    "a name in the environment": Case("named", NAMED, {"COMPOSE_PROJECT_NAME": "shell"}),
    "a name made fit": Case("Odd Name_9"),
    "an environment file": Case("named", ("--env-file", "other.env", *NAMED)),
    "several environment files": Case("named", ("--env-file", "other.env", "--env-file", "third.env", *NAMED)),
    "environment files in the environment": Case("named", NAMED, {"COMPOSE_ENV_FILES": "other.env,third.env"}),
    "no environment file": Case("named", NAMED, {"COMPOSE_DISABLE_ENV_FILE": "1"}),
    "an environment file that is not there": Case("named", ("--env-file", "nope.env", *NAMED)),
    "the shell wins over the file": Case("named", NAMED, {"TAG": "shell"}),
    "files in the environment": Case("named", (), {"COMPOSE_FILE": "base.yaml:over.yaml"}),
    "files in the environment, apart otherwise": Case(
        "named", (), {"COMPOSE_FILE": "base.yaml;over.yaml", "COMPOSE_PATH_SEPARATOR": ";"}
    ),
    "words win over the environment": Case("named", ("-f", "sub/third.yaml"), {"COMPOSE_FILE": "base.yaml"}),
    "files named by the environment file": Case("file-in-env"),
    "a profile": Case("file-in-env", ("--profile", "y")),
    "all profiles": Case("file-in-env", ("--profile", "*")),
    "profiles in the environment": Case("file-in-env", (), {"COMPOSE_PROFILES": "x,y"}),
    "standard input": Case("named", ("-f", "-"), stdin="services: {web: {image: i, build: ./x}}\n"),
    "standard input and a file": Case("named", ("-f", "base.yaml", "-f", "-"), stdin=_services(web="in")),
    "standard input before a file": Case("named", ("-f", "-", "-f", "sub/third.yaml"), stdin=_services(web="in")),
    "nothing on standard input": Case("named", ("-f", "-")),
    "no file": Case("none"),
    "an override alone": Case("none-with-override"),
    "a file that is not there": Case("named", ("-f", "nope.yaml")),
    "a directory as a file": Case("named", ("-f", "sub")),
    "two documents": Case("two-documents"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_files_are_found_alike(case: Case, tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {name: it for name, it in oracle.ENVIRONMENT.items() if name != "TAG"} | dict(case.environment)
    place = tmp_path / case.at
    theirs = oracle.ask(place, *case.words, environment=environment, stdin=case.stdin)
    own = _ours(case, place, environment, "config", "--format", "json")
    assert (own.returncode == 0) == theirs.accepted, f"{own.stderr}\n{theirs.said}"
    if theirs.project is None:
        return
    found = compared(without_extensions(json.loads(own.stdout)), without_extensions(theirs.project))
    assert [f"{path}: {mine!r} {other!r}" for path, mine, other in found if not written(path, mine, other)] == []
    # commands that do not read the files find the same project
    assert (
        f'there is no project "{theirs.project["name"]}"' in _ours(case, place, environment, "exec", "web", "x").stderr
    )


def _ours(case: Case, place: Path, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "composer", *case.words, *words],
        cwd=place,
        env={**environment, "PYTHONPATH": str(REPOSITORY), "PATH": os.environ["PATH"]},
        input=case.stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done
