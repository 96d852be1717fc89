"""An operation of the supervisor, from the command line's side: asked for, its progress drawn, its outcome told."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import contextmanager

from composer.cli.invocation import Console, Invocation
from composer.cli.render.progress import (
    INTERVAL,
    Display,
    Json,
    Plain,
    Quiet,
    Status,
    Task,
    Terminal,
    names_and_words,
)
from composer.control.client import NO_DEPOSITS, Client, Connection, Deposits
from composer.control.messages import (
    Answer,
    Done,
    Failed,
    Happened,
    Notice,
    Operation,
    Planned,
    Pong,
    Queued,
    StepDone,
    StepFailed,
    StepProgress,
    StepStarted,
    Stopped,
)
from composer.hints import Callable, Iterator
from composer.linux.identity import monotonic_start_ns
from composer.planner.plan import Plan, Step

_NS = 1_000_000_000


def client(call: Invocation, project: str, *, deposits: Deposits = NO_DEPOSITS) -> Client:
    """How this command talks to the project's supervisor. `deposits` go to its launcher first."""
    name, asked_ns = f"pycompose {call.command}", monotonic_start_ns(os.getpid())
    return Client(call.paths, project=project, name=name, deposits=deposits, asked_ns=asked_ns)


def perform(call: Invocation, project: str, operation: Operation, *, deposits: Deposits = NO_DEPOSITS) -> Done:
    """Ask for `operation`, draw its progress. Raises PycomposeError: it failed."""
    done = Done()
    with display(call.console) as shown:
        for answer in asked(client(call, project, deposits=deposits), operation, shown=shown):
            if isinstance(answer, Done):
                done = answer
    return done


def asked(
    peer: Client, operation: Operation, *, shown: Display, waiting: Callable[[Connection], None] | None = None
) -> Iterator[Answer]:
    """The answers to `operation`, drawn as they come. `waiting` is what to do until there are some."""

    def refresh(connection: Connection) -> None:
        while not select.select([connection], [], [], INTERVAL)[0]:
            shown.refresh()

    tasks = Tasks(shown)
    for answer in peer.request(operation, waiting=waiting or refresh):
        tasks.take(answer)
        yield answer


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """What draws progress here; on a way out it leaves the last word."""
    shown = _display(console)
    try:
        yield shown
    finally:
        shown.close()


def _display(console: Console) -> Display:
    match console.progress:
        case "tty":
            return Terminal(sys.stderr, colour=console.colour_error, size=_terminal_size, clock=time.monotonic_ns)
        case "json":
            return Json(sys.stderr)
        case "quiet":
            return Quiet(sys.stderr)
    return Plain(sys.stderr)


def _terminal_size() -> tuple[int, int]:
    try:
        size = os.get_terminal_size(2)
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24


class Tasks:
    """Turns what the supervisor tells into what a display shows."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown
        self._steps: dict[int, Step] = {}

    def take(self, answer: Answer) -> None:
        """Draw one answer."""
        match answer:
            case Planned(plan):
                self._plan(plan)
            case StepStarted(number):
                self._show(number, Status.WORKING)
            case StepProgress(number, done, total):
                self._show(number, Status.WORKING, f"{100 * done // total}%" if total else "")
            case StepDone(number, note):
                self._show(number, Status.WARNING if note else Status.DONE, note)
            case StepFailed(number, message, skipped):
                if not skipped:
                    self._show(number, Status.ERROR, message)
            case Queued(holder):
                self._shown.say(f"waiting for {holder}, which is changing this project")
            case Notice(text):
                self._shown.say(f"pycompose: {text}")
            case Happened() | Stopped() | Pong() | Done() | Failed():
                pass

    def _plan(self, plan: Plan) -> None:
        self._steps = {step.number: step for step in plan.steps}

    def _show(self, number: int, status: Status, detail: str = "") -> None:
        step = self._steps.get(number)
        if step is None:
            return
        names, working, done = names_and_words(step.action)
        words = {Status.WORKING: working, Status.DONE: done, Status.WARNING: "Skipped", Status.ERROR: "Error"}
        for name in names:
            self._shown.show(Task(name, words[status], status, detail))
