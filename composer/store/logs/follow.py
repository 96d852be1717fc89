"""What containers print from now on: the logs of a project, those to come included, behind one descriptor.

Directories appear one after the other (<root>/projects/<project>/<container>/log) and go away when a container is
removed or made anew; each that leads to a log is watched with inotify(7), and looked into right after its watch is
set, so that nothing is missed between the two. Beyond this module: waiting; `fileno` is for any poll(2).
"""

from __future__ import annotations

import errno
import os

from composer.hints import Callable, Iterable, Iterator
from composer.linux import inotify
from composer.store.logs.demux import Demultiplexer, Division, Lines
from composer.store.logs.reader import LogReader, Selection, merge

_REMOVED = inotify.IN_DELETE | inotify.IN_MOVED_FROM
_MASK = inotify.IN_CREATE | inotify.IN_MOVED_TO | inotify.IN_MODIFY | inotify.IN_ONLYDIR | _REMOVED

Named = tuple[str, Lines]  # container, lines
Through = Callable[[Iterable[Lines]], Iterable[Lines]]


def _as_it_is(log: Iterable[Lines]) -> Iterable[Lines]:
    return log


class LogFollower:
    """The logs below `bundles` of the containers that `selects` says yes to."""

    def __init__(
        self,
        bundles: str,
        *,
        selects: Callable[[str], bool],
        demultiplexer: Callable[[], Division] = Demultiplexer,
    ) -> None:
        self._bundles = bundles
        self._selects = selects
        self._demultiplexer = demultiplexer
        self._inotify = inotify.inotify_init1()
        self._directories: dict[int, str] = {}  # by watch
        self._readers: dict[str, LogReader] = {}  # by container
        self._enter(_nearest_existing(bundles))

    def fileno(self) -> int:
        return self._inotify

    def close(self) -> None:
        os.close(self._inotify)
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def history(self, selection: Selection, *, through: Through = _as_it_is) -> Iterator[Named]:
        """What is there of each log now, sent through something, all in order of time.

        To be read to its end before `read` is called.
        """
        return merge([(name, through(reader.lines(selection))) for name, reader in self._readers.items()])

    def read(self) -> Iterator[Named]:
        """What has come since; possibly nothing."""
        written: dict[str, None] = {}
        for event in inotify.read_events(self._inotify):
            path = f"{self._directories.get(event.wd, '')}/{event.name}"
            if event.mask & inotify.IN_Q_OVERFLOW:
                written |= dict.fromkeys(self._readers)
            elif event.mask & inotify.IN_IGNORED:
                self._directories.pop(event.wd, None)
            elif event.mask & _REMOVED:
                # told by the directory above: a removed directory itself is silent while we hold files of it
                yield from self._leave(path)
            else:
                written |= dict.fromkeys(self._notice(path))
        yield from merge([(name, self._readers[name].more()) for name in written if name in self._readers])

    def drain(self) -> Iterator[Named]:
        """Whatever is there and was not read yet, lines without an end included."""
        yield from self.read()
        for name, reader in self._readers.items():
            yield from _named(name, [*reader.more(), *reader.rest()])

    def _notice(self, path: str) -> list[str]:
        """Go where `path` leads; the containers whose logs have something new."""
        if self._leads_on(path):
            return self._enter(path)
        directory, _, file = path.rpartition("/")
        return [self._container(directory)] if file == "index" else []

    def _enter(self, directory: str) -> list[str]:
        try:
            watch = inotify.inotify_add_watch(self._inotify, directory, mask=_MASK)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return []
            raise
        self._directories[watch] = directory
        if self._is_log(directory):
            return self._open(directory)
        found = []
        for name in sorted(_entries(directory)):
            if self._leads_on(f"{directory}/{name}"):
                found += self._enter(f"{directory}/{name}")
        return found

    def _open(self, directory: str) -> list[str]:
        name = self._container(directory)
        if name not in self._readers:
            self._readers[name] = LogReader.open(directory, demultiplexer=self._demultiplexer(), follows=True)
        return [name]

    def _leave(self, directory: str) -> Iterator[Named]:
        reader = self._readers.pop(self._container(directory), None) if self._is_log(directory) else None
        if reader is not None:
            yield from _named(self._container(directory), [*reader.more(), *reader.rest()])
            reader.close()

    def _leads_on(self, path: str) -> bool:
        """Whether `path` is on the way to a log."""
        if self._bundles.startswith(f"{path}/") or path == self._bundles:
            return True
        container, _, log = path.removeprefix(f"{self._bundles}/").partition("/")
        return path.startswith(f"{self._bundles}/") and self._selects(container) and log in ("", "log")

    def _is_log(self, directory: str) -> bool:
        return directory.startswith(f"{self._bundles}/") and directory.endswith("/log") and self._leads_on(directory)

    def _container(self, log: str) -> str:
        return log.removeprefix(f"{self._bundles}/").removesuffix("/log")


def _named(name: str, log: Iterable[Lines]) -> Iterator[Named]:
    return ((name, lines) for lines in log)


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _nearest_existing(directory: str) -> str:
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return directory
