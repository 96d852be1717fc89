"""What all tests share: places of their own, a small root file system, and the proof that nothing was left behind."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer.linux import nftables
from composer.store.paths import Paths

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 10.0  # seconds that processes on their way out are given
# Set while several test runs share one machine: cgroups of other runs are then not ours to judge.
SHARED_MACHINE = "PYCOMPOSE_TESTS_SHARE_MACHINE" in os.environ
MAY_SET_CLOCK = "PYCOMPOSE_TESTS_MAY_SET_CLOCK" in os.environ


def pytest_configure(config: pytest.Config) -> None:
    """Become the parent of every orphan that a test makes, so that none escapes the count.

    A shell starts what runs in its background with SIGINT and SIGQUIT ignored, and that is inherited; the tests send
    them.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Kernel tests need root, some a machine of their own; without that they are skipped in the open."""
    for item in items:
        if item.get_closest_marker("clock") and not MAY_SET_CLOCK:
            item.add_marker(pytest.mark.skip(reason="sets the clock: see tests/v2/run"))
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root") or item.get_closest_marker("scenario"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    """Fail a test that leaves a process, mount, cgroup, network interface or descriptor behind."""
    looks: dict[str, Callable[[], set[str]]] = {
        "process": _children,
        "mount": _mounts,
        "cgroup": _cgroups,
        "network interface": _interfaces,
        "nftables table": _tables,
        "descriptor": _descriptors,
    }
    before = {kind: look() for kind, look in looks.items()}
    yield
    deadline = time.monotonic() + PATIENCE
    while left := [f"{kind} {it}" for kind, look in looks.items() for it in sorted(look() - before[kind])]:
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + "; ".join(left))
        _reap_orphans(before["process"])
        time.sleep(0.01)  # not synchronisation: the time limit of a check that usually passes at once


def _children() -> set[str]:
    path = f"/proc/self/task/{os.getpid()}/children"
    return {f"{pid} ({_command(pid)})" for pid in Path(path).read_text().split()}


def _command(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words)[:120].decode(errors="replace").strip() or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def patiently(question: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Ask until the answer is yes: for what there is no event for."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.05)


def _reap_orphans(before: set[str]) -> None:
    """Collect orphans that have ended; what `subprocess` waits for itself was there before or is ended by now."""
    for child in _children() - before:
        try:
            os.waitpid(int(child.split()[0]), os.WNOHANG)
        except ChildProcessError:
            pass


def _mounts() -> set[str]:
    return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def _cgroups() -> set[str]:
    if SHARED_MACHINE:
        return set()
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup" in line]
    tops = [top for fields in mounts for top in Path(fields[4]).glob("pycompose*")]
    return {directory for top in tops for directory, _, _ in os.walk(top)}  # what goes meanwhile is passed over


def _interfaces() -> set[str]:
    """On a shared machine those of other runs' networks come and go as well: they are called pc… like our own."""
    names = os.listdir("/sys/class/net")
    return {name for name in names if not (SHARED_MACHINE and name.startswith("pc"))}


def _tables() -> set[str]:
    if SHARED_MACHINE or os.geteuid() != 0:
        return set()
    return {line for line in nftables.run("list tables").splitlines() if "pycompose" in line}


def _descriptors() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue  # the descriptor that listed the directory
    return found


@pytest.fixture
def paths() -> Iterator[Paths]:
    """A run and a root directory of the test's own; short, for socket addresses end at 107 bytes."""
    base = tempfile.mkdtemp(prefix="pc-", dir="/tmp")
    yield Paths(run=f"{base}/run", root=f"{base}/root")
    _remove(base)


def _remove(directory: str) -> None:
    """A launcher that is leaving may take its socket away between the look and the removal: look again."""
    for _ in range(10):
        try:
            return shutil.rmtree(directory)
        except FileNotFoundError:
            continue
    return shutil.rmtree(directory)


@pytest.fixture(scope="session")
def busybox_rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system of one static program under all its names, with three users."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.fail("busybox is missing: run tests/install-packages")
    root = tmp_path_factory.mktemp("busybox")
    for directory in ("bin", "dev", "etc", "home/app", "proc", "root", "sys", "tmp", "var"):
        (root / directory).mkdir(parents=True)
    shutil.copy2(busybox, root / "bin/busybox")
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:1000:\nextra:x:2000:app\n")
    root.chmod(0o755)
    return root


class Pycompose:
    """The command line as a person uses it, over places of the test's own."""

    def __init__(self, paths: Paths, directory: Path) -> None:
        self.paths = paths
        self.directory = directory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")},
            "PYCOMPOSE_RUN": paths.run,
            "PYCOMPOSE_ROOT": paths.root,
            "PYCOMPOSE_ADDRESS_POOLS": "10.213.0.0/17:26",
        }

    def __call__(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        done = subprocess.run(
            self.argv(*words),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            pytest.fail(f"pycompose {' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-I", "-m", "composer", *words]


@pytest.fixture
def pycompose(paths: Paths, tmp_path: Path) -> Iterator[Pycompose]:
    """`pycompose` in a directory of its own; every project it started is taken down at the end."""
    command = Pycompose(paths, tmp_path)
    yield command
    if os.path.isdir(paths.run):
        for project in (name for name in os.listdir(paths.run) if name[0] != "."):
            command("-p", project, "down", "-t", "0", "--remove-orphans")
