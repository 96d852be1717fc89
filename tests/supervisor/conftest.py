"""A project for each test, taken down after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.store.paths import Paths
from tests.supervisor.projects import Shop


@pytest.fixture
def shop(paths: Paths, busybox_rootfs: Path) -> Iterator[Shop]:
    shop = Shop(paths, busybox_rootfs, name=Path(paths.run).parent.name)
    yield shop
    shop.down(remove_orphans=True)
