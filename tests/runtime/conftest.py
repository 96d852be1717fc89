"""A machine for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.store.paths import Paths
from tests.runtime.containers import Machine, machine_of


@pytest.fixture
def machine(paths: Paths, busybox_rootfs: Path) -> Iterator[Machine]:
    with machine_of(paths, busybox_rootfs, f"t{Path(paths.run).parent.name}") as machine:
        yield machine
