"""A directory tree as a tar stream (POSIX pax), entry by entry, with owners, links and extended attributes.

As in `copying`, nothing is looked up by a path. A file that changes while it is read keeps the length it had: the
archive stays whole.
"""

from __future__ import annotations

import os
import stat
import tarfile

from composer.errors import HostError
from composer.frozen import field, mutable
from composer.hints import IO, Iterator
from composer.runtime.copying import BLOCK, DEEPEST
from composer.runtime.entries import Entry, held

TYPES = {  # a socket means nothing without who listens
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFREG: tarfile.REGTYPE,
}


def write_tree(root_fd: int, output: IO[bytes], *, comment: str = "", without: tuple[str, ...] = ()) -> None:
    """Everything in a directory, but for what is below the paths `without`. Raises OSError, HostError."""
    with _open(output, comment) as tar:
        _Archiving(tar, frozenset(path.strip("/") for path in without)).contents(root_fd, "", depth=0)


def write_one(entry: Entry, output: IO[bytes], *, as_name: str) -> None:
    """One entry and all below it. Raises OSError, HostError."""
    with _open(output, "") as tar:
        _Archiving(tar).entry(entry, as_name, depth=0)


def _open(output: IO[bytes], comment: str) -> tarfile.TarFile:
    headers = {"comment": comment} if comment else {}
    return tarfile.open(mode="w|", fileobj=output, format=tarfile.PAX_FORMAT, encoding="utf-8", pax_headers=headers)


@mutable
class _Archiving:
    tar: tarfile.TarFile
    without: frozenset[str] = frozenset()
    _linked: dict[tuple[int, int], str] = field(default_factory=dict)  # inode → its first name

    def contents(self, directory_fd: int, above: str, *, depth: int) -> None:
        if depth > DEEPEST:
            raise HostError(f"cannot write {above[:60]}…: there are more than {DEEPEST} directories inside each other")
        for name in sorted(os.listdir(directory_fd)):
            try:
                with held(name, directory_fd) as entry:
                    self.entry(entry, f"{above}{name}", depth=depth)
            except FileNotFoundError:
                continue  # somebody has removed it meanwhile

    def entry(self, entry: Entry, path: str, *, depth: int) -> None:
        kind = TYPES.get(entry.kind)
        if kind is None or path in self.without:
            return
        info = _info(path, kind, entry.status)
        if kind == tarfile.REGTYPE:
            self._file(entry, info)
            return
        if kind == tarfile.DIRTYPE:
            self._directory(entry, info, depth=depth)
            return
        if kind == tarfile.SYMTYPE:
            info.linkname = entry.target()
        else:
            info.devmajor, info.devminor = os.major(entry.status.st_rdev), os.minor(entry.status.st_rdev)
        self.tar.addfile(info)

    def _file(self, entry: Entry, info: tarfile.TarInfo) -> None:
        first = self._linked.get(entry.inode)
        if first is not None:
            info.type, info.linkname = tarfile.LNKTYPE, first
            self.tar.addfile(info)
            return
        fd = entry.open_file()
        with open(fd, "rb", buffering=0) as file:
            info.size = os.fstat(fd).st_size
            info.pax_headers = dict(_xattrs(fd))
            self.tar.addfile(info, _Padded(file))  # type: ignore[arg-type]  # it has read(), all that is used
        if entry.status.st_nlink > 1:
            self._linked[entry.inode] = info.name

    def _directory(self, entry: Entry, info: tarfile.TarInfo, *, depth: int) -> None:
        fd = entry.open_directory()
        try:
            info.pax_headers = dict(_xattrs(fd))
            self.tar.addfile(info)
            self.contents(fd, f"{info.name}/", depth=depth + 1)
        finally:
            os.close(fd)


def _info(path: str, kind: bytes, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type = kind
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    info.mtime = status.st_mtime
    return info


def _xattrs(fd: int) -> Iterator[tuple[str, str]]:
    """As pax records. A value is bytes, which surrogates carry through tarfile's UTF-8."""
    try:
        names = os.listxattr(fd)
    except OSError:
        return  # a file system without attributes
    for name in names:
        if not name.startswith("trusted.overlay."):
            yield f"SCHILY.xattr.{name}", os.getxattr(fd, name).decode("utf-8", "surrogateescape")


@mutable
class _Padded:
    """A file that is never shorter than it was: what was cut off meanwhile is zeros, as with tar(1)."""

    file: IO[bytes]

    def read(self, size: int) -> bytes:
        parts = []
        while size and (part := self.file.read(min(size, BLOCK))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts) + bytes(size)
