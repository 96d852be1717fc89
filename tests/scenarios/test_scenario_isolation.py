"""A container is its own small world, seen from inside and from outside."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.conftest import Project

pytestmark = [pytest.mark.scenario, pytest.mark.root]

ISOLATION = pytest.mark.parametrize("example", ["examples/isolation/compose.yaml"], indirect=True)
KINDS = ("mnt", "pid", "uts", "ipc", "net")


def inside(example: Project, *command: str, service: str = "box") -> str:
    return example("exec", "-T", service, *command)


@ISOLATION
def test_from_inside(example: Project, busybox_rootfs: Path) -> None:
    example.pycompose.environment["ROOTFS"] = str(busybox_rootfs)
    example("up", "-d", "--wait")
    assert inside(example, "cat", "/proc/1/cmdline").split("\0")[:2] == ["sleep", "infinity"]
    assert inside(example, "hostname").strip() == "in-the-box"
    assert socket.gethostname() != "in-the-box"
    processes = inside(example, "ps", "-o", "pid,comm").splitlines()[1:]
    assert [line.split()[1] for line in processes] == ["sleep", "ps"]


@ISOLATION
def test_from_outside(example: Project, busybox_rootfs: Path) -> None:
    example.pycompose.environment["ROOTFS"] = str(busybox_rootfs)
    example("up", "-d", "--wait")
    pid = example.inspect("box")["State"]["Pid"]
    ours = {kind: Path(f"/proc/self/ns/{kind}").readlink() for kind in KINDS}
    assert all(Path(f"/proc/{pid}/ns/{kind}").readlink() != ours[kind] for kind in KINDS)
    entered = subprocess.run(
        ["nsenter", "-t", str(pid), "-u", "-m", "-p", "hostname"], capture_output=True, text=True, check=True
    )
    assert entered.stdout.strip() == "in-the-box"


@ISOLATION
def test_privileges_differ_where_the_file_says_so(example: Project, busybox_rootfs: Path) -> None:
    example.pycompose.environment["ROOTFS"] = str(busybox_rootfs)
    example("up", "-d", "--wait")
    assert bounding_set(example, "box") == 0xA80425FB
    ours = capabilities("self")
    assert bounding_set(example, "powerful") == ours


@ISOLATION
def test_a_write_does_not_reach_the_lower_root(example: Project, busybox_rootfs: Path) -> None:
    marker = busybox_rootfs / "marker"
    marker.write_text("from below\n")
    example.pycompose.environment["ROOTFS"] = str(busybox_rootfs)
    example("up", "-d", "--wait")
    assert inside(example, "cat", "/marker") == "from below\n"
    inside(example, "sh", "-c", "echo changed > /marker; echo new > /other")
    assert inside(example, "cat", "/marker") == "changed\n"
    assert marker.read_text() == "from below\n"
    assert not (busybox_rootfs / "other").exists()
    marker.unlink()


def bounding_set(example: Project, service: str) -> int:
    return capabilities(str(example.inspect(service)["State"]["Pid"]))


def capabilities(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd")), 16)
