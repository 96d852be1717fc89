"""Archives as tests need them, written header by header where tarfile is too well-behaved to write them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

Look = dict[bytes, tuple[object, ...]]


def member(name: str, type_: bytes = tarfile.REGTYPE, *, link: str = "", data: bytes = b"", mode: int = 0o644) -> bytes:
    """One member in pax format, its name exactly as given."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = type_, link, mode, len(data)
    return info.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape") + data + bytes(-len(data) % 512)


def directory(name: str, *, mode: int = 0o755) -> bytes:
    return member(name, tarfile.DIRTYPE, mode=mode)


def symlink(name: str, to: str) -> bytes:
    return member(name, tarfile.SYMTYPE, link=to)


def hard_link(name: str, to: str) -> bytes:
    return member(name, tarfile.LNKTYPE, link=to)


def pax(records: bytes, *, size: int | None = None) -> bytes:
    """An extended header with these raw records."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


def record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def archive(*members: bytes, end: bytes = bytes(1024)) -> bytes:
    return b"".join(members) + end


def look(root: Path | str) -> Look:
    """All that a tree is: what tar is trusted with, by path below `root`."""
    found: Look = {}
    links: dict[int, int] = {}
    base = os.fsencode(root)
    for directory_, directories, files in os.walk(base):
        directories.sort()
        for name in [b".", *directories, *sorted(files)]:
            path = os.path.normpath(os.path.join(directory_, name))
            found[os.path.relpath(path, base)] = _look_at(path, links)
    return found


def _look_at(path: bytes, links: dict[int, int]) -> tuple[object, ...]:
    status = os.lstat(path)
    content: object = None
    if stat.S_ISREG(status.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    xattrs = {
        name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
    }
    group = 0 if stat.S_ISDIR(status.st_mode) else links.setdefault(status.st_ino, len(links) + 1)
    return (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, group, tuple(xattrs.items()), content)


def tar_bytes(format_: int, *infos: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive as the standard library writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_, errors="surrogateescape") as file:
        for info, data in infos:
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
