"""The files of one log and how they are called: `output` and `index`, the older pairs `.1`, `.2`, compressed or not.

Pairs are moved by two renames, older ones first, so a crash leaves at most one pair torn: its output has moved on and
its index has not. `mend` finishes that, and whoever reads waits for it or does without the index.

Whoever moves, compresses or removes pairs holds `locked`, an flock(2) on the directory: rotation happens in the event
loop while a thread compresses.
"""

from __future__ import annotations

import fcntl
import os

COMPRESSED = ".zst"
NEXT = "next"  # the record of the block that is being written
PACKING = "packing."  # files that are being made begin with it
_OUTPUT = "output"

Pair = tuple[str, str]  # paths of output and index


def pair(directory: str, number: int, *, compressed: bool = False) -> Pair:
    """The paths of `output` and `index` after `number` rotations."""
    suffix = (f".{number}" if number else "") + (COMPRESSED if compressed else "")
    return f"{directory}/output{suffix}", f"{directory}/index{suffix}"


def numbers(directory: str) -> list[int]:
    """The pairs there are, newest first: their numbers, each once. Raises OSError."""
    names = (name.removesuffix(COMPRESSED) for name in os.listdir(directory))
    suffixes = [name.removeprefix(_OUTPUT) for name in names if name.startswith(_OUTPUT)]
    return sorted({int(it[1:] or 0) for it in suffixes if not it or (it[0] == "." and it[1:].isdecimal())})


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode of a file, None where it is not there."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


class locked:  # noqa: N801  # as a context manager is called; `contextlib` is dear to `logs`
    """Nobody else moves pairs while the body runs, which is short. Raises OSError."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def shift(directory: str) -> None:
    """Make room for a new pair 0: every pair moves on by one, up to the first number that is free. Raises OSError."""
    there = set(numbers(directory))
    free = next(number for number in range(len(there) + 1) if number not in there)
    for number in range(free - 1, -1, -1):
        for compressed in (False, True):
            _move(pair(directory, number, compressed=compressed), pair(directory, number + 1, compressed=compressed))


def prune(directory: str, *, kept: int, at_most: int) -> None:
    """Remove the oldest pairs until `kept` are left; what a follower has not come to stays, up to `at_most`.

    The pair that a lagging follower has come to stays even then: it tells that there is one.
    """
    there = numbers(directory)
    while len(there) > kept:
        oldest = there.pop()
        if _is_followed(directory, oldest):
            for number in there[at_most - 1 :]:
                _remove(directory, number)
            return
        _remove(directory, oldest)


def _remove(directory: str, number: int) -> None:
    for compressed in (False, True):
        remove(pair(directory, number, compressed=compressed))


def remove(paths: Pair) -> None:
    """Remove a pair. Not truncated: readers hold these files."""
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def follow(descriptor: int) -> None:
    """Have the pair with this open index kept, and all that come after it, while the descriptor is open."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def mend(directory: str) -> None:
    """Finish what a crash has cut short: the move of a pair, the making of a compressed one. Raises OSError."""
    names = set(os.listdir(directory))
    for name in names:
        if name.startswith(PACKING):
            _unlink(f"{directory}/{name}")
    for number in sorted(set(numbers(directory)) | {0}, reverse=True):
        for compressed in (False, True):
            _mend_move(directory, number, compressed=compressed)
        _mend_compression(directory, number)
    output, index = pair(directory, 0)
    if not os.path.exists(output):  # removed by hand: the new one gets an index of its own
        _unlink(index)


def _mend_move(directory: str, number: int, *, compressed: bool) -> None:
    """An index whose output has moved on follows it."""
    output, index = pair(directory, number, compressed=compressed)
    older_output, older_index = pair(directory, number + 1, compressed=compressed)
    torn = os.path.exists(index) and not os.path.exists(output)
    if torn and os.path.exists(older_output) and not os.path.exists(older_index):
        os.rename(index, older_index)


def _mend_compression(directory: str, number: int) -> None:
    """Both forms of a pair: the compressed one is complete once the plain one has begun to go, else it is made anew."""
    plain, compressed = pair(directory, number), pair(directory, number, compressed=True)
    if all(map(os.path.exists, plain)):
        remove(compressed)
    elif all(map(os.path.exists, compressed)):
        remove(plain)


def _is_followed(directory: str, number: int) -> bool:
    for compressed in (False, True):
        try:
            descriptor = os.open(pair(directory, number, compressed=compressed)[1], os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            return is_followed(descriptor)
        finally:
            os.close(descriptor)
    return False


def is_followed(descriptor: int) -> bool:
    """Whether somebody reads from this open index on, and has not come to the next."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _move(paths: Pair, older: Pair) -> None:
    for path, target in zip(paths, older, strict=True):
        try:
            os.rename(path, target)
        except FileNotFoundError:
            pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
