"""What is written to a volume is there for other containers, for later ones, and for a person at the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.conftest import Project

pytestmark = [pytest.mark.scenario, pytest.mark.root]

VOLUMES = pytest.mark.parametrize("example", ["examples/volumes/compose.yaml"], indirect=True)


def visits(example: Project, directory: str) -> int:
    return len(example("exec", "-T", "reader", "cat", f"{directory}/visits").splitlines())


@VOLUMES
def test_volumes_outlive_containers_as_their_kind_says(example: Project, busybox_rootfs: Path) -> None:
    example.pycompose.environment["ROOTFS"] = str(busybox_rootfs)
    example("up", "-d")
    example("up", "-d", "--force-recreate")
    assert (visits(example, "/data"), visits(example, "/srv")) == (2, 2)
    example("down")
    example("up", "-d")
    assert (visits(example, "/data"), visits(example, "/srv")) == (3, 1)
    named = example("volume", "inspect", "-f", "{{.Mountpoint}}", f"{example.name}_data").strip()
    assert len((Path(named) / "visits").read_text().splitlines()) == 3
    assert "Read-only" in example("exec", "-T", "reader", "touch", "/data/x", check=False)
    example("down", "-v")
    assert not Path(named).exists()
    assert example("volume", "ls", "-q") == ""
