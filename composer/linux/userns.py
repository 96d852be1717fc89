"""User namespaces as maps of ids: user_namespaces(7), for mounts that show files under other owners."""

from __future__ import annotations

import os

from composer.linux.clone import clone3
from composer.linux.namespaces import CLONE_NEWUSER

Range = tuple[int, int, int]  # first id inside, first id outside, how many


def open_user_namespace(uids: tuple[Range, ...], gids: tuple[Range, ...]) -> int:
    """A close-on-exec descriptor of a new user namespace with these maps, which no process is in.

    Raises OSError: ENOSPC at the limit of user.max_user_namespaces, EPERM without CAP_SETUID and CAP_SETGID, EINVAL
    for ranges that overlap; RuntimeError when the caller has threads.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = clone3(CLONE_NEWUSER)
    if pid == 0:
        try:
            os.close(writer)
            os.read(reader, 1)  # until the maps are written, or their writer is gone
        finally:
            os._exit(0)
    try:
        _write_map(f"/proc/{pid}/uid_map", uids)
        _write_map(f"/proc/{pid}/gid_map", gids)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for fd in (reader, writer, pidfd):
            os.close(fd)
        os.waitpid(pid, 0)


def _write_map(path: str, ranges: tuple[Range, ...]) -> None:
    """All lines with one write(2): the kernel takes no second one."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, "".join(f"{inside} {outside} {count}\n" for inside, outside, count in ranges).encode())
    finally:
        os.close(fd)
