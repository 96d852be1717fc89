"""A whole log, oldest generation first: the last lines, or what came within a span of time.

Beyond this module: several containers at once (`merge` puts their lines in order of time) and waiting for more
(`follow`).
"""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from composer.store.logs.block import NOTICE
from composer.store.logs.demux import Demultiplexer, Division, Lines
from composer.store.logs.generation import Generation, identity
from composer.store.logs.writer import pair

_LOOK_BACK = 1000  # blocks
_TRIES = 100  # opening all generations while the writer rotates them away


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a log. `tail` counts lines before the times are looked at, as Docker does; None is all."""

    tail: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(slots=True)
class LogReader:
    """An open log: a consistent set of generations, oldest first. Empty where there is no log."""

    descriptor: int  # of the directory: one made anew under the same name is another log
    generations: list[Generation]
    demultiplexer: Division

    @classmethod
    def open(cls, directory: str, *, demultiplexer: Division | None = None) -> LogReader:
        """The log in `directory` as it is now. Raises OSError."""
        division = demultiplexer or Demultiplexer()
        try:
            descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return cls(-1, [], division)
        return cls(descriptor, _open_consistently(_path(descriptor)), division)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        _close(self.generations)

    def lines(self, selection: Selection = Selection(), *, unfinished: bool = False) -> Iterator[Lines]:
        """The lines selected, in the order they came. `unfinished`: at the end also those that have no end yet."""
        self._seek_since(selection.since_ns)
        surplus = self._seek_tail(selection.tail)
        for lines in self._demultiplexed(selection.until_ns, unfinished=unfinished and selection.tail != 0):
            if surplus >= lines.amount:
                surplus -= lines.amount
            else:
                yield lines.last(lines.amount - surplus)
                surplus = 0

    def more(self) -> Iterator[Lines]:
        """The lines that have come since the last call of this or `lines`, over any number of rotations."""
        path = pair(_path(self.descriptor), 0)[1]
        while True:
            newest = identity(path)  # asked first: what was rotated before this moment is complete
            yield from self._demultiplexed(None)
            if newest is None or (self.generations and self.generations[-1].identity == newest):
                return
            self._take_up_rotated()

    def rest(self) -> list[Lines]:
        """What is there of lines without an end; for when nothing more is waited for."""
        return self.demultiplexer.flush()

    def _take_up_rotated(self) -> None:
        """Replace the generations, read to their end, by those that came after them."""
        known = {generation.identity for generation in self.generations}
        _close(self.generations)
        for generation in _open_consistently(_path(self.descriptor)):
            self.generations.append(generation)
            if generation.identity in known:
                _close(self.generations)

    def _seek_since(self, since_ns: int | None) -> None:
        if since_ns is not None:
            for generation in self.generations:
                generation.seek(generation.first_since(since_ns))

    def _seek_tail(self, tail: int | None) -> int:
        """Skip to a place before the last `tail` lines; answer how many lines from there are too many."""
        if tail is None:
            return 0
        # Two more than asked for, as the first line of each stream may have begun before the place found.
        wanted = tail + 2 if tail else 0
        found = len(self._unfinished_streams()) if tail else 0
        for generation in reversed(self.generations):
            if found >= wanted:
                generation.seek(max(generation.position, generation.count()))
                continue
            for number, block in generation.backwards():
                if number < generation.position:
                    break
                found += generation.read(block).count(b"\n")
                if found >= wanted:
                    generation.seek(number)
                    break
        return max(0, found - tail) if tail else 0

    def _unfinished_streams(self) -> set[int]:
        """Streams whose last line has no end yet, as far as a short look back tells."""
        ended: dict[int, bool] = {}
        newest = self.generations[-1].backwards() if self.generations else iter(())
        for _, block in itertools.islice(newest, _LOOK_BACK):
            if block.length and block.stream not in ended and not block.flags & NOTICE:
                ended[block.stream] = self.generations[-1].ends_line(block)
        return {stream for stream, complete in ended.items() if not complete}

    def _demultiplexed(self, until_ns: int | None, *, unfinished: bool = False) -> Iterator[Lines]:
        for generation in self.generations:
            for block, data in generation.blocks():
                if until_ns is not None and block.time_ns > until_ns:
                    break
                yield from self.demultiplexer.feed(block, data)
        if unfinished:
            yield from self.demultiplexer.flush()


def read(directory: str, *, selection: Selection = Selection()) -> Iterator[Lines]:
    """All lines selected of the log in `directory`, the unfinished ones last. Raises OSError."""
    with closing(LogReader.open(directory)) as reader:
        yield from reader.lines(selection, unfinished=True)


def merge(logs: Iterable[tuple[str, Iterable[Lines]]]) -> Iterator[tuple[str, Lines]]:
    """Lines of several logs in order of time: (name, lines). Each log keeps its own order."""

    def named(name: str, log: Iterable[Lines]) -> Iterator[tuple[str, Lines]]:
        return ((name, lines) for lines in log)

    return heapq.merge(*[named(name, log) for name, log in logs], key=lambda item: item[1].time_ns)


def _open_consistently(directory: str) -> list[Generation]:
    """All pairs there are, oldest first, none twice and none left out by a rotation in between."""
    for _ in range(_TRIES):
        generations = _open_generations(directory)
        newest = identity(pair(directory, 0)[1])
        # the same newest pair before and after: nothing was renamed while the others were opened
        if newest is None or (generations and newest == generations[-1].identity):
            return generations
        _close(generations)
    return []


def _open_generations(directory: str) -> list[Generation]:
    generations: list[Generation] = []
    number = 0
    while (generation := Generation.open(pair(directory, number))) is not None:
        generations.append(generation)
        number += 1
    return generations[::-1]


def _close(generations: list[Generation]) -> None:
    for generation in generations:
        generation.close()
    generations.clear()


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
