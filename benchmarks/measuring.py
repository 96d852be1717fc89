"""Pairs of commands, measured in turn within the same minutes, and what comes out as ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import sandbox


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds: by the clock, and of processor by everything that ran."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{1000 * self.wall:.1f} / {1000 * self.cpu:.1f}"


@dataclass(frozen=True, slots=True)
class Costs:
    """The same thing several times."""

    each: tuple[Cost, ...]

    @property
    def median(self) -> Cost:
        return Cost(statistics.median(it.wall for it in self.each), statistics.median(it.cpu for it in self.each))

    @property
    def spread(self) -> float:
        """Half of what lies between the quarters, as a share of the median: of the clock's seconds."""
        walls = [it.wall for it in self.each]
        if len(walls) < 2:
            return 0.0
        low, _, high = statistics.quantiles(walls, n=4, method="inclusive")
        return (high - low) / 2 / statistics.median(walls)


def cost(action: Callable[[], object]) -> Cost:
    processor, begin = sandbox.processor(), time.perf_counter()
    action()
    return Cost(time.perf_counter() - begin, sandbox.processor() - processor)


def in_turn(rounds: int, actions: Mapping[str, Callable[[], Cost]]) -> dict[str, Costs]:
    """Every action once a round, so that what disturbs one disturbs the others."""
    found: dict[str, list[Cost]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            found[name].append(action())
    return {name: Costs(tuple(each)) for name, each in found.items()}


def run(*words: str, **environment: str) -> str:
    """Run a command that must succeed; its standard output."""
    environment = {**os.environ, **environment}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else Python's own modules are compiled by every command
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: status {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
