"""`up` in the foreground: progress, then what the containers print, until they have ended or are stopped.

    starting ──Done──► following ──Done──► the end
        └── Ctrl-C ────────┴──► stopping ──Done──► the end
                                   └── Ctrl-C ──► SIGKILL

In each phase three things are waited for at once: the supervisor's answers, the log files, signals.
"""

from __future__ import annotations

import select
import sys
from signal import SIGINT, SIGKILL, SIGTERM

from composer.cli import ahead
from composer.cli.containers import containers, label
from composer.cli.following import Following
from composer.cli.invocation import Invocation
from composer.cli.operation import asked, client, display
from composer.cli.render.logs import LogLines, Origin
from composer.cli.render.progress import INTERVAL, Display
from composer.cli.selecting import Selector, origins
from composer.cli.signals import Signals
from composer.control.client import Client, Connection, Deposits
from composer.control.messages import Happened, Kill, Ping, Stop, Up, Wait, Watch
from composer.enums import Enum
from composer.frozen import field, frozen, mutable
from composer.planner.observed import State
from composer.store.logs.reader import Selection
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord

LastEnd = tuple[tuple[int, int], int]  # whose, and when: told apart from another one also where the clock was set


class Cascade(Enum):
    """Which end of a container stops all others."""

    NONE = "none"
    EXIT = "any"
    FAILURE = "a failure"


@frozen
class Attachment:
    """What is brought up, and when and how that ends."""

    operation: Up
    shown: frozenset[str]  # services whose output is printed
    cascade: Cascade = Cascade.NONE
    exit_code_from: str | None = None
    deposits: Deposits = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(service.name for service in self.operation.desired.services)


class Interrupted(Exception):
    """The user wants it to end."""


def attach(call: Invocation, attachment: Attachment) -> int:
    """Bring up, show, stop. The exit status is that of the container that ended all, 0 after Ctrl-C."""
    paths = call.paths.project(attachment.operation.desired.project)
    lines = LogLines(
        _origins(attachment) | origins(containers(paths)),
        services=tuple(sorted(service.name for service in attachment.operation.desired.services)),
        colour=call.console.colour_out and not call.arguments.switch("no-color"),
        prefix=not call.arguments.switch("no-log-prefix"),
        timestamps=call.arguments.switch("timestamps"),
    )
    peer = client(call, attachment.operation.desired.project, deposits=attachment.deposits)
    for _ in peer.request(Ping()):  # from here on the project's directory is there to be watched
        pass
    ahead.dismiss()  # there is a supervisor now, of another command perhaps that was faster
    with (
        Signals((SIGINT, SIGTERM)) as signals,
        Following(paths, selects=_Shown(paths, attachment), lines=lines, split_streams=True) as following,
        display(call.console) as shown,
    ):
        following.print_history(Selection(tail=0))
        before = {record.spec.name: _last_end(record) for record in containers(paths)}
        session = _Session(attachment, paths, peer, signals, following, shown, before=before, told=dict(before))
        return session.run()


def _origins(attachment: Attachment) -> dict[str, Origin]:
    """Known before there is a record, so that the columns do not move when containers come."""
    desired = attachment.operation.desired
    return {
        spec.name: Origin(spec.name.removeprefix(f"{desired.project}-"), service.name)
        for service in desired.services
        if service.name in attachment.shown
        for spec in service.containers
    }


class _Shown(Selector):
    """With no service to show, nothing is shown; to a Selector that would be all of them."""

    def __init__(self, paths: ProjectPaths, attachment: Attachment) -> None:
        super().__init__(paths, attachment.operation.desired.project, services=attachment.shown or ("",))


@mutable
class _Session:
    attachment: Attachment
    paths: ProjectPaths
    peer: Client
    signals: Signals
    following: Following
    shown: Display
    before: dict[str, LastEnd]  # by container: how it was when this began
    told: dict[str, LastEnd]  # by container: what was told of last

    def run(self) -> int:
        culprit: ContainerRecord | None = None
        try:
            self._start()
            culprit = self._follow()
            if culprit is None:
                return self._status(None)
            self.shown.say(f"Aborting on container exit: {culprit.spec.name} has ended")
        except Interrupted:
            self.shown.say("Gracefully stopping... (press Ctrl+C again to force)")
        self._stop()
        return self._status(culprit)

    def _start(self) -> None:
        for _ in asked(self.peer, self.attachment.operation, shown=self.shown, waiting=self._wait_for_answers):
            pass
        self.shown.close()

    def _follow(self) -> ContainerRecord | None:
        """Until nothing runs any more; the container whose end shall stop the others.

        The supervisor says so, not the kernel: it writes the records, and a container whose end it has not yet
        written down would look like one that nobody saw end.
        """
        watch = Watch(self.attachment.services)
        for answer in asked(self.peer, watch, shown=self.shown, waiting=self._wait_for_events):
            if isinstance(answer, Happened) and answer.event.action != "die":
                continue
            self._tell_ends()
            if (ended := self._ended()) is not None:
                return ended
        self.following.print_rest()
        return None

    def _tell_ends(self) -> None:
        """Say of each container whose output is shown that it has ended, each time."""
        for record in self._records():
            if _is_new(record, self.told) and record.spec.service in self.attachment.shown:
                self.told[record.spec.name] = _last_end(record)
                self.shown.say(f"{label(record)} {_end(record)}")

    def _stop(self) -> None:
        services, operation = self.attachment.services, self.attachment.operation
        # The supervisor may not have come so far as to know these services.
        stop = Stop(services, timeout_ns=operation.timeout_ns, desired=operation.desired)
        try:
            for _ in asked(self.peer, stop, shown=self.shown, waiting=self._wait_for_answers):
                pass
        except Interrupted:
            self._kill(services)
        self.following.print_rest()
        self._tell_ends()

    def _kill(self, services: tuple[str, ...]) -> None:
        """A killed container ends in a moment, if not at once; yet another Ctrl-C does not wait for it."""
        try:
            for operation in (Kill(services, signal=SIGKILL), Wait(services)):
                for _ in asked(self.peer, operation, shown=self.shown, waiting=self._wait_for_answers):
                    pass
        except Interrupted:
            pass

    def _wait_for_answers(self, connection: Connection) -> None:
        self._wait(connection, redrawing=INTERVAL)

    def _wait_for_events(self, connection: Connection) -> None:
        self._wait(connection, redrawing=None)

    def _wait(self, connection: Connection, *, redrawing: float | None) -> None:
        """Print what comes until there are answers. Raises Interrupted."""
        logs, changes = self.following.descriptors()
        waited = [connection.fileno(), logs, changes, self.signals.fileno()]
        while True:
            readable, _, _ = select.select(waited, [], [], redrawing)
            if self.signals.fileno() in readable and self.signals.received():
                raise Interrupted
            if changes in readable:
                self.following.acknowledge_changes()
            if logs in readable:
                self.shown.clear()
                self.following.print_new()
            if connection.fileno() in readable:
                return
            self.shown.refresh()

    def _records(self) -> list[ContainerRecord]:
        services = self.attachment.services
        return [
            record for record in containers(self.paths) if record.spec.service in services and not record.spec.oneoff
        ]

    def _ended(self) -> ContainerRecord | None:
        """The first container whose end is to stop the others."""
        ended = [record for record in self._records() if record.state is State.EXITED and _is_new(record, self.before)]
        match self.attachment.cascade:
            case Cascade.NONE:
                return None
            case Cascade.FAILURE:
                ended = [record for record in ended if record.exit_code != 0]
            case Cascade.EXIT:
                pass
        return min(ended, key=lambda record: record.finished_ns, default=None)

    def _status(self, culprit: ContainerRecord | None) -> int:
        service = self.attachment.exit_code_from
        if service is not None:
            culprit = next((record for record in self._records() if record.spec.service == service), None)
        if culprit is None:
            return 0
        if culprit.exit_code is None:
            print(f"pycompose: how {culprit.spec.name} ended is not known", file=sys.stderr)
            return 1
        return culprit.exit_code


def _last_end(record: ContainerRecord) -> LastEnd:
    return record.ended, record.finished_ns


def _is_new(record: ContainerRecord, known: dict[str, LastEnd]) -> bool:
    """Whether it has ended once more than is known."""
    return record.finished_ns != 0 and _last_end(record) != known.get(record.spec.name)


def _end(record: ContainerRecord) -> str:
    """web-1 ... "exited with code 137: out of memory"."""
    if record.exit_code is None:
        return "has ended; nobody saw how"
    return f"exited with code {record.exit_code}{': out of memory' if record.oom_killed else ''}"
