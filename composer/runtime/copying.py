"""Copies files from one directory tree to another: contents, owners, permissions, links, attributes, times.

Both trees may be written to by a container meanwhile. Nothing is ever looked up by a path: an entry is opened by its
name in a directory that is held open (see `entries`), and no symbolic link is followed. A file is written beside its
place and renamed, so that it is whole or not there, and a copy that was interrupted can be taken up again.

Beyond this module: where source and destination are.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from composer.errors import Conflict, HostError
from composer.frozen import field, frozen, mutable
from composer.hints import Iterator
from composer.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from composer.runtime.entries import Entry, exists, held

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
BLOCK = 1 << 20
DEEPEST = 200  # directories inside each other: each takes three descriptors, and as many frames
DEVICES = (stat.S_IFCHR, stat.S_IFBLK)
POWERS = stat.S_ISUID | stat.S_ISGID


@frozen
class Owner:
    """Who gets what is copied."""

    uid: int
    gid: int


@mutable
class Copying:
    """One copy. Without `overwrite` what is there stays as it is.

    Without an `owner` everybody keeps what is his. With one, the powers that a file gives to whoever runs it do not
    come along (set-user-ID, capabilities), and directories that are there stay whose they are: as with cp(1).
    """

    overwrite: bool = True
    owner: Owner | None = None
    devices: bool = True  # device nodes as well
    left_out: list[str] = field(default_factory=list)  # devices and sockets
    _top: int = -1
    _linked: dict[tuple[int, int], str] = field(default_factory=dict)  # inode → its copy's path

    def contents(self, source_fd: int, into_fd: int) -> None:
        """Copy everything in one directory into another. Raises OSError, HostError."""
        self._top = into_fd
        self._contents(source_fd, into_fd, "", depth=0)

    def one(self, source: Entry, into_fd: int, *, as_name: str) -> None:
        """Copy an entry, with all below it, into a directory as `as_name`. Raises OSError, HostError."""
        self._top = into_fd
        self._entry(source, into_fd, as_name, "", depth=0)

    def attributes(self, source_fd: int, target_fd: int) -> None:
        """Give an open file or directory the owner, permissions, attributes and times of another."""
        status = os.fstat(source_fd)
        owner = self._owner(status)
        os.fchown(target_fd, owner.uid, owner.gid)  # takes set-user-id bits and capabilities: first
        os.fchmod(target_fd, self._mode(status))
        _copy_xattrs(source_fd, target_fd, powers=self.owner is None)
        os.utime(target_fd, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _owner(self, status: os.stat_result) -> Owner:
        return self.owner or Owner(status.st_uid, status.st_gid)

    def _mode(self, status: os.stat_result) -> int:
        mode = stat.S_IMODE(status.st_mode)
        return mode if self.owner is None else mode & ~POWERS

    def _contents(self, source_fd: int, into_fd: int, path: str, *, depth: int) -> None:
        if depth > DEEPEST:
            raise HostError(f"cannot copy {path[:60]}…: there are more than {DEEPEST} directories inside each other")
        for name in sorted(os.listdir(source_fd)):
            try:
                with held(name, source_fd) as source:
                    self._entry(source, into_fd, name, path, depth=depth)
            except FileNotFoundError:  # somebody else has removed it
                if exists(name, source_fd):
                    raise

    def _entry(self, source: Entry, into_fd: int, as_name: str, above: str, *, depth: int) -> None:
        path = f"{above}{as_name}"
        if source.is_directory:
            self._directory(source, into_fd, as_name, path, depth=depth)
            return
        if source.kind == stat.S_IFSOCK or (source.kind in DEVICES and not self.devices):
            self.left_out.append(path)
            return
        if not self.overwrite and exists(as_name, into_fd):
            return
        with whole(as_name, into_fd) as beside:
            if not self._linked_again(source.status, into_fd, beside):
                self._make(source, into_fd, beside)
                if source.status.st_nlink > 1:
                    self._linked[source.inode] = path

    def _directory(self, source: Entry, into_fd: int, as_name: str, path: str, *, depth: int) -> None:
        fresh = True
        try:
            os.mkdir(as_name, 0o700, dir_fd=into_fd)
        except FileExistsError:
            fresh = False
        inner_source = source.open_directory()
        try:
            inner_into = os.open(as_name, DIRECTORY, dir_fd=into_fd)
            try:
                self._contents(inner_source, inner_into, f"{path}/", depth=depth + 1)
                if fresh or (self.overwrite and self.owner is None):
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

    def _make(self, source: Entry, into_fd: int, as_name: str) -> None:
        if source.kind == stat.S_IFREG:
            self._file(source, into_fd, as_name)
            return
        status = source.status
        if source.kind == stat.S_IFLNK:
            os.symlink(source.target(), as_name, dir_fd=into_fd)
        else:
            os.mknod(as_name, source.kind | 0o600, status.st_rdev, dir_fd=into_fd)
        owner = self._owner(status)
        os.chown(as_name, owner.uid, owner.gid, dir_fd=into_fd, follow_symlinks=False)
        if source.kind != stat.S_IFLNK:
            # by a name of 64 random bits, as O_PATH is refused by fchmod(2)
            os.chmod(as_name, self._mode(status), dir_fd=into_fd)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(as_name, ns=times, dir_fd=into_fd, follow_symlinks=False)

    def _file(self, source: Entry, into_fd: int, as_name: str) -> None:
        source_fd = source.open_file()
        try:
            target_fd = os.open(as_name, NEW_FILE, 0o600, dir_fd=into_fd)
            try:
                copy_data(source_fd, target_fd)
                self.attributes(source_fd, target_fd)
            finally:
                os.close(target_fd)
        finally:
            os.close(source_fd)


@contextmanager
def whole(name: str, directory_fd: int) -> Iterator[str]:
    """A name to make an entry under, which then takes the place of `name`, but never that of a device or socket.

    Raises OSError, Conflict; then it is gone again.
    """
    _refuse_device(name, directory_fd)
    beside = f".{os.urandom(8).hex()}.pycompose"
    try:
        yield beside
        try:
            os.rename(beside, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _write_over(beside, name, directory_fd)
    finally:
        # after a rename(2) of two names of one file, which does nothing, it is there as well
        _unlink(beside, directory_fd)


def _refuse_device(name: str, directory_fd: int) -> None:
    """What others have open under this name they would not find again: /dev/null, say. Raises OSError, Conflict."""
    try:
        kind = stat.S_IFMT(os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return
    if kind in DEVICES or kind == stat.S_IFSOCK:
        raise Conflict(f"cannot replace {name}: it is a {'socket' if kind == stat.S_IFSOCK else 'device'}")


def _write_over(source: str, name: str, directory_fd: int) -> None:
    """What is a mount point keeps its place and gets the content. Raises OSError."""
    with held(source, directory_fd) as entry:
        if entry.kind != stat.S_IFREG:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
        source_fd = entry.open_file()
    try:
        with held(name, directory_fd) as entry:
            if entry.kind != stat.S_IFREG:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
            target_fd = os.open(f"/proc/self/fd/{entry.fd}", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            copy_data(source_fd, target_fd)
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)


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


def _copy_xattrs(source_fd: int, target_fd: int, *, powers: bool) -> None:
    try:
        names = os.listxattr(source_fd)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return
    for name in names:
        if name.startswith("trusted.overlay.") or (name == "security.capability" and not powers):
            continue
        try:
            os.setxattr(target_fd, name, os.getxattr(source_fd, name))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENODATA):
                raise


def _unlink(name: str, directory_fd: int) -> None:
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
