"""A directory tree being filled from an archive: names resolved inside it, directories made, things replaced.

Names come from a stranger. Each is split into components, none of them `..`; the directory part is then opened
with openat2(RESOLVE_IN_ROOT), so a symbolic link on the way leads where it would lead in the container, and
never out; the last component is only ever used with O_EXCL, O_NOFOLLOW or calls that follow no link. Nobody else
writes to the tree meanwhile: it is below a directory of mode 0700.

Beyond this module: what is put there (unpack), and under which name the tree becomes known (layers).
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from typing import TypeVar

from composer.frozen import frozen, mutable
from composer.hints import Callable, Iterator
from composer.images.stream import BadArchive, quoted
from composer.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2

T = TypeVar("T")

MAX_NAME = 4095  # bytes: PATH_MAX less the NUL
MAX_DEPTH = 128  # directories inside each other: removing a tree takes a stack frame and a descriptor for each
OPEN_DIRECTORIES = 64

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@mutable
class Directory:
    """A directory of the tree. Its permissions and times are set when all is in it: `Tree.finish`."""

    above: Directory | None
    name: bytes
    inode: int
    mode: int = 0o755
    times: tuple[int, int] | None = None  # access and modification, nanoseconds; None leaves what the kernel set

    def path(self) -> bytes:
        """Relative to the root of the tree."""
        names: list[bytes] = []
        here = self
        while here.above is not None:
            names.append(here.name)
            here = here.above
        return b"/".join(reversed(names))


@frozen
class _Open:
    descriptor: int
    directory: Directory


class Tree:
    """The tree below `root_fd`, which must be empty. `close` gives the descriptors back."""

    def __init__(self, root_fd: int, *, max_entries: int) -> None:
        root = Directory(None, b"", os.fstat(root_fd).st_ino)
        self._root = _Open(root_fd, root)
        self._directories = {root.inode: root}
        self._open: dict[bytes, _Open] = {}  # by path: archives go through one directory after the other
        self._entries_left = max_entries

    def close(self) -> None:
        """Close what the tree holds open, apart from `root_fd`."""
        for directory in self._open.values():
            os.close(directory.descriptor)
        self._open.clear()

    def count(self) -> None:
        """One entry more. Raises BadArchive when they are too many."""
        self._entries_left -= 1
        if self._entries_left < 0:
            raise BadArchive("it has more members than a root file system can need: a bomb?")

    def make(self, path: bytes, create: Callable[[bytes, int], T]) -> T:
        """What `create(name, parent_fd)` makes at the clean `path`, in the place of what is there.

        Raises BadArchive where nothing can be made there, OSError as `create` does.
        """
        above, _, name = path.rpartition(b"/")
        if not name:
            raise BadArchive("its root is not a directory")
        parent = self._directory(above)
        try:
            return create(name, parent.descriptor)
        except FileExistsError:
            with self._removed(name, parent) as parent:
                return create(name, parent.descriptor)

    def make_directory(self, path: bytes) -> tuple[int, Directory]:
        """The directory at the clean `path` and a descriptor, good until the next call. One that is there stays.

        A symbolic link there is replaced, as GNU tar and Docker do. Raises BadArchive, OSError.
        """
        if not path:
            return self._root.descriptor, self._root.directory
        made = self._made(path, replace=True)
        self._keep_open(path, made)
        return made.descriptor, made.directory

    def open_parent(self, path: bytes) -> tuple[bytes, int]:
        """The last component of the clean `path`, and a descriptor of the directory it is in, the caller's to close."""
        above, _, name = path.rpartition(b"/")
        return name, os.dup(self._directory(above).descriptor)

    def _directory(self, path: bytes) -> _Open:
        """The directory `path`, links followed inside the root, missing ones made."""
        if not path:
            return self._root
        found = self._open.get(path)
        if found is None:
            found = self._opened(path)
            if found is None:
                self.count()
                found = self._made(path, replace=False)
            self._keep_open(path, found)
        return found

    def _opened(self, path: bytes) -> _Open | None:
        try:
            descriptor = openat2(
                path, _OPEN, dir_fd=self._root.descriptor, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
            )
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise BadArchive(f"{quoted(path)} is used as a directory and is none") from error
        return self._known(descriptor)

    def _made(self, path: bytes, *, replace: bool) -> _Open:
        """The directory `path`, made if it is not there; `replace` removes what else is."""
        above, _, name = path.rpartition(b"/")
        parent = self._directory(above)
        try:
            return self._made_new(parent, name)
        except FileExistsError:
            pass
        try:
            return self._known(os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=parent.descriptor))
        except NotADirectoryError as error:  # a link too: the kernel looks at O_DIRECTORY before O_NOFOLLOW
            if not replace:
                raise BadArchive(f"{quoted(path)} is a link to nowhere, and used as a directory") from error
        with self._removed(name, parent) as parent:
            return self._made_new(parent, name)

    def _made_new(self, parent: _Open, name: bytes) -> _Open:
        _check_depth(parent.directory.path() + b"/" + name)
        os.mkdir(name, 0o700, dir_fd=parent.descriptor)
        descriptor = os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=parent.descriptor)
        made = Directory(parent.directory, name, os.fstat(descriptor).st_ino)
        self._directories[made.inode] = made
        return _Open(descriptor, made)

    def _known(self, descriptor: int) -> _Open:
        return _Open(descriptor, self._directories[os.fstat(descriptor).st_ino])

    def _keep_open(self, path: bytes, directory: _Open) -> None:
        before = self._open.pop(path, None)
        if before is not None:
            os.close(before.descriptor)
        elif len(self._open) >= OPEN_DIRECTORIES:
            os.close(self._open.pop(next(iter(self._open))).descriptor)
        self._open[path] = directory

    @contextmanager
    def _removed(self, name: bytes, parent: _Open) -> Iterator[_Open]:
        """Remove what is at `name`. All paths known so far may have led to it, or through it: they are forgotten."""
        held = _Open(os.dup(parent.descriptor), parent.directory)
        self.close()
        try:
            try:
                os.unlink(name, dir_fd=held.descriptor)
            except IsADirectoryError:
                shutil.rmtree(name, dir_fd=held.descriptor)
            yield held
        finally:
            os.close(held.descriptor)

    def finish(self) -> None:
        """Set permissions and times of all directories, the deepest first: after the last change to any."""
        for directory in sorted(self._directories.values(), key=_depth, reverse=True):
            self._finish_one(directory)

    def _finish_one(self, directory: Directory) -> None:
        path = directory.path() or b"."
        try:
            descriptor = openat2(path, _OPEN, dir_fd=self._root.descriptor, resolve=RESOLVE_NO_SYMLINKS)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            return  # it, or what it was in, was replaced by a later member: a file or a link
        try:
            if os.fstat(descriptor).st_ino == directory.inode:
                os.fchmod(descriptor, directory.mode)
                if directory.times is not None:
                    os.utime(descriptor, ns=directory.times)
        finally:
            os.close(descriptor)


def _depth(directory: Directory) -> int:
    return directory.path().count(b"/")


def _check_depth(path: bytes) -> None:
    """Refuse what could not be named from the root, or not be removed: links on the way make any depth possible."""
    if path.count(b"/") > MAX_DEPTH:
        raise BadArchive(f"it has more than {MAX_DEPTH} directories inside each other")
    if len(path) > MAX_NAME:
        raise BadArchive(f"the path of a directory has more than {MAX_NAME} bytes")


def clean(name: bytes) -> bytes:
    """`name` relative to the root and without empty components; empty for the root. Raises BadArchive.

    Leading slashes are dropped, as GNU tar does. `..` has no place in a root file system: it is refused, not
    repaired, since nobody could say what was meant.
    """
    if len(name) > MAX_NAME:
        raise BadArchive(f"a name has more than {MAX_NAME} bytes: {quoted(name)}")
    parts = [part for part in name.split(b"/") if part and part != b"."]
    if b".." in parts:
        raise BadArchive(f"{quoted(name)} leads out of the root")
    if len(parts) > MAX_DEPTH:
        raise BadArchive(f"it has more than {MAX_DEPTH} directories inside each other")
    return b"/".join(parts)
