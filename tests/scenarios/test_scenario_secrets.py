"""A secret is read by whom it is for, and found nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import EXAMPLES, Project

pytestmark = [pytest.mark.scenario, pytest.mark.root]

SECRETS = pytest.mark.parametrize("example", ["examples/secrets/compose.yaml"], indirect=True)
TOKEN = "hazel-83115-Kq"  # used nowhere else


@SECRETS
def test_a_secret_is_for_one_user(example: Project, busybox_rootfs: Path) -> None:
    example.pycompose.environment |= {"ROOTFS": str(busybox_rootfs), "TOKEN": TOKEN, "GREETER": "Ada"}
    example("up", "-d")
    shown = example("exec", "-T", "vault", "stat", "-c", "%u %g %a", "/run/secrets/token", "/run/secrets/certificate")
    assert shown == "1000 1000 400\n1000 1000 444\n"
    assert example("exec", "-T", "vault", "cat", "/run/secrets/token") == TOKEN
    assert example("exec", "-T", "vault", "cat", "/run/secrets/certificate") == (
        (EXAMPLES / "secrets/certificate.pem").read_text()
    )
    assert example("exec", "-T", "vault", "cat", "/etc/greeting") == "Hello from Ada\n"
    assert "Permission denied" in example("exec", "-T", "guest", "cat", "/run/secrets/token", check=False)
    assert "Read-only" in example("exec", "-T", "-u", "0", "vault", "touch", "/run/secrets/token", check=False)
    assert TOKEN not in example("inspect") + example("logs") + example("ps", "-a", "--no-trunc")
    assert [path for path in written_down(example) if TOKEN.encode() in path.read_bytes()] == []


def written_down(example: Project) -> Iterator[Path]:
    """Everything that pycompose has on disk of the project."""
    for place in (example.pycompose.paths.run, example.pycompose.paths.root):
        for above, _, names in os.walk(place):
            yield from (path for name in names if (path := Path(above, name)).is_file() and not path.is_symlink())
