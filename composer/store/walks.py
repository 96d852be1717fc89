"""The last start of a project in start.jsonl: the plan, then a line for each step that is over and for what happened.

It is no part of events.jsonl, which tells what happened to containers and is kept: this is what one operation did, is
begun afresh by the next one, and may be missing (a full disk) without harm.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from composer.frozen import frozen, replace
from composer.hints import Iterator
from composer.planner.walk import VERSION, Begun, Entry, Finished, Moment, Taken, Walk
from composer.spec import codec
from composer.store import events
from composer.store.events import Event
from composer.store.paths import ProjectPaths


@frozen
class Line:
    """One line of the file."""

    entry: Entry


class WalkLog:
    """The supervisor's end."""

    def __init__(self, paths: ProjectPaths, begun: Begun) -> None:
        """Begin afresh. Raises OSError; then there is none, for the one before is not the last one any more."""
        beside = f"{paths.walk}.new"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with suppress(FileNotFoundError):
            os.unlink(paths.walk)
        self._fd = os.open(beside, flags, 0o600)
        try:
            self.append(begun)
            os.rename(beside, paths.walk)
        except OSError:
            self.close()
            os.unlink(beside)
            raise

    def append(self, entry: Entry) -> None:
        """Write what has happened. Raises OSError; half a line is passed over by whoever reads."""
        line = f"{codec.dumps(Line(entry))}\n".encode(errors="surrogateescape")
        if os.write(self._fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


def is_resumed(paths: ProjectPaths, *, client: str) -> bool:
    """Whether this client's start is there already and has no end: its supervisor died, and it asks the next one.

    Most of the time this reads the last line only. Raises OSError.
    """
    try:
        with open(paths.walk, "rb") as file:
            lines = file.read().splitlines()
        if not lines or isinstance(_entry(lines[-1]), Finished):
            return False
        begun = _entry(lines[0])
    except (FileNotFoundError, codec.DecodeError):
        return False
    return isinstance(begun, Begun) and begun.client == client


def read(paths: ProjectPaths) -> Walk | None:
    """The last start, with what became of its containers afterwards. None: nothing is known of one.

    Raises codec.DecodeError: another version has written it.
    """
    try:
        with open(paths.walk, "rb") as file:
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    try:
        begun = _entry(lines[0])
    except codec.DecodeError:
        if len(lines) < 2:
            return None  # it is being written
        raise
    if not isinstance(begun, Begun) or begun.version != VERSION:
        raise codec.DecodeError("it does not begin with a plan of a form that is known")
    walk = _walk(begun, _entries(lines[1:]))
    return replace(walk, moments=(*walk.moments, *_later(paths, walk)))


def _walk(begun: Begun, entries: Iterator[Entry]) -> Walk:
    steps: list[Taken] = []
    moments: list[Moment] = []
    finished: Finished | None = None
    for entry in entries:
        match entry:
            case Taken():
                steps.append(entry)
            case Moment():
                moments.append(entry)
            case Finished():
                finished = entry
    return Walk(begun, tuple(steps), tuple(moments), finished)


def _entries(lines: list[bytes]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield _entry(line)
        except codec.DecodeError:
            continue  # cut short: the disk was full, or the writer was killed


def _entry(line: bytes) -> Entry:
    return codec.loads(Line, line.decode(errors="surrogateescape")).entry


def _later(paths: ProjectPaths, walk: Walk) -> Iterator[Moment]:
    """What happened to containers after the walk, or since nobody wrote it down, from the events.

    They have the wall clock only; it is set against the monotonic one at the end, where both are known.
    """
    known_ns = walk.last_ns
    finished = walk.finished
    zero_ns = walk.begun.asked_ns if finished is None else finished.time_ns - finished.at_ns
    for event in events.read(paths.events, since_ns=zero_ns + known_ns):
        if event.time_ns - zero_ns > known_ns and is_told(event):
            yield moment_of(event, at_ns=event.time_ns - zero_ns)


def is_told(event: Event) -> bool:
    """Whether an event is one of the moments of a start."""
    return event.action in ("start", "die") or event.action.startswith("health_status: ")


def moment_of(event: Event, *, at_ns: int) -> Moment:
    """An event as a moment of a start."""
    return Moment(event.name, event.action, at_ns, exit_code=dict(event.attributes).get("exitCode", ""))
