"""Which process a container was begun with: birth.json in the state directory, until it is in a record.

Between the start of a container's program and the supervisor's own record, launcher and holder may both be killed, and
nobody would know of a container that runs, or has run and ended. So who starts one writes down its process, and the
process itself, on the last stretch to its program, adds a mark; whoever saves a record of the run deletes the file.
What is there with a mark is a run that no record tells of. The file is in the run directory, so it is of this boot.
"""

from __future__ import annotations

import os
from contextlib import suppress

from composer.frozen import frozen, replace
from composer.runtime.cgroup.container import Cgroup
from composer.spec import codec
from composer.spec.network import Attachment

_MARK = b"\n"


@frozen
class Birth:
    """A container's process, and what was made for it."""

    pid: int
    start_time: int  # with the pid it names the process
    cgroup: Cgroup
    attachments: tuple[Attachment, ...] = ()
    began_ns: int = 0  # when its program began, wall clock; 0 where it has not come so far, or never will


def prepare(state: str) -> int:
    """A descriptor that parent and child are going to write to; nothing is under the name yet. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(f"{_path(state)}.new", flags, 0o600)


def write(fd: int, state: str, birth: Birth) -> None:
    """The parent's word. Not synced: after a crash of the machine there is no such process. Raises OSError."""
    os.write(fd, codec.dumps(birth).encode(errors="surrogateescape"))
    os.rename(f"{_path(state)}.new", _path(state))


def mark(fd: int) -> None:
    """The child's word, before or after its parent's: the program is about to begin. Raises OSError."""
    os.write(fd, _MARK)


def read(state: str) -> Birth | None:
    """The birth that no record tells of, None where there is none or it cannot be read."""
    try:
        with open(_path(state), "rb") as file:
            content, changed_ns = file.read(), os.fstat(file.fileno()).st_mtime_ns
        birth = codec.loads(Birth, content.decode(errors="surrogateescape"))
    except (OSError, codec.DecodeError):
        return None
    return replace(birth, began_ns=changed_ns) if _MARK in content else birth


def forget(state: str) -> None:
    """There is a record, or the start has failed. Fine if it is gone."""
    for path in (_path(state), f"{_path(state)}.new"):
        with suppress(FileNotFoundError):
            os.unlink(path)


def _path(state: str) -> str:
    return f"{state}/birth.json"
