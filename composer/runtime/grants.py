"""Configs and secrets: files in memory, each bound read-only to its place in the container.

The memory is a ramfs, which the kernel never swaps out and has had for ever (tmpfs has `noswap` since Linux 6.4, and
not in user namespaces). It has no limit of its own and needs none: nobody can write to it once it is made. It is
mounted in the child's own mount namespace, over a directory of its own that the child no longer needs, since only
what is attached somewhere can be cloned (before Linux 6.15).

A content is read at each start: a file by its path; what was deposited with the launcher from a sealed memory file,
by position, as all children share its offset. It is never in this process's heap longer than one block.

Beyond this module: who deposits (launcher.deposits).
"""

from __future__ import annotations

import os
import stat

from composer.errors import HostError
from composer.hints import Mapping
from composer.linux.mount import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    mount_setattr,
    move_mount,
    open_tree,
)
from composer.runtime import identity, mounts
from composer.runtime.road import about
from composer.spec.grant import Grant, HostFile, Literal

ATTRIBUTES = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
BLOCK = 1 << 16
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
Deposits = Mapping[str, int]  # identity → sealed memory file


def refuse_unknown(grants: tuple[Grant, ...], deposits: Deposits) -> None:
    """Raises HostError for a content that nobody has deposited, before anything is made."""
    for grant in grants:
        if not isinstance(grant.content, HostFile | Literal) and grant.identity not in deposits:
            raise HostError(
                f"cannot have the {grant.name}: its content came from the environment and is not known any more",
                hint="it went with the launcher; `pycompose up` hands it over again",
            )


def open_content(grant: Grant, deposits: Deposits) -> int:
    """A descriptor of the content, -1 for one that is in the spec. Raises OSError, HostError."""
    match grant.content:
        case Literal():
            return -1
        case HostFile(path):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise HostError(f"cannot have the {grant.name}: {path} is not a regular file")
            return fd
        case _:
            return os.dup(deposits[grant.identity])


def show(grants: tuple[Grant, ...], contents: list[int], *, root_fd: int, over: str, user: str) -> None:
    """Make the files and bind each to its target. `over` is a directory to mount on; `user` gets what has no owner."""
    ramfs_fd = mounts.new_filesystem("ramfs", (("mode", "700"),), attributes=ATTRIBUTES)
    over_fd = os.open(over, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    move_mount(ramfs_fd, over_fd)
    os.close(over_fd)
    for number, (grant, content_fd) in enumerate(zip(grants, contents, strict=True)):
        with about(grant.name):
            _write(grant, content_fd, str(number), ramfs_fd, _owner(grant, root_fd, user))
    mount_setattr(ramfs_fd, set=MOUNT_ATTR_RDONLY)
    for number, grant in enumerate(grants):
        with about(f"{grant.name} as {grant.target}"):
            tree_fd = open_tree(str(number), dir_fd=ramfs_fd)
            mounts.attach(tree_fd, root_fd, grant.target)
            os.close(tree_fd)
    os.close(ramfs_fd)


def _owner(grant: Grant, root_fd: int, user: str) -> tuple[int, int]:
    if grant.uid is not None and grant.gid is not None:
        return grant.uid, grant.gid
    runs_as = identity.resolve_below(root_fd, user)
    return runs_as.uid if grant.uid is None else grant.uid, runs_as.gid if grant.gid is None else grant.gid


def _write(grant: Grant, content_fd: int, name: str, directory_fd: int, owner: tuple[int, int]) -> None:
    fd = os.open(name, NEW_FILE, 0o600, dir_fd=directory_fd)
    if isinstance(grant.content, Literal):
        _write_all(fd, grant.content.content.encode(errors="surrogateescape"))
    else:
        offset = 0
        while block := os.pread(content_fd, BLOCK, offset):
            _write_all(fd, block)
            offset += len(block)
        os.close(content_fd)
    os.fchown(fd, *owner)
    os.fchmod(fd, grant.mode)
    os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
