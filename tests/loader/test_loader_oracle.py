"""The same project as docker compose, key by key, and the same verdict, for every Compose file there is here."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import TypeAlias

import pytest
import yaml

from tests.loader import oracle
from tests.loader.comparing import compared, differences, without_extensions
from tests.loader.differences import ACCEPTED, REFUSED, WRITTEN, written
from tests.loader.embedded import embedded_files

pytestmark = pytest.mark.skipif(oracle.missing() is not None, reason=oracle.missing() or "")

REPOSITORY = Path(__file__).parents[2]
CORPUS = Path(__file__).with_name("corpus")
EXAMPLES = (REPOSITORY / "compose.example.yaml", *sorted(REPOSITORY.glob("examples/*/compose*.yaml")))


def _options(directory: Path) -> tuple[str, ...]:
    command = directory / "options"
    return tuple(shlex.split(command.read_text())) if command.exists() else ()


Projects: TypeAlias = dict[str, tuple[Path, tuple[str, ...]]]


def _expect_agreement(projects: Projects) -> None:
    """Fails with all that differs, so that a run shows everything there is to do."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {name: pool.submit(differences, place, *options) for name, (place, options) in projects.items()}
        found = {name: job.result() for name, job in running.items()}
    if told := [f"{name}\n    " + "\n    ".join(lines) for name, lines in found.items() if lines]:
        pytest.fail("\n".join(told), pytrace=False)


def test_whole_projects_are_read_alike(tmp_path: Path) -> None:
    """A directory of the corpus is a project, its `options` file the command line; a single file is one by itself."""
    projects: Projects = {}
    copytree(CORPUS, tmp_path / "corpus")
    for path in sorted((tmp_path / "corpus").iterdir()):
        if path.is_dir():
            projects[path.name] = (path, _options(path))
        elif path.suffix == ".yaml":
            projects[path.name] = (path.parent, ("-f", path.name))
    assert len(projects) >= 150
    _expect_agreement(projects)


def test_every_way_to_write_a_key_is_read_alike(tmp_path: Path) -> None:
    projects: Projects = {}
    for kind, around in (("service.lines", _around_service), ("top.lines", _around_top)):
        for number, line in enumerate((CORPUS / kind).read_text().splitlines(), start=1):
            if line and not line.startswith("# "):
                place = _with_files(tmp_path / f"{kind}-{number}" / "project")
                (place / "compose.yaml").write_text(around(line))
                projects[line] = (place, ())
    _expect_agreement(projects)


FILES = {
    "a.env": "A=from a\nB=${TAG}\nexport C='lit $x'\n",
    "b.env": 'A=from b\nD="x\\ny"\nE=$A\n',
    "raw.env": "R='q' $x # c\n",
    "labels.txt": "l1=a\nl2=b\n",
    "more-labels.txt": "l2=c\n",
}


def _with_files(place: Path) -> Path:
    place.mkdir(parents=True)
    for name, text in FILES.items():
        (place / name).write_text(text)
    return place


def _around_service(line: str) -> str:
    image = "" if re.match("image:|provider:", line) else "    image: a\n"
    return f"services:\n  web:\n{image}    {line}\n  other: {{image: b}}\n{BESIDE}"


BESIDE = """
networks: {front: {}, back: {}}
volumes: {data: {}}
configs: {conf: {content: hello}}
secrets: {sec: {environment: TAG}}
models: {llm: {model: ai/smollm2}}
"""


def _around_top(line: str) -> str:
    """A line at the top; all that it defines under one of these names is used by a service."""
    used = {
        "networks": "networks: {net: }",
        "volumes": "volumes: ['vol:/data']",
        "configs": "configs: [conf]",
        "secrets": "secrets: [sec]",
        "models": "models: [llm]",
    }.get(line.partition(":")[0], "")
    services = "" if line.startswith("services:") else f"services:\n  web:\n    image: a\n    {used}\n"
    return services + line + "\n"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_examples_are_read_alike(path: Path, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(oracle.for_docker(path.read_text()))
    assert differences(tmp_path) == []


def test_files_within_tests_are_read_alike(tmp_path: Path) -> None:
    """Compose files that stand as texts in the tests of all rooms."""
    projects: Projects = {}
    for number, (where, text) in enumerate(embedded_files(REPOSITORY / "tests")):
        place = _with_files(tmp_path / str(number) / "project")
        (place / "compose.yaml").write_text(oracle.for_docker(text))
        projects[where] = (place, ())
    assert len(projects) >= 40
    _expect_agreement(projects)


def test_the_documentation_lists_every_difference() -> None:
    page = " ".join((REPOSITORY / "docs" / "compose-file.md").read_text().split())
    assert [it.why for it in (*REFUSED, *ACCEPTED, *WRITTEN) if it.why not in page] == []


# ---- what else `config` prints -------------------------------------------------------------------------------------

SHOP = """
name: shop
services:
  web:
    image: "web:${TAG}"
    build: {context: ./web}
    ports: ["${PORT}:80", 81]
    command: "serve --port ${PORT} 'a b'"
    environment: [USER, "B=${EMPTY-x}", "C=${TAG:+alt}", "D=${NOPE:-d ${NADA:-e}}", NOWHERE]
    env_file: [{path: a.env, required: false}]
    depends_on: [db]
    links: ["cache:c"]
    volumes: ["./x:/y", "named:/z", "${WORK:-./w}:/w"]
    secrets: [sec]
    models: [llm]
    cpus: "${CPUS:-1}"
    labels: {price: $$5}
  db: {image: "db@sha256:0ed5d5928d4737458944eb604cc8509e245c3e19d02ad83935398bc4b991aac7", networks: {net: }}
  cache: {build: ., networks: [net, default]}
  tool: {image: t, profiles: [tools]}
networks: {net: , unused: }
volumes: {named: , unused: }
secrets: {sec: {file: ./sec}}
models: {llm: {model: ai/x}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    place = _with_files(tmp_path / "shop")
    (place / "compose.yaml").write_text(SHOP)
    return place


def _ours(place: Path, *config: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "composer", "config", *config],
        cwd=place,
        env={**oracle.ENVIRONMENT, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("option", ["--services", "--volumes", "--networks", "--images", "--profiles", "--models"])
def test_lists_are_the_same(shop: Path, option: str) -> None:
    assert sorted(_ours(shop, option).split()) == sorted(oracle.run(shop, config=(option,)).stdout.split())


def test_the_environment_is_the_same(shop: Path) -> None:
    (shop / ".env").write_text("FROM_FILE='a b'\nTAG=loses\n")
    theirs = oracle.run(shop, config=("--environment",)).stdout.splitlines()
    own = _ours(shop, "--environment").splitlines()
    ignored = ("DOCKER_CONFIG=", "PYTHONPATH=", "PWD=", "LC_CTYPE=")
    assert [it for it in own if not it.startswith(ignored)] == [it for it in theirs if not it.startswith(ignored)]


def test_variables_are_the_same(shop: Path) -> None:
    theirs = json.loads(oracle.run(shop, config=("--variables", "--format", "json")).stdout)
    own = json.loads(_ours(shop, "--variables", "--format", "json"))
    assert {name: (it["required"], it["default"], it["alternative"]) for name, it in own.items()} == {
        name: (it["Required"], it["DefaultValue"], it["PresenceValue"]) for name, it in theirs.items()
    }


@pytest.mark.parametrize(
    "option", ["--no-path-resolution", "--no-env-resolution", "--no-consistency", "--no-normalize"]
)
def test_what_is_not_done_is_not_done_alike(shop: Path, option: str) -> None:
    if option == "--no-normalize":  # docker compose then does not know the default network
        (shop / "compose.yaml").write_text(SHOP.replace("[net, default]", "[net]"))
    theirs = oracle.ask(shop, config=(option,)).project
    own = json.loads(_ours(shop, option, "--format", "json"))
    found = compared(without_extensions(own), without_extensions(theirs))
    assert [f"{path}: {mine!r} {other!r}" for path, mine, other in found if not written(path, mine, other)] == []


@pytest.mark.parametrize("option", ["--lock-image-digests", "--resolve-image-digests"])
def test_pinned_images_stay_so(tmp_path: Path, option: str) -> None:
    digest = "sha256:0ed5d5928d4737458944eb604cc8509e245c3e19d02ad83935398bc4b991aac7"
    services = {"web": {"image": f"example/web:1@{digest}"}, "db": {"image": f"db@{digest}"}}
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": services}))
    theirs = yaml.safe_load(oracle.run(tmp_path, config=(option,)).stdout)["services"]
    own = yaml.safe_load(_ours(tmp_path, option))["services"]
    assert {name: it["image"] for name, it in own.items()} == {name: it["image"] for name, it in services.items()}
    assert own.keys() == theirs.keys()
    assert all(digest in it["image"] for it in theirs.values())  # which writes the registry as well


def test_images_that_are_not_pinned_are_told(shop: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _ours(shop, "--lock-image-digests")
    assert "cannot pin the image web:1.2 of web to a digest: no registry is asked" in refused.value.stderr


def test_yaml_is_what_docker_compose_writes(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("name: x\nservices: {web: {image: a, command: [b]}, db: {image: c}}\n")
    assert yaml.safe_load(_ours(tmp_path)) == yaml.safe_load(oracle.run(tmp_path).stdout)


def test_no_interpolate_prints_the_same_project(shop: Path) -> None:
    """docker compose reads what we print with the variables in it, and what we print without."""
    before = oracle.ask(shop)
    printed = _ours(shop, "--no-interpolate")
    assert "${WORK:-./w}:/w" in printed
    assert "web:${TAG}" in printed
    (shop / "compose.yaml").write_text(printed)
    found = compared(before.project, oracle.ask(shop).project)
    assert [it for it in found if not written(*it)] == []


def test_what_we_print_is_the_same_project_to_docker_compose(shop: Path) -> None:
    before = oracle.ask(shop)
    for form in ("yaml", "json"):
        (shop / "compose.yaml").write_text(SHOP)
        (shop / "compose.yaml").write_text(_ours(shop, "--format", form))
        found = compared(oracle.ask(shop).project, before.project)
        assert [it for it in found if not written(*it)] == []


def test_hashes_tell_a_change_apart_from_none(tmp_path: Path) -> None:
    """The numbers are each tool's own; their shape, and when they change, are the same."""
    place = tmp_path / "project"
    place.mkdir()
    lines = {}
    for number, image in enumerate(("one", "one", "two")):
        text = f"services: {{web: {{image: x, command: x, x-rootfs: /, environment: {{A: {image}}}}}}}"
        (place / "compose.yaml").write_text(text)
        lines[number] = (_ours(place, "--hash", "web"), oracle.run(place, config=("--hash", "web")).stdout)
    for own in zip(*lines.values(), strict=True):
        assert re.fullmatch(r"web [0-9a-f]{64}\n", own[0])
        assert own[0] == own[1] != own[2]
