"""A root file system's source becomes a layer: a directory that a container's overlay has below it, read-only.

A directory and the host's root are that already. An archive is unpacked once, while it is hashed, and found again
under its digest; as long as the file is unchanged, that costs a stat and a readlink.

Beyond this module: the overlay above the layer, and who uses it.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from composer.errors import FileNotFound, HostError
from composer.frozen import frozen
from composer.hints import Iterator, assert_never
from composer.images.layers import LayerStore, identity
from composer.images.stream import ArchiveFile, BadArchive, Limits, Progress, opened
from composer.spec.rootfs import Archive, Directory, HostRoot, RootfsSource


@frozen
class Layer:
    """A root file system to have below an overlay: never to be written."""

    path: str  # absolute, no symbolic link in it
    digest: str | None = None  # of the archive it was unpacked from, in the layer store
    warnings: tuple[str, ...] = ()  # what was left out; only when it has just been unpacked


def resolve(
    source: RootfsSource, *, store_root: str, progress: Progress | None = None, limits: Limits | None = None
) -> Layer:
    """The layer that `source` names, unpacked below `store_root` where it is an archive and not there yet.

    What is at a path decides what it is: lowering, which may not look, can only go by the name. Blocks: unpacking
    a gigabyte takes seconds, and another process that unpacks the same archive is waited for.
    Raises FileNotFound and HostError, and whatever `progress` raises.
    """
    match source:
        case HostRoot():
            return Layer("/")
        case Directory(path) | Archive(path):
            return _layer_at(path, LayerStore(store_root), progress=progress, limits=limits or Limits())
        case _:
            assert_never(source)


def current_digest(source: RootfsSource, *, store_root: str) -> str | None:
    """The digest that the layer of `source` has now, or will have when unpacked; None for what is no archive.

    Costs a stat and a readlink for an unchanged archive, reading it for any other. Raises as `resolve`.
    """
    if isinstance(source, HostRoot):
        return None
    status = _status(source.path)
    if not stat.S_ISREG(status.st_mode):
        return None
    with _telling_why(source.path), opened(source.path) as descriptor:
        known = LayerStore(store_root).digest_of(identity(status))
        return known or ArchiveFile(descriptor, size=status.st_size).digest()


def _layer_at(path: str, store: LayerStore, *, progress: Progress | None, limits: Limits) -> Layer:
    status = _status(path)
    if stat.S_ISDIR(status.st_mode):
        return _directory(path)
    if not stat.S_ISREG(status.st_mode):
        raise HostError(f"cannot use rootfs {path}: it is neither a directory nor a tar archive")
    with _telling_why(path):
        digest = store.digest_of(identity(status))
        if digest is not None:
            return Layer(store.path(digest), digest)
        from composer.images.unpacking import unpacked  # many a supervisor never reads an archive

        digest, warnings = unpacked(path, store, progress=progress, limits=limits)
    return Layer(store.path(digest), digest, warnings)


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except FileNotFoundError as error:
        raise FileNotFound(f"cannot use rootfs {path}: there is no such file or directory") from error
    except OSError as error:
        raise HostError(f"cannot use rootfs {path}: {_reason(error)}") from error


def _directory(path: str) -> Layer:
    """The directory at `path`, by its real name: a link swapped later must not make a container move."""
    if not os.access(path, os.R_OK | os.X_OK):
        raise HostError(f"cannot use rootfs {path}: permission denied")
    return Layer(os.path.realpath(path))


@contextmanager
def _telling_why(path: str) -> Iterator[None]:
    try:
        yield
    except BadArchive as error:
        raise HostError(f"cannot unpack rootfs {path}: {error}", hint=error.hint) from error
    except OSError as error:
        notes = "".join([f" ({note})" for note in getattr(error, "__notes__", ())])
        raise HostError(f"cannot unpack rootfs {path}: {_reason(error)}{notes}") from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
