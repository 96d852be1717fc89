"""How containers ended, in the launcher's own words: exit.json in the state directory.

Written durably before anybody is told, and kept until the supervisor has put it into its own record: the end of a
container is known once, by whoever reaped it, and a crash at the wrong moment must not lose it.
"""

from __future__ import annotations

import os

from composer.frozen import frozen
from composer.spec import codec

OUT_OF_MEMORY_EXIT_CODE = 128 + 9


@frozen
class ExitRecord:
    """The end of one run of a container."""

    pid: int
    start_time: int  # with the pid it names the process
    status: int | None  # as wait(2) gave it; None where nobody can know: the process was not our child
    exit_code: int | None  # 128 + n after signal n
    oom_killed: bool  # ended by the out-of-memory killer
    oom_kills: int  # processes of this run that it killed, the first one or others
    finished_ns: int  # wall clock, nanoseconds since the epoch


def describe(*, pid: int, start_time: int, status: int | None, oom_kills: int, finished_ns: int) -> ExitRecord:
    """The record of a wait status."""
    exit_code = None if status is None else exit_code_of(status)
    return ExitRecord(
        pid=pid,
        start_time=start_time,
        status=status,
        exit_code=exit_code,
        # An init ends with 137 when its program was killed, so the exit code decides and not the wait status.
        oom_killed=oom_kills > 0 and exit_code == OUT_OF_MEMORY_EXIT_CODE,
        oom_kills=oom_kills,
        finished_ns=finished_ns,
    )


def exit_code_of(status: int) -> int:
    """The exit code of a wait status, as a shell gives it: 128 + n after signal n."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def write(state: str, record: ExitRecord) -> None:
    """Keep the record. It is whole or not there, and on disk when this returns. Raises OSError."""
    path = _path(state)
    temporary = f"{path}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(fd, codec.dumps(record).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    _sync_directory(state)


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(state: str) -> ExitRecord | None:
    """The record, None where there is none. Raises codec.DecodeError on a damaged one."""
    try:
        with open(_path(state), "rb") as file:
            return codec.loads(ExitRecord, file.read())
    except FileNotFoundError:
        return None


def forget(state: str) -> None:
    """Delete the record. Fine if it is gone."""
    try:
        os.unlink(_path(state))
    except FileNotFoundError:
        pass


def _path(state: str) -> str:
    return f"{state}/exit.json"
