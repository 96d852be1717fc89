"""One round: a script performed on a real project, the project brought to rest, everything compared."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from composer.store.paths import Paths
from tests.chaos import host, invariants, script, services
from tests.chaos.host import Reaper
from tests.chaos.script import Command, Freeze, Kill, Step, Victim
from tests.chaos.services import Service

LONGEST_COMMAND = 90.0  # seconds, frozen processes and a busy machine included
PATIENCE = 20.0  # seconds for things to become as they should


@dataclass(slots=True)
class Running:
    """A command that has not been waited for yet."""

    process: subprocess.Popen[str]
    text: str


@dataclass(slots=True)
class Stage:
    """The directories of a round, its commands, and what was seen to be wrong."""

    base: Path
    project: str
    services: tuple[Service, ...]
    reaper: Reaper
    environment: dict[str, str]
    file: Path
    diary: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    timers: list[threading.Timer] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def paths(self) -> Paths:
        return Paths(run=self.environment["PYCOMPOSE_RUN"], root=self.environment["PYCOMPOSE_ROOT"])

    def note(self, text: str) -> None:
        self.diary.append(f"{time.monotonic() - self.began:8.3f}  {text}")

    # ---- commands -----------------------------------------------------------------------------------------------

    def start(self, command: Command) -> Running:
        self.note(str(command))
        argv = [sys.executable, "-I", "-m", "composer", "-f", str(self.file), "-p", self.project, *command.words]
        process = subprocess.Popen(
            argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=self.base,
        )
        self.reaper.owned.add(process.pid)
        running = Running(process, str(command))
        self.running.append(running)
        return running

    def finish(self, running: Running) -> tuple[int, str, str]:
        """Wait for a command's end. One that does not come to it is a problem."""
        self.running.remove(running)
        try:
            output, complaints = running.process.communicate(timeout=LONGEST_COMMAND)
        except subprocess.TimeoutExpired:
            self.problems.append(f"{running.text} hangs")
            running.process.kill()
            output, complaints = running.process.communicate()
        status = running.process.returncode
        self.reaper.owned.discard(running.process.pid)
        last = complaints.strip().splitlines()[-1:] or [""]
        self.note(f"  {running.text} ended with {status} {last[0][:200]}")
        if "Traceback" in complaints:
            self.problems.append(f"{running.text}: a traceback: {complaints}")
        return status, output, complaints

    def must(self, *words: str) -> str:
        """A command that has no excuse to fail."""
        status, output, complaints = self.finish(self.start(Command(words, waits=True)))
        if status != 0:
            self.problems.append(f"pycompose {' '.join(words)} ended with {status}: {complaints[-2000:]}")
        return output

    def must_json(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.must(*words).splitlines()]

    # ---- the script ---------------------------------------------------------------------------------------------

    def perform(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            time.sleep(step.pause)  # the pause is the point
            match step.action:
                case Command() as command:
                    running = self.start(command)
                    if command.waits:
                        self.finish(running)
                case Kill(victim):
                    self._hurt(victim, signal.SIGKILL)
                case Freeze(victim, seconds):
                    pids = self._hurt(victim, signal.SIGSTOP)
                    timer = threading.Timer(seconds, host.send, (pids, signal.SIGCONT))
                    timer.start()
                    self.timers.append(timer)
        for timer in self.timers:
            timer.join()
        for running in list(self.running):
            self.finish(running)

    def _hurt(self, victim: Victim, number: signal.Signals) -> list[int]:
        pids = self._victims(victim)
        if number is signal.SIGKILL and self._are_all(pids):
            self.note(f"{victim.value} {pids} is spared: with it everything that holds the pipes would be gone at once")
            return []
        host.send(pids, number)
        self.note(f"{number.name} to {victim.value} {pids}")
        return pids

    def _are_all(self, pids: list[int]) -> bool:
        """Whether none would be left of those that may be killed in any order, though not all in one moment.

        One that is stopped hands nothing over, and is taken for dead before long.
        """
        there = {pid for kind in host.HOLDERS for pid in host.find(kind, self.paths.run)}
        alive = {pid for pid in there if not host.is_stopped(pid)}
        return bool(alive) and alive <= set(pids)

    def _victims(self, victim: Victim) -> list[int]:
        if victim is Victim.COMMAND:
            alive = [there.process.pid for there in self.running if there.process.poll() is None]
            return alive[-1:]
        kinds = ("supervisor", "launcher") if victim is Victim.BOTH else (victim.value,)
        return [pid for kind in kinds for pid in host.find(kind, self.paths.run)]

    # ---- the end ------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Bring the project up, to rest, and down; at each of these, everything must agree."""
        self.must("up", "-d", "--remove-orphans")
        self._expect("while it runs", lambda: invariants.while_running(self))
        self.must("stop", "-t", "5")
        self._expect("at rest", lambda: invariants.at_rest(self))
        self.must("down", "-t", "1", "--remove-orphans")
        self._expect("after down", lambda: invariants.after_down(self))

    def _expect(self, moment: str, question: Any) -> None:
        if self.problems:
            return
        self.problems += [f"{moment}: {text}" for text in host.patiently(PATIENCE, question)]
        if self.problems:  # what is there tells how it came to that, and `down` is going to take it away
            for directory in (self.paths.run, self.paths.root):
                shutil.copytree(directory, f"{directory}-then", symlinks=True, ignore=_special)


def _special(directory: str, names: list[str]) -> set[str]:
    """What cannot be copied: sockets, FIFOs, devices."""
    paths = {name: Path(directory, name) for name in names}
    return {name for name, path in paths.items() if not (path.is_symlink() or path.is_file() or path.is_dir())}


def play(seed: int, base: Path, *, rootfs: Path, reaper: Reaper) -> Stage:
    """A whole round in a directory of its own. What was wrong is in `problems` of the answer."""
    random = Random(seed)
    drawn = services.draw(random)
    steps = script.draw(random, drawn)
    base.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")},
        "PYCOMPOSE_RUN": f"{base}/run",
        "PYCOMPOSE_ROOT": f"{base}/root",
    }
    file = services.write(drawn, base, rootfs=rootfs)
    stage = Stage(base, f"chaos{seed}", drawn, reaper, environment, file)
    before = host.mounts(), host.interfaces(), host.tables()
    stage.perform(steps)
    stage.compare()
    after = host.mounts(), host.interfaces(), host.tables()
    if after != before:
        stage.problems.append(f"mounts, interfaces or tables differ: {set.union(*after) ^ set.union(*before)}")
    if stage.problems:
        (base / "diary").write_text("\n".join([*stage.diary, "", *stage.problems, ""]))
    clean_up(stage)
    if not stage.problems:
        shutil.rmtree(base)
    return stage


def clean_up(stage: Stage) -> None:
    """End whatever a failed round has left, so that the next one starts clean."""
    ours = [pid for kind in host.KINDS for pid in host.find(kind, stage.paths.run)]
    inside = {pid for pids in host.cgroups(stage.project).values() for pid in pids}
    host.send([*ours, *inside], signal.SIGKILL)
    host.patiently(PATIENCE, lambda: [str(pid) for pids in host.cgroups(stage.project).values() for pid in pids])
    for directory in sorted(host.cgroups(stage.project), reverse=True):
        try:
            os.rmdir(directory)
        except OSError:
            continue  # said by the invariants already
