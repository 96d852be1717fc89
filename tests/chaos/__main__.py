"""`python -m tests.chaos --rounds N --seed S`: see the package. Exit status 1 after the first round that fails."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.chaos import host, script, services
from tests.chaos.host import Reaper
from tests.chaos.stage import Stage, play


def main() -> int:
    given = _arguments()
    if os.geteuid() != 0:
        print("chaos: needs root", file=sys.stderr)
        return 1
    if given.show:
        drawn = services.draw(random := Random(given.seed))
        print(*drawn, *script.draw(random, drawn), sep="\n")
        return 0
    seeds = range(given.seed, given.seed + given.rounds)
    if given.jobs > 1:
        return _side_by_side(seeds, given.jobs)
    return _play_all(seeds[:: given.stride], seconds=given.seconds, goes_on=given.go_on)


def _side_by_side(seeds: range, jobs: int) -> int:
    """Share the rounds among several processes: most of a round is waiting."""
    own = [sys.executable, "-m", "tests.chaos", *sys.argv[1:], "--jobs", "1", "--stride", str(jobs)]
    shares = [("--seed", str(share[0]), "--rounds", str(len(seeds) - first)) for first, share in _shares(seeds, jobs)]
    players = [subprocess.Popen([*own, *share]) for share in shares]
    return max(player.wait() for player in players)


def _shares(seeds: range, jobs: int) -> list[tuple[int, range]]:
    return [(first, share) for first in range(jobs) if (share := seeds[first::jobs])]


def _play_all(seeds: range, *, seconds: float, goes_on: bool) -> int:
    host.isolate()
    reaper = Reaper()
    base = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    rootfs = services.make_rootfs(base / "rootfs")
    began = time.monotonic()
    failed = 0
    for number, seed in enumerate(seeds):
        if seconds and time.monotonic() - began > seconds:
            print(f"chaos: time is up: {len(seeds) - number} rounds are not played", flush=True)
            break
        stage = play(seed, base / str(seed), rootfs=rootfs, reaper=reaper)
        _tell(stage, seed)
        failed += bool(stage.problems)
        if failed and not goes_on:
            break
    reaper.stop()
    if not failed:
        shutil.rmtree(base)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next ones count up")
    parser.add_argument("--seconds", type=float, default=0, help="begin no round after so many")
    parser.add_argument("--go-on", action="store_true", help="do not end after a failed round")
    parser.add_argument("--jobs", type=int, default=1, help="so many rounds side by side")
    parser.add_argument("--stride", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--show", action="store_true", help="print what a seed stands for and do nothing")
    return parser.parse_args()


def _tell(stage: Stage, seed: int) -> None:
    took = time.monotonic() - stage.began
    containers = sum(service.scale for service in stage.services)
    if not stage.problems:
        print(f"chaos: seed {seed}: {containers} containers, {took:.0f} s: well", flush=True)
        return
    print(f"chaos: seed {seed}: FAILED after {took:.0f} s; again with: make chaos ROUNDS=1 SEED={seed}")
    print(f"       diary, project, records and logs: {stage.base}")
    print(*stage.diary, sep="\n")
    print(*stage.problems, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
