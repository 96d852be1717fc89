"""The course homework: real Flask and real Redis, with limits, a health check and a count that survives."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scenarios.conftest import EXAMPLES, Project, control_groups, free_port, get

pytestmark = [pytest.mark.scenario, pytest.mark.root]


@pytest.mark.parametrize("example", ["examples/flask-redis/compose.yaml"], indirect=True)
def test_homework(example: Project) -> None:
    if not (EXAMPLES / "flask-redis/rootfs.tar").exists():
        subprocess.run([EXAMPLES / "flask-redis/build-rootfs"], check=True, timeout=600)
    port = free_port()
    example.pycompose.environment["PORT"] = str(port)
    example("up", "-d", "--wait", timeout=300)
    assert get(f"http://127.0.0.1:{port}/") == "Hello, World! I have been seen 1 times.\n"
    assert get(f"http://127.0.0.1:{port}/") == "Hello, World! I have been seen 2 times.\n"

    redis = example.inspect("redis")
    assert redis["HostConfig"]["Memory"] == 524288000
    assert redis["HostConfig"]["NanoCpus"] == 500000000
    assert redis["State"]["Health"]["Status"] == "healthy"
    assert limits_in_force(redis["State"]["Pid"]) == (524288000, (50000, 100000))

    example("down")
    example("up", "-d", "--wait")
    assert get(f"http://127.0.0.1:{port}/") == "Hello, World! I have been seen 3 times.\n"

    example("exec", "-T", "redis", "redis-cli", "save")
    example("--profile", "second", "up", "-d", "--wait")
    assert example("exec", "-T", "redis_2", "redis-cli", "get", "hits") == "3\n"
    data = Path(example("volume", "inspect", "-f", "{{.Mountpoint}}", f"{example.name}_data").strip())
    assert (data / "dump.rdb").stat().st_size > 0
    example("--profile", "second", "down", "-v")
    assert not data.exists()


def limits_in_force(pid: int) -> tuple[int, tuple[int, int]]:
    """(memory in bytes, (CPU microseconds, of how many)) as the cgroup files of a process say it."""
    groups = control_groups(pid)
    if "memory" in groups:
        memory = Path(groups["memory"], "memory.limit_in_bytes").read_text()
        quota = [Path(groups["cpu"], f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")]
    else:
        memory = Path(groups[""], "memory.max").read_text()
        quota = Path(groups[""], "cpu.max").read_text().split()
    return int(memory), (int(quota[0]), int(quota[1]))
