"""What happened in a project: one JSON object a line in events.jsonl, with the fields of `docker compose events`.

The supervisor appends; everyone may read or follow, with no process of ours needed. The file is in memory and a service
may fail for years: the room of what is older than the last KEPT bytes is given back to the system. That leaves a hole
at the beginning, so that everybody's place in the file, and the file under a follower, stay what they are.
"""

from __future__ import annotations

import errno
import os
import select
import time

from composer import jsontext
from composer.frozen import frozen
from composer.hints import Iterator

_NS = 1_000_000_000
_BLOCK = 64 * 1024
KEPT = 4 << 20  # bytes: some twenty thousand events


@frozen
class Event:
    """One thing that happened to a container. `time_ns` is wall clock, nanoseconds since the epoch."""

    time_ns: int
    action: str  # Docker's words: create, start, die, oom, kill, stop, restart, pause, "health_status: healthy" ...
    id: str
    service: str
    attributes: tuple[tuple[str, str], ...] = ()  # name always; exitCode, signal, restarts where they belong
    type: str = "container"

    @property
    def name(self) -> str:
        """The container's name."""
        return dict(self.attributes).get("name", "")


class EventLog:
    """The supervisor's end: appends whole lines, so that a reader never meets half an event of a living writer."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._waiting: list[bytes] = []  # for room on the disk
        self._begin = _first_data(self._fd)
        self._end_line()

    def append(self, event: Event) -> None:
        """Write one event. Raises OSError: ENOSPC; then it is written before the next one."""
        self._waiting.append(encode(event))
        while self._waiting:
            self._write(self._waiting[0])
            del self._waiting[0]
        if (size := self.size()) - self._begin >= 2 * KEPT:
            self._forget(size - KEPT)

    def size(self) -> int:
        """How many bytes are there: what is appended from now on comes after them."""
        return os.fstat(self._fd).st_size

    def lines_from(self, offset: int) -> set[bytes]:
        """The events, as `encode` makes them, that were appended when there were `offset` bytes, and later."""
        with open(self._path, "rb") as file:
            file.seek(offset)
            return set(file)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _write(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        if written < len(line):
            os.ftruncate(self._fd, self.size() - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _forget(self, end: int) -> None:
        from composer.linux.fallocate import punch_hole  # ctypes: not for who reads

        try:
            punch_hole(self._fd, 0, end)
        except OSError:
            pass  # a file system that cannot: then it grows
        self._begin = end

    def _end_line(self) -> None:
        """A writer that was killed in the middle of an event must not spoil the next one."""
        size = self.size()
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            try:
                os.write(self._fd, b"\n")
            except OSError:
                pass


def _first_data(fd: int) -> int:
    """Where the file begins, behind what was given back."""
    try:
        return os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:  # it is empty
        return 0


def encode(event: Event) -> bytes:
    """An event as a line of events.jsonl."""
    tree = {
        "time": rfc3339(event.time_ns),
        "type": event.type,
        "action": event.action,
        "id": event.id,
        "service": event.service,
        "attributes": dict(event.attributes),
    }
    return jsontext.dumps(tree).encode(errors="surrogateescape") + b"\n"


def decode(line: bytes) -> Event:
    """The event of a line that `encode` made. Raises ValueError: a line that a crash cut short."""
    try:
        tree = jsontext.loads(line.decode(errors="surrogateescape"))
        return Event(
            time_ns=from_rfc3339(tree["time"]),
            action=tree["action"],
            id=tree["id"],
            service=tree["service"],
            attributes=tuple(tree["attributes"].items()),
            type=tree["type"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event: {error}") from error


def rfc3339(time_ns: int) -> str:
    """UTC with nine digits of a second, as Docker prints times."""
    seconds, fraction = divmod(time_ns, _NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09}Z"


def from_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch of a time that `rfc3339` wrote. Raises ValueError."""
    import calendar  # only readers need it

    whole, _, fraction = text.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * _NS + int(fraction)


def read(path: str, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Event]:
    """The events that are there, oldest first."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(descriptor, "rb") as file:
        file.seek(_first_data(descriptor))
        yield from _within(_decoded(file), since_ns=since_ns, until_ns=until_ns)


def follow(path: str, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Event]:
    """The events that are there and then each as it happens, until the file is removed or `until_ns` has come."""
    from composer.linux import inotify  # ctypes: not for who only writes or reads

    watch = inotify.inotify_init1()
    try:
        inotify.inotify_add_watch(watch, path, mask=inotify.IN_MODIFY | inotify.IN_ATTRIB | inotify.IN_DELETE_SELF)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.lseek(descriptor, _first_data(descriptor), os.SEEK_SET)
            lines = _followed_lines(descriptor, watch=watch, until_ns=until_ns)
            yield from _within(_decoded(lines), since_ns=since_ns, until_ns=until_ns)
        finally:
            os.close(descriptor)
    finally:
        os.close(watch)


def _decoded(lines: Iterator[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            yield decode(line)
        except ValueError:
            continue  # the writer was killed in the middle of this line, or its beginning was given back


def _within(events: Iterator[Event], *, since_ns: int | None, until_ns: int | None) -> Iterator[Event]:
    for event in events:  # all of them: times go back where the clock did
        if (since_ns or 0) <= event.time_ns and (until_ns is None or event.time_ns <= until_ns):
            yield event


def _followed_lines(descriptor: int, *, watch: int, until_ns: int | None) -> Iterator[bytes]:
    pending = b""
    while True:
        block = os.read(descriptor, _BLOCK)
        *lines, pending = (pending + block).split(b"\n")
        yield from lines
        if not block and not _wait_for_more(descriptor, watch=watch, until_ns=until_ns):
            return


def _wait_for_more(descriptor: int, *, watch: int, until_ns: int | None) -> bool:
    """Whether something may have been appended; False once the file is gone or the time is up."""
    if os.fstat(descriptor).st_nlink == 0:
        return False
    timeout = None if until_ns is None else (until_ns - time.time_ns()) / _NS
    if timeout is not None and timeout <= 0:
        return False
    readable, _, _ = select.select([watch], [], [], timeout)
    if not readable:
        return False
    os.read(watch, _BLOCK)  # what it was is seen in the file
    return True
