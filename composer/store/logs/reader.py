"""A whole log, oldest generation first: the last lines, or what came within a span of time.

Beyond this module: several containers at once (`merge` puts their lines in order of time) and waiting for more
(`follow`).
"""

from __future__ import annotations

import heapq
import itertools
import os

from composer.frozen import frozen, mutable
from composer.hints import Iterable, Iterator
from composer.store.logs import files
from composer.store.logs.block import NOTICE, STDERR
from composer.store.logs.demux import Demultiplexer, Division, Lines
from composer.store.logs.generation import Generation, notice
from composer.store.logs.seekable import DamagedFile

_LOOK_BACK = 1000  # blocks
_TRIES = 100  # opening all generations while the writer rotates them away
_MISSED = b"pycompose: output was rotated away before it could be read\n"


@frozen
class Selection:
    """Which part of a log. `tail` counts lines before the times are looked at, as Docker does; None is all."""

    tail: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    def covers(self, time_ns: int) -> bool:
        """Whether a line of this time is meant."""
        return (self.since_ns or 0) <= time_ns and (self.until_ns is None or time_ns <= self.until_ns)


@mutable
class LogReader:
    """An open log: a consistent set of generations, oldest first. Empty where there is no log."""

    descriptor: int  # of the directory: one made anew under the same name is another log
    generations: list[Generation]
    demultiplexer: Division
    follows: bool = False

    @classmethod
    def open(cls, directory: str, *, demultiplexer: Division | None = None, follows: bool = False) -> LogReader:
        """The log in `directory` as it is now. Raises OSError.

        `follows`: what comes is kept until it was read with `more`, within bounds, however often it is rotated.
        """
        division = demultiplexer or Demultiplexer()
        try:
            descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return cls(-1, [], division)
        return cls(descriptor, _open_consistently(_path(descriptor), follows=follows), division, follows)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        _close(self.generations)

    def lines(self, selection: Selection = Selection(), *, unfinished: bool = False) -> Iterator[Lines]:
        """The lines selected, in the order they came. `unfinished`: at the end also those that have no end yet."""
        if selection.tail is None:
            self._seek_times(selection)
            surplus = 0
        else:
            surplus = self._seek_tail(selection.tail)
        for lines in self._demultiplexed(unfinished=unfinished and selection.tail != 0, waits=True):
            if surplus:  # lines are counted for this alone: it takes longer than all the rest
                amount = lines.amount
                surplus, left = max(0, surplus - amount), max(0, amount - surplus)
                if not left:
                    continue
                lines = lines.last(left)
            if selection.covers(lines.time_ns):
                yield lines

    def more(self) -> Iterator[Lines]:
        """The lines that have come since the last call of this or `lines`, over any number of rotations."""
        while True:
            newest = files.identity(self._newest())  # asked first: what was rotated before this moment is complete
            yield from self._demultiplexed()
            if newest is None or (self.generations and self.generations[-1].identity == newest):
                return
            yield from self._demultiplexed(waits=True)
            yield from self._take_up_rotated()

    def rest(self) -> list[Lines]:
        """What is there of lines without an end; for when nothing more is waited for."""
        return self.demultiplexer.flush()

    def _newest(self) -> str:
        return files.pair(_path(self.descriptor), 0)[1]

    def _take_up_rotated(self) -> Iterator[Lines]:
        """Replace the generations, read to their end, by those that came after them."""
        read = self.generations
        self.generations = _open_consistently(_path(self.descriptor), follows=self.follows)
        # a number may be another's once its file is gone; not while that is held, so the last one like it is it
        for place in range(len(self.generations) - 1, -1, -1):
            if read and self.generations[place].identity == read[-1].identity:
                numbers = [generation.number for generation in self.generations[place : place + 2]]
                _close_some(self.generations, place + 1)
                if len(numbers) == 2 and numbers[0] - numbers[1] > 1:
                    yield Lines(read[-1].modified_ns(), STDERR, _MISSED, notice=True)
                break
        _close(read)

    def _seek_times(self, selection: Selection) -> None:
        if selection.since_ns is not None or selection.until_ns is not None:
            for generation in self.generations:
                try:
                    count = generation.count()
                    generation.want(generation.within(selection.since_ns, selection.until_ns), count=count)
                except DamagedFile:
                    pass  # told when it is read

    def _seek_tail(self, tail: int) -> int:
        """Skip to a place before the last `tail` lines; answer how many lines from there are too many."""
        # Two more than asked for, as the first line of each stream may have begun before the place found.
        wanted = tail + 2 if tail else 0
        found = len(self._unfinished_streams()) if tail else 0
        for generation in reversed(self.generations):
            first = count = generation.count()
            try:
                for number, block in generation.backwards() if found < wanted else ():
                    first = min(first, number)
                    found += generation.newlines(block)
                    if found >= wanted:
                        break
                else:
                    first = 0 if found < wanted else count
            except DamagedFile:
                pass
            generation.want([(first, count)], count=count)
        return max(0, found - tail) if tail else 0

    def _unfinished_streams(self) -> set[int]:
        """Streams whose last line has no end yet, as far as a short look back tells."""
        ended: dict[int, bool] = {}
        newest = self.generations[-1].backwards() if self.generations else iter(())
        for _, block in itertools.islice(newest, _LOOK_BACK):
            if block.length and block.stream not in ended and not block.flags & NOTICE:
                ended[block.stream] = self.generations[-1].ends_line(block)
        return {stream for stream, complete in ended.items() if not complete}

    def _demultiplexed(self, *, unfinished: bool = False, waits: bool = False) -> Iterator[Lines]:
        for generation in self.generations:
            try:
                for block, data in generation.blocks(waits=waits):
                    yield from self.demultiplexer.feed(block, data)
            except DamagedFile as error:
                yield Lines(generation.modified_ns(), STDERR, notice(error), notice=True)
                generation.seek_end()
        if unfinished:
            yield from self.demultiplexer.flush()


def read(directory: str, *, selection: Selection = Selection()) -> Iterator[Lines]:
    """All lines selected of the log in `directory`, the unfinished ones last. Raises OSError."""
    reader = LogReader.open(directory)
    try:
        yield from reader.lines(selection, unfinished=True)
    finally:
        reader.close()


def merge(logs: Iterable[tuple[str, Iterable[Lines]]]) -> Iterator[tuple[str, Lines]]:
    """Lines of several logs in order of time: (name, lines). Each log keeps its own order."""

    def named(name: str, log: Iterable[Lines]) -> Iterator[tuple[str, Lines]]:
        return ((name, lines) for lines in log)

    return heapq.merge(*[named(name, log) for name, log in logs], key=lambda item: item[1].time_ns)


def _open_consistently(directory: str, *, follows: bool = False) -> list[Generation]:
    """All pairs there are, oldest first, none twice and none left out by a rotation in between."""
    index = files.pair(directory, 0)[1]
    for attempt in range(_TRIES):  # in the end take it as a crash may have left it
        before = files.identity(index)
        generations = _open_generations(directory, is_last_try=attempt == _TRIES - 1)
        if generations is None:
            continue
        newest = files.identity(index)
        is_gap_believed = attempt >= _TRIES // 2  # a rotation that is under way has one as well, for a moment
        is_settled = (
            _are_settled(generations, before, newest)
            and (is_gap_believed or _are_gapless(generations))
            and _are_all(generations, directory)
        )
        if is_settled or attempt == _TRIES - 1:
            if generations and follows:
                files.follow(generations[-1].index.descriptor)
                if os.fstat(generations[-1].index.descriptor).st_nlink == 0 and newest is not None:
                    _close(generations)
                    continue  # it was gone before we had a word in it
            return generations
        _close(generations)
    return []


def _are_settled(generations: list[Generation], before: tuple[int, int] | None, newest: tuple[int, int] | None) -> bool:
    """Whether no rotation has moved anything while these were opened: it moves the oldest first and the newest last.

    One that has ended has changed the newest. One that is under way has moved a pair from a number already looked at
    to one looked at later, so that it was opened twice.
    """
    if before != newest or (newest is not None and not (generations and generations[-1].identity == newest)):
        return False
    # an inode may be another's by the time its file is compressed; not with the same time of change
    return len({(one.identity, one.modified_ns()) for one in generations}) == len(generations)


def _are_gapless(generations: list[Generation]) -> bool:
    return all(older.number == newer.number + 1 for older, newer in itertools.pairwise(generations))


def _are_all(generations: list[Generation], directory: str) -> bool:
    """What is renamed while a directory is listed may be left out of the list (readdir(3)): a second look."""
    try:
        return files.numbers(directory) == [generation.number for generation in reversed(generations)]
    except FileNotFoundError:
        return not generations


def _open_generations(directory: str, *, is_last_try: bool) -> list[Generation] | None:
    """The pairs, None where one was being moved. An output that stays without an index is read without."""
    # The newest first, then what else there is: whatever is moved from now on is seen by the newest's identity.
    newest = Generation.open(directory, 0)
    generations = [newest] if newest else []
    try:
        numbers = files.numbers(directory)
    except FileNotFoundError:
        return generations
    for number in numbers:
        if number == 0 and newest:
            continue
        generation = Generation.open(directory, number)
        if generation is None and is_last_try:
            torn = number - 1 not in numbers  # then the index left behind is this one's
            generation = Generation.open_torn(directory, number, stranded=torn)
        elif generation is None:
            _close(generations)
            return None
        if generation is not None:
            generation.number = number
            generations.append(generation)
    return generations[::-1]


def _close(generations: list[Generation]) -> None:
    _close_some(generations, len(generations))


def _close_some(generations: list[Generation], count: int) -> None:
    for generation in generations[:count]:
        generation.close()
    del generations[:count]


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
