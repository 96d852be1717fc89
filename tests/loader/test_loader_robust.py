"""Whatever is in a file, the loader answers with a project or with problems: no traceback, no hang, no bomb."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from composer.errors import InvalidFile, PycomposeError
from composer.loader.codes import Code
from composer.loader.pipeline import load
from composer.loader.problems import Problem
from composer.loader.request import LoadRequest
from tests.loader.bombs import BOMBS

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 11)
)

VALID = """\
name: shop
x-common: &common
  rootfs: /
  restart: on-failure:3
  logging: {driver: json-file, options: {max-size: 10m}}
services:
  web:
    <<: *common
    command: ["python3", "-m", "http.server"]
    environment: {PORT: "${PORT:-80}", DEBUG: no}
    depends_on:
      db: {condition: service_healthy, restart: true}
    ports: ["8080:80/tcp", {target: 443, published: "8443"}]
    volumes: ["./data:/data:ro", {type: tmpfs, target: /run, tmpfs: {size: 1m}}]
    healthcheck: {test: ["CMD", "true"], interval: 1m30s, retries: 3}
    deploy: {resources: {limits: {cpus: "0.5", memory: 64m}}, replicas: 2}
    ulimits: {nofile: {soft: 10, hard: 20}, nproc: 5}
    extra_hosts: ["a=10.0.0.1"]
    blkio_config: {weight: 300, device_read_bps: [{path: /dev/sda, rate: 1mb}]}
  db:
    <<: *common
    extends: {service: base}
    healthcheck: {test: exit 0, start_period: 1s, start_interval: 100ms}
  base:
    rootfs: /
    tmpfs: /tmp:size=1m
    sysctls: [net.core.somaxconn=1024]
    devices: ["/dev/null:/dev/zero:r"]
networks: {front: {ipam: {config: [{subnet: 10.1.0.0/16}]}}}
volumes: {data: }
secrets: {s: {environment: S}}
"""


def answer(text: str) -> None:
    request = LoadRequest(cwd="/nonexistent", files=("-",), stdin=io.StringIO(text), project_name="p")
    try:
        load(request)
    except PycomposeError as error:
        if isinstance(error, InvalidFile):
            for problem in error.problems:
                str(problem)


fuzzing = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
VOCABULARY = (
    "services web db rootfs / ~ image build command environment ports volumes depends_on extends file service networks "
    "healthcheck test deploy limits ${A ${A:-$B} $$ !reset !override <<: *a &a - : , [ ] { } ' \" # | > ? true no 1.5 "
    "0x1 -1 .inf 1e999 include path env_file profiles x-y name version ulimits tmpfs \t \n"
)
WORDS = st.sampled_from(VOCABULARY.split(" "))


@fuzzing
@given(st.text(max_size=200))
@example("services: {a: {rootfs: .inf}}")
def test_any_text_is_answered(text: str) -> None:
    answer(text)


@fuzzing
@given(st.lists(WORDS, max_size=60))
def test_any_words_are_answered(words: list[str]) -> None:
    answer(" ".join(words).replace(" \n ", "\n"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


@fuzzing
@given(st.data())
def test_any_value_at_any_place_is_answered(data: st.DataObject) -> None:
    """A valid file, one line of which is given another value."""
    lines = VALID.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    key, colon, _ = lines[index].partition(":")
    value = data.draw(JSON)
    lines[index] = f"{key}{colon} {value!r}".replace("None", "null")
    answer("\n".join(lines))


@fuzzing
@given(st.integers(0, len(VALID)), st.integers(0, 20), st.text(max_size=5))
def test_a_mutilated_file_is_answered(start: int, length: int, text: str) -> None:
    answer(VALID[:start] + text + VALID[start + length :])


def test_the_file_that_is_mutilated_is_valid() -> None:
    request = LoadRequest(cwd="/nonexistent", files=("-",), stdin=io.StringIO(VALID), project_name="p")
    assert list(load(request).project.services) == ["web", "db", "base"]


@pytest.mark.parametrize("bomb", [BOMB, f"{BOMB}services: *a10\n", "[" * 50_000, "- a\n" * 200_000])
def test_bombs_are_refused_at_once(bomb: str) -> None:
    began = time.thread_time()
    with pytest.raises(InvalidFile) as refusal:
        load(LoadRequest(cwd="/nonexistent", files=("-",), stdin=io.StringIO(bomb), project_name="p"))
    assert time.thread_time() - began < 10  # the work that aliases ask for would take hours
    assert "100000 nodes" in str(refusal.value.problems[0]) or "deeper than" in str(refusal.value.problems[0])


@pytest.mark.parametrize(
    "junk",
    [
        "services:\n" + "".join(f"  s{n}:\n    depends_on: [z{n}]\n" for n in range(12_000)),
        "services:\n  s:\n" + "".join(f"    enviroment{n}: 1\n" for n in range(40_000)),
        "services: {s: {ports: [" + "x," * 90_000 + "]}}",
        "services: {s: {command: [" + "$X," * 90_000 + "]}}",
        "services: {s: {rootfs: '" + "${X:-" * 200_000 + "'}}",
        "a: '" + "${X}" * 250_000 + "'",
    ],
)
def test_a_megabyte_of_junk_is_answered_soon(junk: str) -> None:
    began = time.thread_time()
    answer(junk)
    assert time.thread_time() - began < 10


@pytest.mark.parametrize("name", BOMBS)
def test_nothing_takes_much_memory(name: str) -> None:
    """64 MB beyond what the imports take, for any input up to 1 MB; measured in a process of its own."""
    assert len(BOMBS[name]) <= 1_000_100
    done = subprocess.run(
        [sys.executable, "-m", "tests.loader.bombs", name],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=_capped,
        cwd=Path(__file__).parents[2],
    )
    assert int(done.stdout) < 64 * 1024


def _capped() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (512 * 2**20, 512 * 2**20))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMBS["port ranges"], "ranges of ports and extended services written out"),
        (BOMBS["extends"], "ranges of ports and extended services written out"),
        (BOMBS["too many services"], "more than 5000 services"),
    ],
)
def test_what_grows_without_end_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidFile) as refusal:
        load(LoadRequest(cwd="/nonexistent", files=("-",), stdin=io.StringIO(text), project_name="p"))
    problem = refusal.value.problems[-1]
    assert isinstance(problem, Problem)
    assert (problem.code, says in problem.message) == (Code.TOO_LARGE, True)


def test_a_megabyte_of_services_loads(tmp_path: Path) -> None:
    service = "  s{0}:\n    rootfs: /\n    environment: {{A: b}}\n    labels: {{x: {1}}}\n"
    text = "services:\n" + "".join(service.format(index, "y" * 900) for index in range(1_000))
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    began = time.thread_time()
    assert len(load(LoadRequest(cwd=str(tmp_path))).project.services) == 1_000
    assert time.thread_time() - began < 10
