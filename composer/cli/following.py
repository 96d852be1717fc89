"""Reading the logs of a project as they grow, until nothing of it runs any more.

Two descriptors tell what is new: the logs' own (`LogFollower`), and one that watches the project's directory, where
each event of the project is a line more in a file. Others can be waited for along with them.
"""

from __future__ import annotations

import os
import select
import sys
import time

from composer.cli.containers import RUNNING, containers
from composer.cli.render.logs import Drawing
from composer.cli.selecting import Selector, origins, raise_descriptor_limit
from composer.cli.sieve import Sieve, sifted
from composer.control.client import turn_holder
from composer.hints import Iterator
from composer.linux import inotify
from composer.spec.codec import DecodeError
from composer.store import records
from composer.store.logs.block import STDERR
from composer.store.logs.demux import Lines
from composer.store.logs.follow import LogFollower
from composer.store.logs.reader import Selection
from composer.store.paths import ProjectPaths

_BETWEEN = 0.2  # seconds: nothing tells of the end of an operation that leaves things as they are


class Following:
    """The logs of the containers selected, printed as they grow."""

    def __init__(
        self,
        paths: ProjectPaths,
        *,
        selects: Selector,
        lines: Drawing,
        sieve: Sieve | None = None,
        until_ns: int | None = None,
        split_streams: bool = False,
    ) -> None:
        raise_descriptor_limit()
        self._paths = paths
        self._selects = selects
        self._lines = lines
        self._sieve = sieve or Sieve()
        self._until_ns = until_ns
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

    def print_history(self, selection: Selection, *, matching: int | None = None) -> None:
        """What is there already; `matching` of each container, the last ones, of what the sieve lets through."""
        self._print(
            self._follower.history(selection, through=lambda log: sifted(log, self._sieve, tail=matching)),
            is_sifted=True,
        )

    def print_new(self) -> None:
        """What has come since."""
        self._print(self._follower.read())

    def print_rest(self) -> None:
        """What has come since, with what has no newline: nothing more is expected."""
        self._print(self._follower.drain())

    def wait_until_idle(self) -> None:
        """Print until no container runs, or is going to, or the project is gone, or the time has come."""
        while (patience := self._patience()) is None or patience > 0:
            readable, _, _ = select.select(self.descriptors(), [], [], patience)
            if self._changes in readable:
                self.acknowledge_changes()
            self.print_new()
        self.print_rest()

    def acknowledge_changes(self) -> None:
        """Take note that the project has changed."""
        inotify.read_events(self._changes)

    def _patience(self) -> float | None:
        """Seconds to wait for something new, None without end, nothing where nothing more will come."""
        left = None if self._until_ns is None else max(0.0, (self._until_ns - time.time_ns()) / 1e9)
        if any(record.state in RUNNING and self._selects.shows(record) for record in containers(self._paths)):
            return left
        if self._is_about_to_run():
            return _BETWEEN if left is None else min(left, _BETWEEN)
        return 0.0

    def _is_about_to_run(self) -> bool:
        """Whether the supervisor is at it: restarts, makes anew, or has not yet noticed an end that it answers."""
        try:
            holder = turn_holder(self._paths.supervisor_socket)
        except OSError:  # another user's
            return False
        if holder is None:
            return False
        return bool(holder) or any(map(self._is_to_run, records.names(self._paths)))

    def _is_to_run(self, name: str) -> bool:
        """By what is written down, whatever the kernel says."""
        try:
            record = records.load(self._paths, name, late=True)
            return record is not None and record.state in RUNNING and self._selects.shows(record)
        except (DecodeError, OSError):
            return False

    def _print(self, named_lines: Iterator[tuple[str, Lines]], *, is_sifted: bool = False) -> None:
        for name, arrived in named_lines:
            lines = arrived if is_sifted else self._sieve.sift(arrived)
            if lines is None or (self._until_ns is not None and lines.time_ns > self._until_ns):
                continue
            if name not in self._lines.origins:
                self._lines.add(origins(containers(self._paths)))
            stream = sys.stderr if self._split and lines.stream == STDERR else sys.stdout
            stream.buffer.write(self._lines.draw(name, lines))
        sys.stdout.flush()
        sys.stderr.flush()
