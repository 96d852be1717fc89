"""Compressing the pairs that rotation has left behind (`compress: "true"`). Takes a while: for a thread.

A pair is compressed beside, under a name of this thread's own, and then takes the plain one's place, wherever
rotations have moved that meanwhile: output and index appear, index and output go (`files.mend` knows this order). One
that a follower has not read to its end stays plain: the follower would not know it again.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack

from composer.store.logs import files, seekable


def compress_rotated(directory: str) -> None:
    """Compress what is there and can be. Raises OSError; then the pairs are as they were."""
    seen: set[tuple[int, int]] = set()
    while (found := _next_plain(directory, seen)) is not None:
        number, identity = found
        seen.add(identity)
        with ExitStack() as undo:
            if (sources := _open(files.pair(directory, number), undo)) is None:
                continue
            status = os.fstat(sources[1])
            if (status.st_dev, status.st_ino) != identity or files.is_followed(sources[1]):
                continue
            targets = _compressed(directory, sources, identity, undo)
            with files.locked(directory):
                _replace(directory, identity, sources, targets)


def _next_plain(directory: str, seen: set[tuple[int, int]]) -> tuple[int, tuple[int, int]] | None:
    try:
        rotated = [number for number in files.numbers(directory) if number]
    except FileNotFoundError:
        return None
    for number in rotated:
        identity = files.identity(files.pair(directory, number)[1])
        if identity is not None and identity not in seen:
            return number, identity
    return None


def _open(paths: files.Pair, undo: ExitStack) -> tuple[int, int] | None:
    descriptors = []
    for path in paths:
        try:
            descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None
        undo.callback(os.close, descriptors[-1])
    return descriptors[0], descriptors[1]


def _compressed(directory: str, sources: tuple[int, int], identity: tuple[int, int], undo: ExitStack) -> files.Pair:
    """Both files compressed; removed again where they are not put to use."""
    paths = []
    for name, source in zip(("output", "index"), sources, strict=True):
        path = f"{directory}/{files.PACKING}{threading.get_native_id()}.{name}"
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        undo.callback(os.close, target)
        undo.callback(_unlink, path)
        seekable.compress(source, target, owner=identity)
        modified = os.fstat(source).st_mtime_ns  # the time of what no record speaks of
        os.utime(target, ns=(modified, modified))
        paths.append(path)
    return paths[0], paths[1]


def _replace(directory: str, identity: tuple[int, int], sources: tuple[int, int], made: files.Pair) -> None:
    for number in files.numbers(directory):
        plain = files.pair(directory, number)
        if files.identity(plain[1]) == identity and not files.is_followed(sources[1]):
            for path, final in zip(made, files.pair(directory, number, compressed=True), strict=True):
                os.rename(path, final)
            os.unlink(plain[1])
            os.unlink(plain[0])
            return


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
