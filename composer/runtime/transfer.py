"""From one place to another, one of the two in a container: what becomes of the names is as with `docker cp`.

    source               target               becomes
    ──────────────────   ──────────────────   ─────────────────────────────────────────────────────
    anything             a directory          an entry of it, under the source's own name
    directory/.          a directory          the source's entries, among those that are there
    file, link           a file               the file; a link at the end of the target is followed
    directory            a file               an error
    file                 not there/           an error
    anything             not there            an entry under the target's name; the directory above must be there

Beyond this module: where the roots come from (view).
"""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import ExitStack, contextmanager

from composer.errors import Conflict, NoSuchThing
from composer.frozen import frozen
from composer.hints import IO, Iterator
from composer.linux.openat2 import open_in_root
from composer.runtime import archive
from composer.runtime.copying import Copying
from composer.runtime.entries import Entry, held, located


@frozen
class Place:
    """A path below a root, as it was typed but absolute. `shown` is what a person calls it: web:/etc."""

    root_fd: int
    typed: str
    shown: str

    @property
    def path(self) -> str:
        return posixpath.normpath("/" + self.typed.lstrip("/"))

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    @property
    def means_contents(self) -> bool:
        """directory/. and the root, which has no name."""
        return self.typed.endswith("/.") or not self.name

    @property
    def must_be_directory(self) -> bool:
        return self.means_contents or self.typed.endswith("/")


@contextmanager
def opened(place: Place, *, follow: bool) -> Iterator[Entry]:
    """What is to be copied; a link itself unless `follow`. Raises OSError, NoSuchThing, Conflict."""
    with ExitStack() as stack:
        try:
            there = stack.enter_context(located(place.root_fd, place.path, follow=follow or place.must_be_directory))
            if there.name:
                entry = stack.enter_context(held(there.name, there.directory_fd))
            else:
                entry = Entry(there.directory_fd, os.fstat(there.directory_fd))
        except FileNotFoundError:
            raise NoSuchThing(f"cannot copy {place.shown}: it does not exist") from None
        if place.must_be_directory and not entry.is_directory:
            raise Conflict(f"cannot copy {place.shown}: it is not a directory")
        yield entry


def copy(source: Place, target: Place, *, copying: Copying, follow: bool) -> None:
    """Copy what is at `source` to `target`. Raises OSError, PycomposeError."""
    with opened(source, follow=follow) as entry:
        try:
            there = open_in_root(target.root_fd, target.path)
        except FileNotFoundError:
            _make(entry, source, target, copying)
            return
        try:
            if stat.S_ISDIR(os.fstat(there).st_mode):
                _put_into(entry, source, there, copying)
            else:
                _replace(entry, source, target, copying)
        finally:
            os.close(there)


def _make(entry: Entry, source: Place, target: Place, copying: Copying) -> None:
    purpose = f"cannot copy {source.shown} to {target.shown}"
    if target.must_be_directory and not entry.is_directory:
        raise NoSuchThing(f"{purpose}: there is no such directory")
    try:
        with located(target.root_fd, target.path, follow=True) as place:
            copying.one(entry, place.directory_fd, as_name=place.name)
    except FileNotFoundError as error:
        above = posixpath.dirname(target.path)
        raise NoSuchThing(f"{purpose}: there is no directory {above}", hint="make it first") from error


def _put_into(entry: Entry, source: Place, into_fd: int, copying: Copying) -> None:
    if not (entry.is_directory and source.means_contents):
        copying.one(entry, into_fd, as_name=source.name)
        return
    source_fd = entry.open_directory()
    try:
        copying.contents(source_fd, into_fd)
    finally:
        os.close(source_fd)


def _replace(entry: Entry, source: Place, target: Place, copying: Copying) -> None:
    purpose = f"cannot copy {source.shown} to {target.shown}"
    if entry.is_directory:
        raise Conflict(f"{purpose}: a directory cannot take the place of a file")
    if target.must_be_directory:
        raise Conflict(f"{purpose}: that is not a directory")
    with located(target.root_fd, target.path, follow=True) as place:
        copying.one(entry, place.directory_fd, as_name=place.name)


def write_archive(source: Place, output: IO[bytes], *, follow: bool) -> None:
    """What is at `source` as a tar stream. Raises OSError, PycomposeError."""
    with opened(source, follow=follow) as entry:
        if not source.means_contents:
            archive.write_one(entry, output, as_name=source.name)
            return
        source_fd = entry.open_directory()
        try:
            archive.write_tree(source_fd, output)
        finally:
            os.close(source_fd)


def require_directory(place: Place) -> None:
    """Raises NoSuchThing, Conflict, OSError."""
    with opened(place, follow=True) as entry:
        if not entry.is_directory:
            raise Conflict(f"cannot unpack into {place.shown}: it is not a directory")
