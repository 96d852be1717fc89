"""`python -m benchmarks.compare [--quick]`: this project beside what its users would otherwise run, pair by pair.

Writes benchmarks/RESULTS.md, or with --quick only says what is worse than there. Every figure is a ratio of things
measured in turn within the same minutes; seconds stand beside it for those who want to see how large they are.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import networks, peers, plot, sandbox, standing
from benchmarks.measuring import Cost, Costs, cost, in_turn, run
from benchmarks.peers import Docker, Pycompose, Runtime
from benchmarks.standing import Figure

RESULTS = Path(__file__).with_name("RESULTS.md")
PLOT = Path(__file__).parents[1] / "docs" / "speed.svg"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `goal` is the ratio that was aimed at, of the clock's seconds unless `of_cpu`."""

    what: str
    ours: Cost
    peer: str
    theirs: Cost
    goal: float | None = None
    spread: float = 0.0
    of_cpu: bool = False

    @property
    def ratios(self) -> tuple[float, float]:
        return self.ours.wall / self.theirs.wall, self.ours.cpu / max(self.theirs.cpu, 1e-6)

    def __str__(self) -> str:
        wall, cpu = self.ratios
        reached = "" if self.goal is None else "yes" if (cpu if self.of_cpu else wall) <= self.goal else "no"
        goal = "" if self.goal is None else f"≤ {self.goal:g}{' of CPU' if self.of_cpu else ''}"
        cells = (
            self.what,
            self.ours,
            self.peer,
            self.theirs,
            f"{wall:.2f} / {cpu:.2f}",
            f"± {100 * self.spread:.0f} %",
        )
        return "| " + " | ".join(map(str, (*cells, goal, reached))) + " |"


HEAD = (
    "| what | ours, ms | beside | theirs, ms | ours : theirs | spread | goal | reached |\n"
    "|---|---|---|---|---|---|---|---|"
)
FIGURES_HEAD = "| what | measured | goal | reached |\n|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it is done, and how thoroughly."""

    place: Path
    root: Path
    rounds: int
    counts: tuple[int, ...]  # of services, for the slope
    projects: tuple[int, ...]  # of services, for whole commands
    standing: int  # services, for what a project costs at rest
    restarts: int  # of one service

    @property
    def ours(self) -> Pycompose:
        return Pycompose(self.place, self.root)


def row(what: str, found: dict[str, Costs], peer: str, *, goal: float | None = None, of_cpu: bool = False) -> Row:
    ours, theirs = found["ours"], found[peer]
    return Row(what, ours.median, peer, theirs.median, goal, max(ours.spread, theirs.spread), of_cpu)


# ---- what is measured -----------------------------------------------------------------------------------------------


def one_more_container(bench: Bench) -> Iterator[Row]:
    """The slope of `up -d` over the number of services, beside one container of a runtime."""
    program = peers.runtime()
    if program is None:
        return
    theirs = Runtime(program, bench.place, bench.root)
    for network, goal in ((False, 0.5), (True, 1.0)):
        walls = [_up_and_down(bench, count, network=network) for count in bench.counts]
        slope = Cost(_slope(bench.counts, [it.wall for it in walls]), _slope(bench.counts, [it.cpu for it in walls]))
        found = in_turn(bench.rounds * 3, {"theirs": partial(_one, theirs)})
        what = f"`up -d`, one more container{' with a bridge' if network else ''}"
        yield Row(what, slope, f"{program} run --detach", found["theirs"].median, goal, found["theirs"].spread)


def one_more_endpoint(bench: Bench) -> Iterator[Row | Figure]:
    """A container's place in a network, without the container."""
    found = networks.measured(str(bench.place), endpoints=30, rounds=bench.rounds)
    yield row("`veth`, one endpoint of a network", found, networks.PEER)
    wall = 1000 * networks.less_the_fork(found).wall
    yield Figure("one endpoint of a network, beyond the fork of its container", wall, "ms", networks.PROMISED)


def growth(bench: Bench) -> Iterator[Figure]:
    """How time and memory grow with the number of services: y = a + b·n^k is fitted, and k told."""
    counts = (*bench.counts, 5 * bench.counts[-1]) if bench.counts[-1] == 200 else bench.counts
    walls, cpus, sizes = [], [], []
    for count in counts:
        path = bench.ours.write(count, network=False)
        found = cost(partial(bench.ours, "-f", path, "up", "-d"))
        walls.append(found.wall)
        cpus.append(found.cpu)
        sizes.append(standing.memory())
        bench.ours("-f", path, "down")
    for what, ys in (("time by the clock", walls), ("processor time", cpus), ("memory", sizes)):
        of = f"{what} of `up -d`" if what != "memory" else "memory of ours"
        yield Figure(f"{of}, exponent over {counts[0]} to {counts[-1]} services", _exponent(counts, ys), "", 1.1)


def _exponent(xs: tuple[int, ...], ys: list[float]) -> float:
    """k of y = y(first) + b·(x - first)^k, by least squares of logarithms over the others."""
    points = [(math.log(x - xs[0]), math.log(max(y - ys[0], 1e-9))) for x, y in zip(xs[1:], ys[1:], strict=True)]
    return _slope(tuple(x for x, _ in points), [y for _, y in points])


def _up_and_down(bench: Bench, services: int, *, network: bool) -> Cost:
    path = bench.ours.write(services, network=network)
    found = cost(lambda: bench.ours("-f", path, "up", "-d"))
    bench.ours("-f", path, "down")
    return found


def _one(theirs: Runtime) -> Cost:
    place = theirs.bundle(0, ["sleep", "10000"])
    found = cost(lambda: theirs.start(0, place))
    theirs.remove(0)
    return found


def _slope(xs: tuple[float, ...], ys: list[float]) -> float:
    """Least squares."""
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    pairs = list(zip(xs, ys, strict=True))
    return sum((x - middle_x) * (y - middle_y) for x, y in pairs) / sum((x - middle_x) ** 2 for x, _ in pairs)


def whole_projects(bench: Bench, docker: Docker) -> Iterator[Row]:
    """Up and down again: files never seen before, and files that are remembered."""
    goals = {1: 3, 5: 8, 20: 20, 50: 30}
    for services in bench.projects:
        ours, theirs = bench.ours.write(services), docker.write(services)
        downs: dict[str, list[Cost]] = {"ours": [], "again": [], "docker compose": []}

        def both(name: str, call: Callable[..., object], path: str, into: dict[str, list[Cost]]) -> Cost:
            if name == "ours":
                bench.ours.forget_files()
            found = cost(partial(call, "-f", path, "up", "-d"))
            into[name].append(cost(partial(call, "-f", path, "down")))
            return found

        ups = in_turn(
            bench.rounds,
            {
                "ours": partial(both, "ours", bench.ours, ours, downs),
                "again": partial(both, "again", bench.ours, ours, downs),
                "docker compose": partial(both, "docker compose", docker.compose, theirs, downs),
            },
        )
        what, goal = f"of {services} service{'s' if services > 1 else ''}", 1 / goals[services]
        yield row(f"`up -d` {what}", ups, "docker compose", goal=goal)
        yield row(f"`up -d` {what}, files remembered", {**ups, "ours": ups["again"]}, "docker compose", goal=goal)
        ended = {name: Costs(tuple(each)) for name, each in downs.items()}
        yield row(f"`down` {what}", ended, "docker compose", goal=1 / 5)


def one_command(bench: Bench, docker: Docker | None) -> Iterator[Row]:
    """`run --rootfs` of true."""
    actions = {
        "ours": lambda: cost(lambda: bench.ours("run", "--rootfs", str(bench.root), "true")),
        "python3 -I -c pass": lambda: cost(lambda: run(sys.executable, "-I", "-c", "pass")),
    }
    if docker is not None:
        actions["docker run --rm"] = lambda: cost(lambda: docker("run", "--rm", "bench", "true"))
    if shutil.which("bwrap"):
        words = (
            "bwrap",
            "--unshare-all",
            "--ro-bind",
            str(bench.root),
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "true",
        )
        actions["bubblewrap"] = lambda: cost(lambda: run(*words))
    found = in_turn(bench.rounds * 3, actions)
    for peer in list(actions)[1:]:
        goal = 0.3 if peer.startswith("docker") else None
        yield row("`run --rootfs` of true", found, peer, goal=goal)


def looking(bench: Bench) -> Iterator[Row]:
    """Commands that look at a running project, and one that enters it."""
    for services, goal in ((1, 2.5), (bench.counts[-1], 4.0)):
        path = bench.ours.write(services)
        bench.ours("-f", path, "up", "-d")
        pid = str(bench.ours("-f", path, "inspect", "--format", "{{.State.Pid}}", "s0")).strip()
        passing = "python3 -I -c pass"
        actions: dict[str, Callable[[], Cost]] = {
            name: partial(cost, partial(bench.ours, "-f", path, *words))
            for name, words in (
                ("ps", ("ps",)),
                ("logs", ("logs",)),
                ("inspect", ("inspect", "s0")),
                ("top", ("top",)),
                ("exec", ("exec", "-T", "s0", "true")),
            )
        }
        actions[passing] = lambda: cost(lambda: run(sys.executable, "-I", "-c", "pass"))
        actions["nsenter"] = partial(cost, partial(run, "nsenter", "-t", pid, "-a", "true"))
        found = in_turn(bench.rounds * 2, actions)
        bench.ours("-f", path, "down")
        for name in ("ps", "logs", "inspect", "top"):
            yield row(f"`{name}`, {services} services", {**found, "ours": found[name]}, passing, goal=goal)
        one, enter = found[passing].median, found["nsenter"].median
        allowed = Cost(one.wall + 1.5 * enter.wall, one.cpu + 1.5 * enter.cpu)
        peer = f"{passing} + 1.5 × nsenter"
        yield Row(f"`exec true`, {services} services", found["exec"].median, peer, allowed, 1.0, found["exec"].spread)


# ---- the page -------------------------------------------------------------------------------------------------------


def machine() -> str:
    name = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    versions = [f"Linux {platform.release()}", f"Python {platform.python_version()}"]
    for words in (("crun", "--version"), ("runc", "--version"), ("bwrap", "--version"), ("dockerd", "--version")):
        versions.append(run(*words).splitlines()[0] if shutil.which(words[0]) else f"{words[0]}: not installed")
    return f"{os.cpu_count()} × {name}; {'; '.join(versions)}."


def rows(bench: Bench) -> Iterator[Row | Figure | str]:
    yield from one_more_container(bench)
    yield from one_more_endpoint(bench)
    yield from looking(bench)
    with peers.docker(bench.place, bench.root) as found:
        if isinstance(found, str):
            yield f"Not measured: {found}."
            yield from one_command(bench, None)
            yield from figures(bench, None)
            return
        yield from one_command(bench, found)
        yield from whole_projects(bench, found)
        yield from figures(bench, found)


def figures(bench: Bench, docker: Docker | None) -> Iterator[Figure]:
    """What is compared with nothing in RESULTS.md, and so is not for --quick."""
    if bench.standing:
        yield from growth(bench)
        yield from standing.figures(bench.ours, services=bench.standing, docker=docker)
        yield from standing.soak(bench.ours, bench.restarts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer services and rounds, under two minutes")
    quick = parser.parse_args().quick
    sandbox.enter()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        bench = Bench(
            place,
            peers.rootfs(place),
            rounds=3 if quick else 7,
            counts=(1, 10, 30) if quick else (1, 10, 50, 100, 200),
            projects=(1, 5) if quick else (1, 5, 20, 50),
            standing=0 if quick else 100,
            restarts=0 if quick else 10_000,
        )
        found: list[Row | Figure | str] = []
        for it in rows(bench):
            print(it, flush=True)
            found.append(it)
    compared = [it for it in found if isinstance(it, Row)]
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    if not quick:
        RESULTS.write_text(_page(found), encoding="utf-8")
        PLOT.write_text(plot.drawn(compared), encoding="utf-8")
    for worse in _worse(list(map(str, compared)), before.splitlines()):
        print(worse)


def _page(found: list[Row | Figure | str]) -> str:
    about = (
        "# Measured side by side\n\n"
        "Written by `make bench`: wall / CPU milliseconds of everything that ran, medians. Compare ratios; the\n"
        "milliseconds are those of one machine at one time. What stands in the way of a goal: docs/speed.md.\n"
    )
    rows = [str(it) for it in found if isinstance(it, Row)]
    figures = [str(it) for it in found if isinstance(it, Figure)]
    notes = [f"{it}\n" for it in found if isinstance(it, str)]
    return "\n".join((about, f"{machine()}\n", HEAD, *rows, "", FIGURES_HEAD, *figures, "", *notes))


def _worse(lines: list[str], earlier: list[str]) -> Iterator[str]:
    """What the committed table has better by more than a quarter: by ratio, as machines differ."""
    before = _ratios(earlier)
    for name, now in _ratios(lines).items():
        if name in before and now > 1.25 * before[name]:
            yield f"worse: {' beside '.join(name)}: {now:.2f}, and was {before[name]:.2f}"


def _ratios(lines: list[str]) -> dict[tuple[str, str], float]:
    """By the clock, of each row."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    width = HEAD.splitlines()[0].count("|") - 1  # of rows: figures have no ratio
    return {
        (row[0], row[2]): float(row[4].partition(" / ")[0])
        for row in cells
        if len(row) == width and row[0].startswith("`")
    }


if __name__ == "__main__":
    main()
