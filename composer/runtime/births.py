"""Which process a container was begun with: birth.json in the state directory, written before its program runs.

Between that and the supervisor's own record, launcher and holder may both be killed, and nobody would know of a
container that runs. A child whose launcher is gone before it has come to its program does not execute it (`road`).
The file is in the run directory, so it is of this boot, and stays until the next birth: its process tells its age.
"""

from __future__ import annotations

import os

from composer.frozen import frozen
from composer.runtime.cgroup.container import Cgroup
from composer.spec import codec
from composer.spec.network import Attachment


@frozen
class Birth:
    """A container's process, and what was made for it."""

    pid: int
    start_time: int  # with the pid it names the process
    cgroup: Cgroup
    attachments: tuple[Attachment, ...] = ()


def write(state: str, birth: Birth) -> None:
    """Whole or not there. Not synced: after a crash of the machine there is no such process. Raises OSError."""
    path = _path(state)
    fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(fd, codec.dumps(birth).encode(errors="surrogateescape"))
    finally:
        os.close(fd)
    os.rename(f"{path}.new", path)


def read(state: str) -> Birth | None:
    """The last birth, None where there was none or it cannot be read."""
    try:
        with open(_path(state), "rb") as file:
            return codec.loads(Birth, file.read().decode(errors="surrogateescape"))
    except (OSError, codec.DecodeError):
        return None


def forget(state: str) -> None:
    """Of a start that failed. Fine if it is gone."""
    try:
        os.unlink(_path(state))
    except FileNotFoundError:
        pass


def _path(state: str) -> str:
    return f"{state}/birth.json"
