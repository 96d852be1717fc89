"""Reading and writing files of cgroup directories.

Beyond this module: what the files mean. Nothing here creates a file: in a cgroup directory only the kernel does.
All functions raise OSError; a failed write carries the file and the value as its note.
"""

from __future__ import annotations

import errno
import os
import select
import time

from composer.hints import Callable, Iterator

LARGEST_READ = 1 << 16  # bytes; memory.stat has some 4000, cgroup.procs 8 a process
UNLIMITED_V1 = (1 << 63) - (1 << 16)  # what v1 shows for "no limit" is this or more, rounded to its page size


class Opened:
    """A descriptor that is closed after the block. Without `contextlib`, which is dear to `top`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def open_directory(path: str) -> Opened:
    """A descriptor of the directory `path`. Raises OSError."""
    return Opened(os.open(path, os.O_PATH | os.O_DIRECTORY))


def open_for_writing(directory: str, name: str) -> Opened:
    """A descriptor of the file. Raises OSError."""
    return Opened(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CLOEXEC))


def write(directory: str, name: str, *, value: str) -> None:
    """Write `value` in one write(2), as these files demand."""
    try:
        with open_for_writing(directory, name) as fd:
            os.write(fd, value.encode())
    except OSError as error:
        error.add_note(f'write("{directory}/{name}", "{value}")')
        raise


def reason(error: OSError) -> str:
    """Why it failed, with the write that did: "Device or resource busy (write(...))"."""
    return " ".join([error.strerror or str(error), *(f"({note})" for note in getattr(error, "__notes__", ()))])


def read(directory: str, name: str) -> str:
    """What the file says, without the line end."""
    fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(fd, LARGEST_READ), b"")).decode(errors="replace").strip()
    finally:
        os.close(fd)


def read_optional(directory: str, name: str) -> str | None:
    """As `read`; None where this kernel has no such file, or the cgroup is gone."""
    try:
        return read(directory, name)
    except OSError as error:
        # ENODEV: removed while it was open; EOPNOTSUPP: the file is there and its feature is switched off
        if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            raise
        return None


def number(text: str | None) -> int | None:
    """A limit or counter as a number; None for "max", for v1's way to say it, and where there was no file."""
    if text is None or text == "max":
        return None
    value = int(text)
    return value if value < UNLIMITED_V1 else None


def keyed(text: str | None) -> dict[str, int]:
    """A flat keyed file ("name value" lines) as a mapping."""
    pairs = (line.split() for line in (text or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def processes(directory: str) -> set[int]:
    """Pids in this cgroup and all below it; 0 stands for one that our pid namespace does not show."""
    found: set[int] = set()
    for below in descend(directory):
        found.update(int(line) for line in (read_optional(below, "cgroup.procs") or "").split())
    return found


def descend(directory: str) -> Iterator[str]:
    """The directories below `directory`, deepest first, and itself last. What vanishes meanwhile is left out."""
    for name in children(directory):
        yield from descend(f"{directory}/{name}")
    if os.path.isdir(directory):
        yield directory


def children(directory: str) -> list[str]:
    """Names of the cgroups right below `directory`; none if it is gone."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def wait_for_event(directory: str, wanted: tuple[str, int], *, deadline: float) -> bool:
    """Wait until cgroup.events (v2) says `wanted`, as ("populated", 0); False at the deadline (time.monotonic).

    True as well when the cgroup is gone. The kernel signals a change of the file as POLLPRI to whoever has read it.
    """
    try:
        fd = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _poll_until(lambda: _says(fd, wanted), fd, deadline=deadline)
    finally:
        os.close(fd)


def _says(fd: int, wanted: tuple[str, int]) -> bool:
    try:
        text = os.pread(fd, 4096, 0).decode()
    except OSError as error:
        if error.errno == errno.ENODEV:
            return True
        raise
    return wanted in keyed(text).items()


def _poll_until(condition: Callable[[], bool], fd: int, *, deadline: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    while not condition():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        poll.poll(remaining * 1000)
    return True
