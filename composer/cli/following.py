"""Reading the logs of a project as they grow, until nothing of it runs any more.

Two descriptors tell what is new: the logs' own (`LogFollower`), and one that watches the project's directory, where
each event of the project is a line more in a file. Others can be waited for along with them.
"""

from __future__ import annotations

import os
import re
import resource
import select
import sys
from collections.abc import Callable, Iterable, Iterator

from composer.cli.containers import RUNNING, containers, label
from composer.cli.render.logs import LogLines
from composer.linux import inotify
from composer.spec.codec import DecodeError
from composer.store import records
from composer.store.logs.block import STDERR
from composer.store.logs.demux import Lines
from composer.store.logs.follow import LogFollower
from composer.store.logs.reader import Selection
from composer.store.paths import ProjectPaths


class Selector:
    """Which containers of a project are shown, those to come included."""

    def __init__(self, paths: ProjectPaths, project: str, *, services: Iterable[str], index: int | None = None) -> None:
        self._paths = paths
        self._services = tuple(services)
        self._index = index
        self._usual_name = re.compile(rf"{re.escape(project)}-(.+)-(\d+)")

    def __call__(self, name: str) -> bool:
        """Whether this container's log is wanted; without a record its name must tell."""
        try:
            record = records.load(self._paths, name)
        except (DecodeError, OSError):
            record = None
        if record is not None:
            named = name in self._services
            return named or (not record.spec.oneoff and self._wants(record.spec.service, record.spec.number))
        usual = self._usual_name.fullmatch(name)
        return usual is not None and self._wants(usual[1], int(usual[2]))

    def _wants(self, service: str, number: int) -> bool:
        return (not self._services or service in self._services) and self._index in (None, number)


class Following:
    """The logs of the containers selected, printed as they grow."""

    def __init__(
        self, paths: ProjectPaths, *, selects: Callable[[str], bool], lines: LogLines, split_streams: bool = False
    ) -> None:
        raise_descriptor_limit()
        self._paths = paths
        self._selects = selects
        self._lines = lines
        self._split = split_streams
        self._follower = LogFollower(paths.bundles, selects=selects)
        self._changes = inotify.inotify_init1()
        mask = inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_DELETE | inotify.IN_MOVED_TO
        inotify.inotify_add_watch(self._changes, paths.run, mask=mask)

    def close(self) -> None:
        self._follower.close()
        os.close(self._changes)

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def descriptors(self) -> tuple[int, int]:
        """What becomes readable when there is something new."""
        return self._follower.fileno(), self._changes

    def print_history(self, selection: Selection) -> None:
        """What is there already."""
        self._print(self._follower.history(selection))

    def print_new(self) -> None:
        """What has come since."""
        self._print(self._follower.read())

    def print_rest(self) -> None:
        """What has come since, with what has no newline: nothing more is expected."""
        self._print(self._follower.drain())

    def wait_until_idle(self) -> None:
        """Print until no container runs, or is going to, or the project is gone."""
        while self.is_busy():
            readable, _, _ = select.select(self.descriptors(), [], [])
            if self._changes in readable:
                self.acknowledge_changes()
            self.print_new()
        self.print_rest()

    def acknowledge_changes(self) -> None:
        """Take note that the project has changed."""
        inotify.read_events(self._changes)

    def is_busy(self) -> bool:
        """Whether a container selected runs or is going to be started again."""
        return any(record.state in RUNNING and self._selects(record.spec.name) for record in containers(self._paths))

    def _print(self, named_lines: Iterator[tuple[str, Lines]]) -> None:
        for name, lines in named_lines:
            if name not in self._lines.labels:
                self._lines.add({record.spec.name: label(record) for record in containers(self._paths)})
            stream = sys.stderr if self._split and lines.stream == STDERR else sys.stdout
            stream.buffer.write(self._lines.draw(name, lines))
        sys.stdout.flush()
        sys.stderr.flush()


def raise_descriptor_limit() -> None:
    """A log needs three descriptors: let there be as many as are allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
