"""What was asked for comes back, whole and in outline."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.spec import codec
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired, Service
from composer.spec.process import Process
from composer.spec.rootfs import HostRoot
from composer.store import wanted
from composer.store.paths import ProjectPaths

DESIRED = Desired(
    "shop",
    tuple(
        Service(name, (ContainerSpec(f"shop-{name}-1", "shop", name, 1, HostRoot(), Process(("echo", "\u2028\n"))),))
        for name in ("web", "db")
    ),
    config_files=("/srv/\udce4 \n/compose.yaml",),
)


@pytest.fixture
def places(tmp_path: Path) -> ProjectPaths:
    return ProjectPaths(run=str(tmp_path), bundles=str(tmp_path))


def test_it_comes_back(places: ProjectPaths) -> None:
    wanted.write(places, DESIRED)
    assert wanted.read(places) == DESIRED
    assert wanted.outline(places) == wanted.Outline(DESIRED.config_files, ("web", "db"))


def test_what_the_form_before_wrote_is_understood(places: ProjectPaths) -> None:
    Path(places.desired).write_bytes(codec.dumps(DESIRED).encode(errors="surrogateescape"))
    assert wanted.read(places) == DESIRED
    assert wanted.outline(places).config_files == DESIRED.config_files


def test_nothing_is_known_where_nothing_was_asked_for(places: ProjectPaths) -> None:
    assert wanted.read(places) is None
    assert wanted.outline(places) == wanted.Outline()


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n[]", b'{"services": 7, "config_files": [7]}', b"\0\xff\n\n"])
def test_damage_is_told_to_who_wants_the_whole(places: ProjectPaths, content: bytes) -> None:
    Path(places.desired).write_bytes(content)
    assert wanted.outline(places) == wanted.Outline()
    with pytest.raises(codec.DecodeError):
        wanted.read(places)
