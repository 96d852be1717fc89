"""The schema that editors use: it is the model's, takes what the loader takes, and knows what a schema can know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from composer.loader import long_form
from composer.loader.parse import parse
from composer.loader.problems import Problems
from composer.loader.schema import ALSO, as_text
from composer.loader.tree import plain
from tests.loader.generate_schema import SHIPPED
from tests.loader.golden import Case, answer, cases
from tests.loader.test_loader_robust import VALID

REPOSITORY = Path(__file__).parents[2]
SCHEMA = json.loads(SHIPPED.read_text(encoding="utf-8"))
CHECK = jsonschema.Draft7Validator(SCHEMA)


def mistakes(text: str) -> list[str]:
    documents = parse(text.encode(), file="compose.yaml", problems=Problems())
    return [error.message for document in documents for error in CHECK.iter_errors(plain(document))]


def test_the_shipped_file_is_what_the_model_says() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == as_text(), "run `make schema`"
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_every_short_form_is_in_the_schema() -> None:
    elsewhere = {"services.*", "services.*.logging.options", "configs.*", "secrets.*"}  # keys of the part itself
    inner = {f"{place}.*" for place in long_form.PLACES}
    assert {place for place in long_form.PLACES if place not in ALSO and f"{place}.*" not in ALSO} == elsewhere
    assert {place for place in ALSO if place not in long_form.PLACES and place not in inner} == {
        "networks.*.external",
        "volumes.*.external",
        "configs.*.external",
        "secrets.*.external",
        "jobs.*.triggers.schedule.*",
    }


def _valid_files() -> Iterator[Any]:
    for path in sorted(REPOSITORY.rglob("*compose*.y*ml")):
        if not {".venv", "corpus"} & set(path.parts):  # the corpus has bad files too
            yield pytest.param(path.read_text(), id=str(path.relative_to(REPOSITORY)))
    yield pytest.param(VALID, id="fuzzing ground")


@pytest.mark.parametrize("text", list(_valid_files()))
def test_valid_files_are_taken(text: str) -> None:
    assert mistakes(text) == []


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_what_the_loader_takes_the_schema_takes(tmp_path: Path, case: Case) -> None:
    """Of each golden file: a schema has no mistakes of its own."""
    if not any(problem.severity == "error" for problem in answer(tmp_path, case.files)[1]):
        assert [mistake for text in case.files.values() if "services:" in text for mistake in mistakes(text)] == []


@pytest.mark.parametrize(
    "line",
    [
        "enviroment: {A: b}",
        "healthcheck: {tset: x}",
        "deploy: {resource: {}}",
        'ports: "80:80"',
        "ports: [{published: 80}]",
        "depends_on: {db: {condition: service_helthy}}",
        "depends_on: {db: {restart: true}}",
        "mem_limit: 64x",
        "mem_limit: lots",
        "mem_limit: 1.5",
        "cpus: half",
        "healthcheck: {test: x, interval: 30}",
        "healthcheck: {test: x, interval: 30 secs}",
        "restart: sometimes",
        "restart: on-failure:abc",
        "stop_signal: SIGFOO",
        "stop_grace_period: -5s",
        "oom_score_adj: 2000",
        "blkio_config: {weight: 5}",
        "tty: maybe",
        "environment: {A: [1]}",
        "environment: [1]",
        "labels: {a: {b: c}}",
        "hostname: 5",
        "user: 1000",
        "x-on-unhealthy: reboot",
        "pid: hots",
        "ulimits: {nofile: {soft: 2}}",
        "volumes: [{target: /a}]",
        "volumes: [{type: bind, source: /a, target: b}]",
        "deploy: {restart_policy: {condition: maybe}}",
        "logging: {options: {mode: sometimes}}",
        "extends: {sevice: x}",
    ],
)
def test_typed_mistakes_are_refused(tmp_path: Path, line: str) -> None:
    text = f"services:\n  web:\n    rootfs: /\n    command: x\n    {line}\n"
    assert mistakes(text)
    assert any(problem.severity == "error" for problem in answer(tmp_path, {"compose.yaml": text})[1])


@pytest.mark.parametrize(
    "line",
    [
        "x-rootfs: ./root.tar",
        "x-on-unhealthy: restart",
        "x-mine: [anything]",
        "environment: [A=b, C]",
        "environment: {A: , B: 1, C: true, D: x}",
        "ports: [80, '8080:80', {target: 80, published: '8000-8010'}]",
        "restart: no",
        "restart: on-failure:3",
        "restart: ${RESTART:-always}",
        "cpus: ${CPUS}",
        "cpus: '0.5'",
        "mem_limit: 512mb",
        "mem_limit: 1000000",
        "memswap_limit: -1",
        "stop_grace_period: 1m30.5s",
        "stop_signal: RTMIN+3",
        "healthcheck: {test: curl localhost, interval: 0}",
        "depends_on: [db]",
        "depends_on: {db: {condition: service_started}}",
        "networks: {default: }",
        "ulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}",
        "build: .",
        "build: {context: ., args: [A=1], secrets: [s]}",
        "env_file: a.env",
        "env_file: [a.env, {path: b.env, required: false}]",
        "secrets: [s, {source: s, mode: 0440}]",
        "extends: base",
        "tmpfs: /run:size=64m",
        "pid: service:db",
        "extra_hosts: ['a=10.0.0.1']",
        "extra_hosts: {a: 10.0.0.1, b: [10.0.0.2]}",
        "gpus: all",
        "logging: {driver: x, options: {max-size: 10m, syslog-address: tcp}}",
        "sysctls: [a.b=1]",
        "volumes: ['./a:/b:ro', {type: tmpfs, target: /c, tmpfs: {size: 1m}}]",
        "init: 'true'",
        "post_start: [{command: echo x}]",
    ],
)
def test_short_forms_and_our_own_keys_are_taken(line: str) -> None:
    assert mistakes(f"services:\n  web:\n    rootfs: /\n    {line}\n") == []
