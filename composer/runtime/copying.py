"""Copies files from one directory tree to another: contents, owners, permissions, links, attributes, times.

Both trees may be written to by a container meanwhile. Nothing is ever looked up by a path: an entry is opened by its
name in a directory that is held open, and no symbolic link is followed. A file is written beside its place and
renamed, so that it is whole or not there, and a copy that was interrupted can be taken up again.

Beyond this module: where source and destination are.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from composer.errors import HostError
from composer.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
BLOCK = 1 << 20
DEEPEST = 400  # directories inside each other: each takes two descriptors


@dataclass(frozen=True, slots=True)
class Owner:
    """Who gets what is copied."""

    uid: int
    gid: int


@dataclass(slots=True)
class Copying:
    """One copy. Without an `owner` everybody keeps what is his; without `overwrite` what is there stays as it is."""

    overwrite: bool = True
    owner: Owner | None = None
    _top: int = -1
    _linked: dict[tuple[int, int], str] = field(default_factory=dict)  # (device, inode) → its copy's path

    def contents(self, source_fd: int, into_fd: int) -> None:
        """Copy everything in one directory into another. Raises OSError, HostError."""
        self._top = into_fd
        self._contents(source_fd, into_fd, "", depth=0)

    def one(self, name: str, source_fd: int, into_fd: int, *, as_name: str) -> None:
        """Copy the entry `name` of one directory, with all below it, into another as `as_name`."""
        self._top = into_fd
        self._entry(name, source_fd, into_fd, as_name, "", depth=0)

    def attributes(self, source_fd: int, target_fd: int) -> None:
        """Give an open file or directory the owner, permissions, attributes and times of another."""
        status = os.fstat(source_fd)
        owner = self.owner or Owner(status.st_uid, status.st_gid)
        os.fchown(target_fd, owner.uid, owner.gid)  # takes set-user-id bits and capabilities: first
        os.fchmod(target_fd, stat.S_IMODE(status.st_mode))
        _copy_xattrs(source_fd, target_fd)
        os.utime(target_fd, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _contents(self, source_fd: int, into_fd: int, path: str, *, depth: int) -> None:
        if depth > DEEPEST:
            raise HostError(f"cannot copy {path[:60]}…: there are more than {DEEPEST} directories inside each other")
        for name in sorted(os.listdir(source_fd)):
            try:
                self._entry(name, source_fd, into_fd, name, path, depth=depth)
            except FileNotFoundError:  # somebody else has removed it
                if _exists(name, source_fd):
                    raise

    def _entry(self, name: str, source_fd: int, into_fd: int, as_name: str, above: str, *, depth: int) -> None:
        status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
        path = f"{above}{as_name}"
        if stat.S_ISDIR(status.st_mode):
            self._directory(name, source_fd, into_fd, as_name, path, depth=depth)
            return
        if stat.S_ISSOCK(status.st_mode) or (not self.overwrite and _exists(as_name, into_fd)):
            return
        beside = f".{os.urandom(8).hex()}.pycompose"
        try:
            if not self._linked_again(status, into_fd, beside):
                self._make(name, status, source_fd, into_fd, beside)
                if status.st_nlink > 1:
                    self._linked[status.st_dev, status.st_ino] = path
            os.rename(beside, as_name, src_dir_fd=into_fd, dst_dir_fd=into_fd)
            _unlink(beside, into_fd)  # two names of one file: rename(2) does nothing, and leaves both
        except BaseException:
            _unlink(beside, into_fd)
            raise

    def _directory(self, name: str, source_fd: int, into_fd: int, as_name: str, path: str, *, depth: int) -> None:
        fresh = True
        try:
            os.mkdir(as_name, 0o700, dir_fd=into_fd)
        except FileExistsError:
            fresh = False
        inner_source = os.open(name, DIRECTORY, dir_fd=source_fd)
        try:
            inner_into = os.open(as_name, DIRECTORY, dir_fd=into_fd)
            try:
                self._contents(inner_source, inner_into, f"{path}/", depth=depth + 1)
                if fresh or self.overwrite:
                    self.attributes(inner_source, inner_into)
            finally:
                os.close(inner_into)
        finally:
            os.close(inner_source)

    def _linked_again(self, status: os.stat_result, into_fd: int, name: str) -> bool:
        """Whether it is another name of a file that was copied already, and is one of the copy now."""
        path = self._linked.get((status.st_dev, status.st_ino))
        if path is None:
            return False
        try:
            file_fd = openat2(path, os.O_PATH, dir_fd=self._top, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        except OSError:
            return False  # a container has moved it: then it is copied twice
        try:
            os.link(f"/proc/self/fd/{file_fd}", name, dst_dir_fd=into_fd, follow_symlinks=True)
        finally:
            os.close(file_fd)
        return True

    def _make(self, name: str, status: os.stat_result, source_fd: int, into_fd: int, as_name: str) -> None:
        if stat.S_ISREG(status.st_mode):
            self._file(name, source_fd, into_fd, as_name)
            return
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source_fd), as_name, dir_fd=into_fd)
        else:
            os.mknod(as_name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=into_fd)
        owner = self.owner or Owner(status.st_uid, status.st_gid)
        os.chown(as_name, owner.uid, owner.gid, dir_fd=into_fd, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            # by a name of 64 random bits, as O_PATH is refused by fchmod(2)
            os.chmod(as_name, stat.S_IMODE(status.st_mode), dir_fd=into_fd)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(as_name, ns=times, dir_fd=into_fd, follow_symlinks=False)

    def _file(self, name: str, source_fd: int, into_fd: int, as_name: str) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        source = os.open(name, flags, dir_fd=source_fd)
        try:
            if not stat.S_ISREG(os.fstat(source).st_mode):  # swapped meanwhile
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), name)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(as_name, flags, 0o600, dir_fd=into_fd)
            try:
                copy_data(source, target)
                self.attributes(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)


def copy_data(source_fd: int, target_fd: int) -> None:
    """All bytes of a file, by the kernel where it can. Raises OSError."""
    try:
        while os.copy_file_range(source_fd, target_fd, BLOCK * 64):
            pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM):
            raise
    # what is left: all of it where the kernel cannot, or what it says is empty, as files of /proc
    while block := os.read(source_fd, BLOCK):
        view = memoryview(block)
        while view:
            view = view[os.write(target_fd, view) :]


def _copy_xattrs(source_fd: int, target_fd: int) -> None:
    try:
        names = os.listxattr(source_fd)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return
    for name in names:
        try:
            os.setxattr(target_fd, name, os.getxattr(source_fd, name))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENODATA):
                raise


def _exists(name: str, directory_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unlink(name: str, directory_fd: int) -> None:
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
