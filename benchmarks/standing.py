"""A project that stands: what it costs when nothing happens, and how soon it is noticed when something does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import cost
from benchmarks.peers import SCRIPTS, Docker, Pycompose
from composer.planner.lifecycle import FIRST_DELAY_NS

SECONDS = 10.0  # of watching
SETTLING = 2.0  # after a start
LARGE = 1 << 30  # bytes
CHECK = "    healthcheck: {{test: ['CMD', 'true'], interval: {interval}}}\n"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured that has no peer, or whose peer is in `what`."""

    what: str
    value: float
    unit: str
    goal: float

    def __str__(self) -> str:
        reached = "yes" if self.value <= self.goal else "no"
        return f"| {self.what} | {self.value:.3g} {self.unit} | ≤ {self.goal:g} {self.unit} | {reached} |"


def figures(ours: Pycompose, *, services: int, docker: Docker | None) -> Iterator[Figure]:
    """All that there is, with so many services where it matters."""
    yield from _memory_and_rest(ours, services)
    yield _checks(ours)
    yield from _reaction(ours)
    yield from _chain(ours, docker)
    yield from _large_log(ours)


def _memory_and_rest(ours: Pycompose, services: int) -> Iterator[Figure]:
    with _up(ours, ours.write(services)):
        time.sleep(SETTLING)
        all_, before = _memory(), _wakeups()
        yield Figure(f"supervisor and launcher, {services} services, PSS", _of_two(all_), "MB", 40)
        yield Figure(f"all processes of ours, {services} services, PSS", sum(all_.values()), "MB", 42)
        time.sleep(SECONDS)
        yield Figure(f"wake-ups in 10 s, {services} services at rest", _wakeups() - before, "", 0)
    with _up(ours, ours.write(2 * services)):
        more = (sum(_memory().values()) - sum(all_.values())) / services
        yield Figure("each service more, PSS", 1000 * more, "kB", 60)


def _checks(ours: Pycompose) -> Figure:
    with _up(ours, ours.write(20, extra=CHECK.format(interval="1s"))):
        time.sleep(SETTLING)
        found = cost(lambda: time.sleep(SECONDS))
    return Figure("20 health checks a second, of one core, checks included", 100 * found.cpu / found.wall, "%", 6)


def _reaction(ours: Pycompose) -> Iterator[Figure]:
    told, again = [], []
    path = ours.write(1, extra="    restart: always\n")
    with _up(ours, path), _events(ours, path) as events:
        for _ in range(5):
            pid = int(ours("-f", path, "inspect", "--format", "{{.State.Pid}}", "s0"))
            time.sleep(0.5)
            begin = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            told.append(_wait_for(events, "die") - begin)
            again.append(_wait_for(events, "start") - begin)
    yield Figure("kill → event printed", 1000 * min(told), "ms", 10)
    # the first of a series of restarts waits for FIRST_DELAY_NS, which is no reaction
    yield Figure("kill → running again, less the back-off", 1000 * min(again) - FIRST_DELAY_NS / 1e6, "ms", 10)


def _chain(ours: Pycompose, docker: Docker | None) -> Iterator[Figure]:
    """Five services, each waiting for the health of the one before."""
    plain, chained = ours.place / "plain.yaml", ours.place / "chain.yaml"
    plain.write_text(_five(f"rootfs: {ours.root}", chained=False))
    chained.write_text(_five(f"rootfs: {ours.root}", chained=True))
    walls = {}
    for path in (plain, chained):
        walls[path] = min(_wall(ours, str(path)) for _ in range(3))
    yield Figure("5 services gated on health, beyond their start", walls[chained] - walls[plain], "s", 0.3)
    if docker is not None:
        path = docker.place / "docker-chain.yaml"
        path.write_text(_five("image: bench", chained=True))
        begin = time.perf_counter()
        docker.compose("-f", str(path), "up", "-d")
        theirs = time.perf_counter() - begin
        docker.compose("-f", str(path), "down")
        yield Figure("the same as a whole, of docker compose's time", 100 * walls[chained] / theirs, "%", 10)


def soak(ours: Pycompose, restarts: int) -> Iterator[Figure]:
    """What so many restarts of one service leave behind in our processes: the last nine tenths of them."""
    path = ours.place / "soak.yaml"
    path.write_text(
        f"services:\n  s0:\n    rootfs: {ours.root}\n    command: ['true']\n    network_mode: none\n"
        "    deploy: {restart_policy: {condition: any, delay: 1ms}}\n"
    )
    with _up(ours, str(path)):
        _wait_restarts(ours, path, restarts // 10)
        before = _least(memory), _least(_descriptors)
        _wait_restarts(ours, path, restarts)
        after = _least(memory), _least(_descriptors)
    what = f"{restarts} restarts of one service, growth after the first tenth"
    yield Figure(f"{what}, PSS", after[0] - before[0], "MB", 0.5)
    yield Figure(f"{what}, descriptors", after[1] - before[1], "", 0)


def _wait_restarts(ours: Pycompose, path: Path, number: int) -> None:
    while int(ours("-f", str(path), "inspect", "--format", "{{.RestartCount}}", "s0")) < number:
        time.sleep(1)


def _least(question: Callable[[], float]) -> float:
    """Of what goes up and down with every restart."""
    found = []
    for _ in range(40):
        found.append(question())
        time.sleep(0.05)
    return min(found)


def _descriptors() -> float:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid, _ in _own())


def _five(source: str, *, chained: bool) -> str:
    lines = ["services:"]
    for number in range(5):
        lines += [f"  s{number}:", f"    {source}", "    command: [sleep, '10000']", "    stop_grace_period: 0s"]
        lines += ["    healthcheck: {test: ['CMD', 'true'], interval: 1s}"]
        if chained and number:
            lines += [f"    depends_on: {{s{number - 1}: {{condition: service_healthy}}}}"]
    return "\n".join(lines) + "\n"


def _wall(ours: Pycompose, path: str) -> float:
    begin = time.perf_counter()
    ours("-f", path, "up", "-d")
    found = time.perf_counter() - begin
    ours("-f", path, "down")
    return found


def _large_log(ours: Pycompose) -> Iterator[Figure]:
    """`logs` of a gigabyte that a container has printed: when its first line is there, and all of it beside cat."""
    path = ours.place / "talker.yaml"
    talk = f"busybox yes a line of some forty characters, no more | busybox head -c {LARGE}; exec sleep 10000"
    path.write_text(
        f"services:\n  s0:\n    rootfs: {ours.root}\n    command: [sh, -c, '{talk}']\n"
        "    network_mode: none\n    stop_grace_period: 0s\n"
    )
    with _up(ours, str(path)):
        [output] = (ours.place / "state").glob("projects/*/*/log/output")
        while output.stat().st_size < LARGE:
            time.sleep(0.1)
        words = (str(SCRIPTS / "pycompose"), "-f", str(path), "logs", "--no-log-prefix")
        begin = time.perf_counter()
        with subprocess.Popen(words, env={**os.environ, **ours.state}, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            first = time.perf_counter() - begin
            process.kill()
        walls = [min(_drained(ours, *it) for _ in range(3)) for it in (words, ("cat", str(output)))]
    yield Figure("`logs` of 1 GiB, until its first line", 1000 * first, "ms", 100)
    yield Figure("`logs` of 1 GiB through a pipe, as a multiple of cat's time", walls[0] / walls[1], "×", 3)


def _drained(ours: Pycompose, *words: str) -> float:
    """Seconds until a command's standard output has been read to its end."""
    begin = time.perf_counter()
    with subprocess.Popen(words, env={**os.environ, **ours.state}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.raw.read(1 << 20):  # type: ignore[attr-defined]  # a BufferedReader
            pass
    return time.perf_counter() - begin


@contextmanager
def _up(ours: Pycompose, path: str) -> Iterator[None]:
    ours("-f", path, "up", "-d")
    try:
        yield
    finally:
        ours("-f", path, "down")


@contextmanager
def _events(ours: Pycompose, path: str) -> Iterator[subprocess.Popen[str]]:
    words = (str(SCRIPTS / "pycompose"), "-f", path, "events", "--json")
    with subprocess.Popen(words, env={**os.environ, **ours.state}, stdout=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(1)  # it has nothing to say when it listens
            yield process
        finally:
            process.kill()


def _wait_for(events: subprocess.Popen[str], action: str) -> float:
    assert events.stdout is not None
    for line in events.stdout:
        if json.loads(line)["action"] == action:
            return time.perf_counter()
    raise RuntimeError(f"no {action} came")


def _own() -> Iterator[tuple[int, str]]:
    """Our processes: (pid, command line); without the launcher's forks that are on their way to be containers."""
    here = os.readlink("/proc/self/ns/pid")
    for name in os.listdir("/proc"):
        try:
            if not name.isdecimal() or os.readlink(f"/proc/{name}/ns/pid") != here:
                continue
            words = Path(f"/proc/{name}/cmdline").read_text().split("\0")
        except (OSError, ValueError):
            continue
        if "-I" in words[1:2] and any("/composer/" in word for word in words):
            yield int(name), " ".join(words)


def _memory() -> dict[str, float]:
    """Proportional set sizes in MB, by what each is."""
    found: dict[str, float] = {}
    for pid, words in _own():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        [size] = [int(line.split()[1]) for line in rollup if line.startswith("Pss:")]
        name = next(it for it in ("supervisor", "attendant", "launcher", "") if f"/{it}" in words.partition("{")[0])
        found[f"{name} {pid}"] = size / 1000
    return found


def _of_two(found: dict[str, float]) -> float:
    """The supervisor and the launcher; the holder is the smaller one of two with the launcher's name."""
    launchers = [size for name, size in found.items() if name.startswith("launcher")]
    return max(launchers) + sum(size for name, size in found.items() if name.startswith("supervisor"))


def memory() -> float:
    """Proportional set size of all our processes, in MB."""
    return sum(_memory().values())


def _wakeups() -> int:
    """How often our processes went to sleep, or were put to sleep, so far."""
    total = 0
    for pid, _ in _own():
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total
