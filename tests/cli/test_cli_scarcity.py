"""No more room, a read-only disk, no more inodes, descriptors or memory: what runs runs on, and it passes by itself."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from composer.store.paths import Paths
from tests.chaos import host
from tests.conftest import Pycompose, patiently

pytestmark = pytest.mark.root

SHOP = """
name: shop
services:
  web:
    rootfs: ROOT
    stop_grace_period: 0s
    command: [/bin/sh, -c, "while :; do echo tick; sleep 0.05; done"]
    restart: always
  db: {rootfs: ROOT, stop_grace_period: 0s, command: [sleep, "600"]}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "none", disk], check=True)
    yield disk
    # a launcher that is leaving has its log open
    patiently(lambda: not subprocess.run(["umount", disk], check=False, stderr=subprocess.DEVNULL).returncode)


@pytest.fixture
def shop(disk: Path, tmp_path: Path, busybox_rootfs: Path) -> Iterator[Pycompose]:
    """A project that runs, and whose state and logs are all on a small disk."""
    command = Pycompose(Paths(run=f"{disk}/run", root=f"{disk}/root"), tmp_path)
    (tmp_path / "compose.yaml").write_text(SHOP.replace("ROOT", str(busybox_rootfs)))
    command("up", "-d")
    yield command
    command("down", "-t", "0", check=False)


def rows(shop: Pycompose) -> dict[str, dict[str, object]]:
    found = map(json.loads, shop("ps", "-a", "--format", "json").stdout.splitlines())
    return {str(row["Service"]): row for row in found}


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def use_up_inodes(disk: Path) -> Path:
    directory = disk / "many"
    directory.mkdir()
    with suppress(OSError):
        for number in range(1000):
            (directory / str(number)).touch()
    return directory


def is_well(shop: Pycompose) -> bool:
    """Everything works: an end is seen, a restart done, output kept, a container made anew."""
    shop("up", "-d", "--force-recreate", "db")
    before = rows(shop)["web"]["RestartCount"]
    lines = shop("logs", "--no-log-prefix", "web").stdout.count("\n")
    (pid,) = shop("inspect", "-f", "{{.State.Pid}}", "web").stdout.split()
    os.kill(int(pid), 9)
    patiently(lambda: rows(shop)["web"]["RestartCount"] != before and rows(shop)["web"]["State"] == "running")
    patiently(lambda: shop("logs", "--no-log-prefix", "web").stdout.count("\n") > lines)
    return rows(shop)["db"]["State"] == "running"


@pytest.mark.parametrize("use_up", [fill, use_up_inodes])
def test_a_disk_that_takes_nothing_harms_nobody_and_is_got_over(
    shop: Pycompose, disk: Path, use_up: Callable[[Path], Path]
) -> None:
    filler = use_up(disk)
    refused = shop("up", "-d", "--force-recreate", check=False)
    assert refused.returncode == 1
    assert "No space left on device" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    assert "tick" in shop("logs", "-n", "2", "web").stdout
    subprocess.run(["rm", "-r", filler], check=True)
    assert is_well(shop)


def test_a_directory_that_cannot_be_written_to_harms_nobody_and_is_got_over(shop: Pycompose) -> None:
    """A file system with files open for writing cannot be made read-only; directories can."""
    directories = [str(path) for path in Path(shop.paths.run).rglob("*") if path.is_dir()]
    subprocess.run(["chattr", "+i", *directories], check=True)
    try:
        refused = shop("up", "-d", "--force-recreate", check=False)
        assert refused.returncode == 1
        assert "Operation not permitted" in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
        assert "tick" in shop("logs", "-n", "2", "web").stdout
    finally:
        subprocess.run(["chattr", "-i", *directories], check=True)
    assert is_well(shop)


def test_no_more_descriptors_is_told_and_got_over(shop: Pycompose) -> None:
    (launcher,) = host.find("launcher", shop.paths.run)
    few = len(os.listdir(f"/proc/{launcher}/fd")) + 2
    before = resource.prlimit(launcher, resource.RLIMIT_NOFILE)
    resource.prlimit(launcher, resource.RLIMIT_NOFILE, (few, before[1]))
    refused = shop("up", "-d", "--scale", "db=2", check=False)
    assert refused.returncode == 1
    assert "Too many open files" in refused.stderr, refused.stderr
    assert rows(shop)["web"]["State"] == "running"
    assert host.find("launcher", shop.paths.run) == [launcher]
    resource.prlimit(launcher, resource.RLIMIT_NOFILE, before)
    shop("up", "-d", "--scale", "db=2")
    assert is_well(shop)


def least_for_python() -> int:
    """Megabytes of address space with which the interpreter comes as far as our first module."""
    for megabytes in range(8, 64):
        argv = ["prlimit", f"--as={megabytes * 1_000_000}", sys.executable, "-I", "-m", "composer.scarcity"]
        if subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return megabytes
    raise AssertionError("Python needs more than 64 MB")


def test_a_command_without_memory_says_so(shop: Pycompose) -> None:
    """Wherever it runs out: in an import, an extension module, the middle of a file."""
    said = []
    least = least_for_python() + 1
    for megabytes in range(least, least + 28, 2):
        argv = ["prlimit", f"--as={megabytes * 1_000_000}", *shop.argv("up", "-d", "--scale", f"db={megabytes}")]
        done = subprocess.run(
            argv, cwd=shop.directory, env=shop.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode != 0
        said.append(done.stderr)
    ours = "pycompose: there is not enough memory for this command\n"
    assert said.count(ours) > len(said) // 2, said
    for text in said:  # an interpreter that aborts cannot; before ours, an extension may say its own
        assert text.startswith("Fatal Python error") or text.endswith(ours), text
        assert "Traceback" not in text, text
    assert is_well(shop)


@pytest.mark.parametrize("who", ["launcher", "supervisor", "holder"])
def test_no_more_memory_harms_nobody_and_is_got_over(shop: Pycompose, who: str) -> None:
    """A process that gets none any more fails at it, or dies of it: then another one takes its place."""
    (pid,) = host.find(who, shop.paths.run)
    (web,) = shop("inspect", "-f", "{{.State.Pid}}", "web").stdout.split()
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (1, before[1]))
    refused = shop("up", "-d", "--scale", "db=6", check=False)
    assert "Traceback" not in refused.stderr
    assert refused.returncode == 0 or "not enough memory" in refused.stderr, refused.stderr
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, before)
    shop("up", "-d", "--scale", "db=6")
    assert shop("inspect", "-f", "{{.State.Pid}}", "web").stdout.split() == [web]
    assert is_well(shop)
