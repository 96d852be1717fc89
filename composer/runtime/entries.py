"""Entries of directories that a container may be changing meanwhile, each held by a descriptor.

A name is looked up once and never followed, with O_PATH, which opens nothing: no device wakes up, no FIFO waits for
its other end. What a descriptor was seen to be it stays, and contents are opened through it: there is no moment
between check and use at which a link or a device could be put in a file's place.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.libc import call_failed
from composer.linux.openat2 import open_in_root

LINKS = 40  # as many as the kernel follows


@frozen
class Entry:
    """What an O_PATH descriptor is of. The status is that of the moment it was opened."""

    fd: int
    status: os.stat_result

    @property
    def kind(self) -> int:
        """S_IFREG and so on."""
        return stat.S_IFMT(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def inode(self) -> tuple[int, int]:
        """The same for all names of a file."""
        return self.status.st_dev, self.status.st_ino

    def open_directory(self) -> int:
        """A descriptor to list it by. Raises OSError."""
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)

    def open_file(self) -> int:
        """A descriptor to read a regular file by. Raises OSError."""
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)

    def target(self) -> str:
        """What a symbolic link says."""
        return os.readlink("", dir_fd=self.fd)


@contextmanager
def held(name: str, directory_fd: int) -> Iterator[Entry]:
    """The entry `name` of a directory, a link itself. Raises OSError."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        yield Entry(fd, os.fstat(fd))
    finally:
        os.close(fd)


def exists(name: str, directory_fd: int) -> bool:
    """Whether a directory has an entry of this name, a dangling link too. Raises OSError."""
    try:
        os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@frozen
class Location:
    """Where an entry is or would be. Without a `name` it is the directory itself."""

    directory_fd: int
    name: str


@contextmanager
def located(root_fd: int, path: str, *, follow: bool) -> Iterator[Location]:
    """Where `path` is, with `root_fd` as its "/"; a link at its end is followed if so asked, also one that dangles.

    Raises OSError: FileNotFoundError where the directory it is in is missing.
    """
    directory_fd, name = _locate(root_fd, path, follow=follow)
    try:
        yield Location(directory_fd, name)
    finally:
        os.close(directory_fd)


def _locate(root_fd: int, path: str, *, follow: bool) -> tuple[int, str]:
    for _ in range(LINKS):
        above, _, name = path.rstrip("/").rpartition("/")
        if name in ("", ".", ".."):  # never an entry's name: `..` of the root would lead out of it
            return open_in_root(root_fd, path, flags=os.O_PATH | os.O_DIRECTORY), ""
        directory_fd = open_in_root(root_fd, above, flags=os.O_PATH | os.O_DIRECTORY)
        try:
            target = os.readlink(name, dir_fd=directory_fd) if follow else ""
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):
                os.close(directory_fd)
                raise
            target = ""
        if not target:
            return directory_fd, name
        os.close(directory_fd)
        path = target if target.startswith("/") else f"{above}/{target}"
    raise call_failed(errno.ELOOP, f"locate({path!r})")
