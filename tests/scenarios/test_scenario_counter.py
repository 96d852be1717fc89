"""The first file anybody runs: no download, a page that counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.conftest import Project, free_port, get

pytestmark = [pytest.mark.scenario, pytest.mark.root]


@pytest.mark.parametrize("example", ["compose.example.yaml"], indirect=True)
def test_the_page_counts_and_the_count_survives(example: Project, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "data").mkdir()
    example.pycompose.environment |= {"PORT": str(port), "DATA": str(tmp_path / "data")}
    example("up", "-d", "--wait")
    assert "seen 1 times" in get(f"http://127.0.0.1:{port}/")
    assert "seen 2 times" in get(f"http://127.0.0.1:{port}/")
    assert example.status("web")["Health"] == "healthy"
    example("down")
    assert example("ps", "-a", "-q", check=False).strip() == ""
    example("up", "-d", "--wait")
    assert "seen 3 times" in get(f"http://127.0.0.1:{port}/")
    assert f"http://127.0.0.1:{port}/" in example("logs", "web")


@pytest.mark.parametrize("example", ["compose.example.yaml"], indirect=True)
def test_a_second_up_changes_nothing(example: Project, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    example.pycompose.environment |= {"PORT": str(free_port()), "DATA": str(tmp_path / "data")}
    example("up", "-d", "--wait")
    before = example("ps", "-q")
    pids = [example.inspect(service)["State"]["Pid"] for service in ("store", "web")]
    example("up", "-d", "--wait")
    assert example("ps", "-q") == before
    assert [example.inspect(service)["State"]["Pid"] for service in ("store", "web")] == pids
