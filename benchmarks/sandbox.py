"""A place of its own for a benchmark: cgroups, network, mounts and process ids, gone when it ends.

Peers such as Docker's daemon set up networks and firewall rules; here they may, and the host does not see it. All that
runs in the sandbox is in one cgroup of each hierarchy, so daemons' work is counted as well as that of the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

INSIDE = "PYCOMPOSE_BENCHMARK_INSIDE"
NAME = f"pycompose-benchmark-{os.getpid()}"
_UNSHARE = ("unshare", "-m", "-n", "-C", "-p", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")


def enter() -> None:
    """Go on within a sandbox: the process is run again there, and this one ends with its exit status."""
    if INSIDE in os.environ:
        _settle(os.environ[INSIDE])
        return
    places = [f"{tree}/{NAME}" for tree in _trees()]
    for place in places:
        _make(Path(place))
    try:
        words = (sys.executable, "-m", _name_of_main(), *sys.argv[1:])
        inner = 'for place in $PLACES; do echo $$ > "$place/cgroup.procs"; done; exec "$@"'
        environment = {**os.environ, INSIDE: NAME, "PLACES": " ".join(places)}
        status = subprocess.run(["sh", "-c", inner, "sh", *_UNSHARE, *words], env=environment, check=False).returncode
    finally:
        for place in places:
            _remove(Path(place))
    sys.exit(status)


def processor() -> float:
    """Seconds of processor that everything in the sandbox has used."""
    v1 = Path("/sys/fs/cgroup/cpuacct/cpuacct.usage")
    if v1.exists():
        return int(v1.read_text()) / 1e9
    words = Path("/sys/fs/cgroup/cpu.stat").read_text().split()
    return int(words[words.index("usage_usec") + 1]) / 1e6


def _name_of_main() -> str:
    spec = sys.modules["__main__"].__spec__
    assert spec is not None, "run it with -m"
    return spec.name


def _trees() -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield place


def _make(place: Path) -> None:
    place.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # v1: empty until somebody fills them, and then nothing may enter
        if (place / name).exists():
            (place / name).write_text((place.parent / name).read_text())


def _remove(place: Path) -> None:
    for directory, _, _ in os.walk(place, topdown=False):
        for _ in range(50):
            try:
                os.rmdir(directory)
                break
            except OSError:  # the last processes are on their way out
                time.sleep(0.02)


def _settle(name: str) -> None:
    for tree in list(_trees()):
        own = f"{tree}/{name}"
        if os.path.isdir(own):
            subprocess.run(["mount", "--bind", own, tree], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
