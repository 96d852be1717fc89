"""While `up` reads its files, the processes it will need import theirs; where it comes to nothing they are gone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.chaos import host
from tests.conftest import Pycompose

pytestmark = pytest.mark.root


def test_up_uses_what_it_has_started_ahead(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    file = (
        f"name: early\nservices: {{web: {{rootfs: {busybox_rootfs}, command: [sleep, '600'], network_mode: none}}}}\n"
    )
    (pycompose.directory / "compose.yaml").write_text(file)
    pycompose("up", "-d")
    (supervisor,) = host.find("supervisor", pycompose.paths.run)
    assert Path(f"/proc/{supervisor}/cmdline").read_bytes().rstrip(b"\0").endswith(b"held")
    pycompose("up", "-d", "--scale", "web=2")
    assert host.find("supervisor", pycompose.paths.run) == [supervisor]


@pytest.mark.parametrize("words", [("up", "-d"), ("up", "-d", "nobody")])
def test_mistakes_leave_nothing(pycompose: Pycompose, busybox_rootfs: Path, words: tuple[str, ...]) -> None:
    mistake = "" if "nobody" in words else ", shape: round"
    (pycompose.directory / "compose.yaml").write_text(f"services: {{web: {{rootfs: {busybox_rootfs}{mistake}}}}}\n")
    assert pycompose(*words, check=False).returncode != 0
    deadline = time.monotonic() + 20
    while host.find("launcher", pycompose.paths.run) or host.find("supervisor", pycompose.paths.run):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # they are nobody's children; bounded
    assert not os.path.exists(pycompose.paths.run)
