"""Members of an archive become files: contents, owners, permissions, attributes, times.

The order for each is the kernel's: data first (a write takes capabilities and set-user-id away), then the owner
(chown(2) does the same), permissions, extended attributes, and the times last.
Left out, with a warning: device nodes, since a container gets its own /dev and a node of the host's disk in a
layer would be a way to the host; attributes that steer overlayfs or the host's security modules. A character
device 0:0 is no device but overlayfs's whiteout, and is made.

Beyond this module: where a name leads (tree), what the archive says (tar).
"""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from typing import assert_never

from composer.frozen import field, frozen, mutable
from composer.hints import Iterator
from composer.images import tar
from composer.images.stream import BadArchive, Limits, Stream, quoted
from composer.images.tar import Kind, Member
from composer.images.tree import Tree, clean

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

NO_OWNERS = "owners are not kept: only root can give files away"
NO_DEVICES = "device nodes are left out: a container gets a /dev of its own"


@frozen
class Unpacked:
    """What came of it. `size` is in bytes, without holes; `warnings` are sentences for a person."""

    members: int
    size: int
    warnings: tuple[str, ...]


@mutable
class _Warnings:
    """What was left out, each kind once with its first member and how often."""

    first: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, name: bytes) -> None:
        self.first.setdefault(what, name)
        self.counts[what] = self.counts.get(what, 0) + 1

    def sentences(self) -> Iterator[str]:
        for what, name in self.first.items():
            others = self.counts[what] - 1
            yield f"{what} ({quoted(name)}{f' and {others} more' if others else ''})"


def unpack(stream: Stream, *, root_fd: int, limits: Limits) -> Unpacked:
    """Unpack the archive in `stream` into the empty directory `root_fd`.

    Raises BadArchive for what the archive is to blame for; other OSErrors carry the member's name in a note.
    """
    tree = Tree(root_fd, max_entries=limits.members)
    try:
        unpacking = _Unpacking(tree, stream, limits)
        for member in tar.members(stream):
            unpacking.one(member)
        stream.drain()
        tree.finish()
    finally:
        tree.close()
    return unpacking.result()


class _Unpacking:
    def __init__(self, tree: Tree, stream: Stream, limits: Limits) -> None:
        self._tree = tree
        self._stream = stream
        self._limits = limits
        self._warnings = _Warnings()
        self._members = 0
        self._size = 0
        self._apparent_size = 0

    def result(self) -> Unpacked:
        return Unpacked(self._members, self._size, tuple(self._warnings.sentences()))

    def one(self, member: Member) -> None:
        """Make one member, and take its data from the stream."""
        self._members += 1
        self._tree.count()
        try:
            self._make(member, clean(member.name))
        except OSError as error:
            if error.errno in _BLAMED_ON_THE_ARCHIVE:
                reason = f"{member.kind.value} {quoted(member.name)}: {os.strerror(error.errno).lower()}"
                raise BadArchive(reason) from error
            error.add_note(f"at {member.kind.value} {quoted(member.name)}")
            raise

    def _make(self, member: Member, path: bytes) -> None:
        match member.kind:
            case Kind.FILE:
                self._make_file(member, path)
            case Kind.DIRECTORY:
                self._make_directory(member, path)
            case Kind.SYMLINK:
                self._tree.make(path, partial(self._make_symlink, member))
            case Kind.HARD_LINK:
                self._make_hard_link(path, to=clean(member.link))
            case Kind.FIFO:
                self._tree.make(path, partial(self._make_node, member, stat.S_IFIFO))
            case Kind.CHARACTER_DEVICE if member.device == (0, 0):
                self._tree.make(path, partial(self._make_node, member, stat.S_IFCHR))
            case Kind.CHARACTER_DEVICE | Kind.BLOCK_DEVICE:
                self._warnings.add(NO_DEVICES, member.name)
            case _:
                assert_never(member.kind)

    def _make_file(self, member: Member, path: bytes) -> None:
        self._apparent_size += member.apparent_size
        if self._apparent_size > self._limits.unpacked:
            raise BadArchive(f"its files have more than {self._limits.unpacked:,} bytes: a decompression bomb?")
        descriptor = self._tree.make(path, _new_file)
        try:
            if member.sparse is None:
                self._write(descriptor, member.size)
            else:
                self._write_sparse(descriptor, member)
            self._set_owner(descriptor, member)
            os.fchmod(descriptor, member.mode)
            self._set_xattrs(descriptor, member)
            os.utime(descriptor, ns=(member.atime_ns, member.mtime_ns))
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, size: int) -> None:
        self._size += size
        for piece in self._stream.pieces(size):
            written = os.write(descriptor, piece)
            while written < len(piece):
                written += os.write(descriptor, piece[written:])

    def _write_sparse(self, descriptor: int, member: Member) -> None:
        assert member.sparse is not None
        for offset, length in member.sparse.extents:
            os.lseek(descriptor, offset, os.SEEK_SET)
            self._write(descriptor, length)
        os.ftruncate(descriptor, member.sparse.size)

    def _make_directory(self, member: Member, path: bytes) -> None:
        descriptor, directory = self._tree.make_directory(path)
        self._set_owner(descriptor, member)
        self._set_xattrs(descriptor, member)
        directory.mode = member.mode
        directory.times = (member.atime_ns, member.mtime_ns)

    def _make_symlink(self, member: Member, name: bytes, parent_fd: int) -> None:
        os.symlink(member.link, name, dir_fd=parent_fd)
        self._set_owner(name, member, parent_fd=parent_fd)
        os.utime(name, ns=(member.atime_ns, member.mtime_ns), dir_fd=parent_fd, follow_symlinks=False)

    def _make_hard_link(self, path: bytes, *, to: bytes) -> None:
        source, source_fd = self._tree.open_parent(to)
        try:
            self._tree.make(path, partial(_link, source, source_fd))
        except FileNotFoundError as error:
            raise BadArchive(f"{quoted(path)} is a hard link to {quoted(to)}, which is not there") from error
        finally:
            os.close(source_fd)

    def _make_node(self, member: Member, type_: int, name: bytes, parent_fd: int) -> None:
        """A FIFO or a whiteout. By name, as O_PATH is refused by fchmod(2): nobody else can swap it meanwhile."""
        try:
            os.mknod(name, type_ | 0o600, 0, dir_fd=parent_fd)
        except PermissionError:
            self._warnings.add(NO_DEVICES, member.name)
            return
        self._set_owner(name, member, parent_fd=parent_fd)
        os.chmod(name, member.mode, dir_fd=parent_fd)
        os.utime(name, ns=(member.atime_ns, member.mtime_ns), dir_fd=parent_fd, follow_symlinks=False)

    def _set_owner(self, file: int | bytes, member: Member, *, parent_fd: int | None = None) -> None:
        try:
            if isinstance(file, int):
                os.fchown(file, member.uid, member.gid)
            else:
                os.chown(file, member.uid, member.gid, dir_fd=parent_fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NOT_OURS_TO_GIVE:
                raise
            self._warnings.add(NO_OWNERS, member.name)

    def _set_xattrs(self, descriptor: int, member: Member) -> None:
        for name, value in member.xattrs:
            try:
                if not _is_kept(name):
                    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
                os.setxattr(descriptor, name, value)
            except OSError as error:
                if error.errno not in _ATTRIBUTE_REFUSED:
                    raise
                self._warnings.add(f"the extended attribute {quoted(name)} is not kept", member.name)


def _new_file(name: bytes, parent_fd: int) -> int:
    return os.open(name, NEW_FILE, 0o600, dir_fd=parent_fd)


def _link(source: bytes, source_fd: int, name: bytes, parent_fd: int) -> None:
    """link(2); a file that is there already stays. Neither name is followed if it is a symbolic link."""
    try:
        os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=parent_fd, follow_symlinks=False)
    except FileExistsError:
        there = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        if not os.path.samestat(there, os.stat(source, dir_fd=source_fd, follow_symlinks=False)):
            raise


def _is_kept(name: bytes) -> bool:
    """Whether a layer may carry the attribute: `user.overlay.` and `trusted.overlay.` redirect lookups elsewhere."""
    return name == b"security.capability" or (
        name.startswith(b"user.") and not name.startswith(b"user.overlay.") and b"\0" not in name
    )


_BLAMED_ON_THE_ARCHIVE = frozenset((errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENOTDIR))
_NOT_OURS_TO_GIVE = frozenset((errno.EPERM, errno.EINVAL))  # EINVAL: an id that is not mapped in a user namespace
_ATTRIBUTE_REFUSED = frozenset((errno.ENOTSUP, errno.EPERM, errno.EINVAL, errno.E2BIG, errno.ERANGE))
