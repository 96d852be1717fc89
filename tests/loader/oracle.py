"""docker compose itself, asked the same question: `docker-compose config`, from a package that the tests may have.

Its `config` needs neither an engine nor a network. It is an optional test dependency (the extra `oracle`) and is
never shipped; where it cannot be installed the tests that compare are skipped and say so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VERSION = "v5.6.1"  # what the differences are written down against
HOME = "/home/someone"
ENVIRONMENT = {"HOME": HOME, "USER": "someone", "TAG": "1.2", "EMPTY": "", "PORT": "8080"}  # all that both are told

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one tool makes of a project: `project` is None where it refuses. `said` is all it printed beside it."""

    project: Tree | None
    said: str

    @property
    def accepted(self) -> bool:
        return self.project is not None


@cache
def missing() -> str | None:
    """Why there is no oracle here; None where there is one."""
    if not _PATH.is_file():
        return f"docker compose {VERSION} is not installed here: pip install -e .[oracle]"
    found = subprocess.run([_PATH, "version", "--short"], capture_output=True, text=True, check=False).stdout.strip()
    if found.removeprefix("v") != VERSION.removeprefix("v"):
        return f"the docker compose here is {found}, and its differences are written down for {VERSION}"
    return None


_PATH = Path(sysconfig.get_path("scripts"), "docker-compose")


def run(
    directory: Path,
    *options: str,
    config: tuple[str, ...] = (),
    environment: Mapping[str, str] = ENVIRONMENT,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """`docker-compose OPTIONS config CONFIG` in `directory`, with this environment and no other."""
    return subprocess.run(
        [_PATH, *options, "config", *config],
        cwd=directory,
        env={"DOCKER_CONFIG": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        input=stdin,
        check=False,
        timeout=60,
    )


def ask(
    directory: Path,
    *options: str,
    config: tuple[str, ...] = (),
    environment: Mapping[str, str] = ENVIRONMENT,
    stdin: str = "",
) -> Answer:
    done = run(directory, *options, config=("--format", "json", *config), environment=environment, stdin=stdin)
    return Answer(json.loads(done.stdout) if done.returncode == 0 else None, done.stderr)


_ROOTFS = re.compile(r"(?<![\w.-])(?:x-)?rootfs:(?=\s)")


def for_docker(text: str) -> str:
    """A Compose file of ours as docker compose takes it: `rootfs` is an extension, and an image stands beside it."""

    def replaced(match: re.Match[str]) -> str:
        begin = text.rfind("\n", 0, match.start()) + 1
        before = text[begin : match.start()]
        joint = f"\n{before}" if not before.strip() else ", "
        return f"image: {IMAGE}{joint}x-rootfs:"

    return _ROOTFS.sub(replaced, text) if not re.search(r"(?<![\w.-])image:", text) else _ROOTFS.sub("x-rootfs:", text)


IMAGE = "oracle"
