"""What a round does, and when: all of it drawn from the seed before anything is done.

How far a command has come when its supervisor is killed is up to the machine; what is done to whom, and after how
long, is not.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from random import Random

from tests.chaos.services import Service


class Victim(Enum):
    """Whose process is hurt."""

    SUPERVISOR = "supervisor"
    LAUNCHER = "launcher"
    BOTH = "both"
    HOLDER = "holder"
    ATTENDANT = "attendant"
    PORTER = "porter"  # of every container that has one
    COMMAND = "command"  # the latest that still runs


@dataclass(frozen=True, slots=True)
class Command:
    """Start a command, and go on at once or wait for its end."""

    words: tuple[str, ...]
    waits: bool

    def __str__(self) -> str:
        return f"pycompose {shlex.join(self.words)}{'' if self.waits else ' &'}"


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL."""

    victim: Victim

    def __str__(self) -> str:
        return f"kill -9 {self.victim.value}"


@dataclass(frozen=True, slots=True)
class Freeze:
    """SIGSTOP, and SIGCONT after a while."""

    victim: Victim
    seconds: float

    def __str__(self) -> str:
        return f"kill -STOP {self.victim.value}; after {self.seconds:.3f} s kill -CONT"


Action = Command | Kill | Freeze


@dataclass(frozen=True, slots=True)
class Step:
    """An action, and how long after the one before it."""

    pause: float  # seconds
    action: Action

    def __str__(self) -> str:
        return f"+{self.pause:.3f} s  {self.action}"


def draw(random: Random, services: tuple[Service, ...]) -> tuple[Step, ...]:
    """An `up`, then commands with violence amid them."""
    steps = [Step(0.0, Command(("up", "-d"), waits=random.random() < 0.3))]
    for _ in range(random.randint(4, 14)):
        violent = random.random() < 0.6
        action = _draw_violence(random) if violent else _draw_command(random, services)
        # short pauses meet operations in their middle, long ones what happens by itself
        pause = random.choice((random.uniform(0, 0.05), random.uniform(0, 0.4), random.uniform(0.2, 1.5)))
        steps.append(Step(round(pause, 3), action))
    return tuple(steps)


def _draw_violence(random: Random) -> Action:
    few = (Victim.COMMAND, Victim.HOLDER, Victim.ATTENDANT, Victim.PORTER)
    victim = random.choice((Victim.SUPERVISOR,) * 4 + (Victim.LAUNCHER,) * 3 + (Victim.BOTH,) * 2 + few)
    if victim is not Victim.BOTH and random.random() < 0.25:
        return Freeze(victim, round(random.uniform(0.01, 1.0), 3))
    return Kill(victim)


def _draw_command(random: Random, services: tuple[Service, ...]) -> Action:
    service = random.choice(services).name
    scaled = random.choice([there.name for there in services if there.stays] or [service])
    words: tuple[str, ...] = random.choice(
        (
            ("up", "-d"),
            ("up", "-d", "--force-recreate", service),
            ("down", "-t", "1"),
            ("restart", "-t", "1", service),
            ("restart", "-t", "1"),
            ("scale", f"{scaled}={random.randint(0, 4)}"),
            ("stop", "-t", "1", service),
            ("stop", "-t", "1"),
            ("start",),
            ("start", service),
            ("kill", "-s", "KILL", service),
            ("kill", "-s", "TERM", service),
            ("exec", "-T", service, "/bin/echo", "hello"),
            ("logs", "--tail", "5", service),
            ("ps", "-a"),
            ("run", "--rm", "-T", "--no-deps", service, "/bin/true"),
            ("pause", service),
            ("unpause", service),
        )
    )
    return Command(words, waits=random.random() < 0.5)
