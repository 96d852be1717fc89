"""The members of a tar stream become files in a directory of a container, which may be changing it meanwhile.

Where a member goes is looked up with the container's root as "/", so that a link among what is there leads nowhere
else, and no name of the archive leads above the directory. A file is whole or not there, as in `copying`.

Beyond this module: archives that become layers, of which nobody else has a hand on anything (images).
"""

from __future__ import annotations

import errno
import os
import posixpath
import tarfile

from composer.errors import HostError
from composer.frozen import field, mutable
from composer.hints import IO, Callable
from composer.linux.openat2 import make_directories, open_in_root
from composer.runtime.copying import BLOCK, NEW_FILE, POWERS, Owner, whole
from composer.runtime.entries import located


@mutable
class Extracting:
    """One archive. Without an `owner` the members keep theirs; see `copying.Copying`."""

    root_fd: int
    directory: str  # in that root
    owner: Owner | None = None
    left_out: list[str] = field(default_factory=list)  # devices

    def all(self, stream: IO[bytes]) -> None:
        """Make all members. Raises OSError, HostError: it is no tar archive."""
        try:
            with tarfile.open(mode="r|*", fileobj=stream) as tar:
                for member in tar:
                    self._one(member, tar)
        except tarfile.TarError as error:
            raise HostError(f"cannot read standard input as a tar archive: {error}") from None

    def _one(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        path = self._path(member.name)
        if member.isdir():
            self._directory(path, member)
        elif member.isreg():
            self._make(path, lambda name, fd: self._file(name, fd, member, tar.extractfile(member)))
        elif member.issym():
            self._make(path, lambda name, fd: self._symlink(name, fd, member))
        elif member.islnk():
            with located(self.root_fd, self._path(member.linkname), follow=False) as there:
                source_fd, source = there.directory_fd, there.name
                self._make(path, lambda name, fd: _link(source, source_fd, name, fd))
        elif member.isfifo():
            self._make(path, lambda name, fd: self._fifo(name, fd, member))
        else:
            self.left_out.append(member.name)

    def _path(self, name: str) -> str:
        if ".." in name.split("/"):
            raise HostError(f"cannot unpack {name!r}: it leads out of the directory")
        return posixpath.normpath(f"{self.directory}/{name}")

    def _make(self, path: str, make: Callable[[str, int], None]) -> None:
        """Have `make` make an entry, in whose place nothing is yet, and put it into its place."""
        above, name = posixpath.split(path)
        directory_fd = make_directories(self.root_fd, above)
        try:
            with whole(name, directory_fd) as beside:
                make(beside, directory_fd)
        finally:
            os.close(directory_fd)

    def _directory(self, path: str, member: tarfile.TarInfo) -> None:
        """A directory that is there stays whose it is, unless all is to be as in the archive."""
        if path == posixpath.normpath(self.directory):
            return
        above, name = posixpath.split(path)
        above_fd = make_directories(self.root_fd, above)
        try:
            os.mkdir(name, 0o700, dir_fd=above_fd)
        except FileExistsError:
            if self.owner is not None:
                return
        finally:
            os.close(above_fd)
        fd = open_in_root(self.root_fd, path, flags=os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._attributes(fd, member)
        finally:
            os.close(fd)

    def _file(self, name: str, directory_fd: int, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        fd = os.open(name, NEW_FILE, 0o600, dir_fd=directory_fd)
        try:
            while content is not None and (block := content.read(BLOCK)):
                view = memoryview(block)
                while view:
                    view = view[os.write(fd, view) :]
            self._attributes(fd, member)
        finally:
            os.close(fd)

    def _attributes(self, fd: int, member: tarfile.TarInfo) -> None:
        owner = self._owner(member)
        os.fchown(fd, owner.uid, owner.gid)
        os.fchmod(fd, self._mode(member))
        for key, value in member.pax_headers.items():
            name = key.removeprefix("SCHILY.xattr.")
            if name.startswith("user.") or (name == "security.capability" and self.owner is None):
                _set_xattr(fd, name, value.encode("utf-8", "surrogateescape"))
        os.utime(fd, (member.mtime, member.mtime))

    def _symlink(self, name: str, directory_fd: int, member: tarfile.TarInfo) -> None:
        os.symlink(member.linkname, name, dir_fd=directory_fd)
        owner = self._owner(member)
        os.chown(name, owner.uid, owner.gid, dir_fd=directory_fd, follow_symlinks=False)

    def _fifo(self, name: str, directory_fd: int, member: tarfile.TarInfo) -> None:
        os.mkfifo(name, 0o600, dir_fd=directory_fd)
        owner = self._owner(member)
        os.chown(name, owner.uid, owner.gid, dir_fd=directory_fd, follow_symlinks=False)
        os.chmod(name, self._mode(member), dir_fd=directory_fd)

    def _owner(self, member: tarfile.TarInfo) -> Owner:
        return self.owner or Owner(member.uid, member.gid)

    def _mode(self, member: tarfile.TarInfo) -> int:
        return member.mode & 0o7777 if self.owner is None else member.mode & 0o7777 & ~POWERS


def _set_xattr(fd: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(fd, name, value)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # as a tmpfs says
            raise


def _link(source: str, source_fd: int, name: str, directory_fd: int) -> None:
    os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=directory_fd, follow_symlinks=False)
