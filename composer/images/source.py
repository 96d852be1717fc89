"""A root file system's source becomes a layer: a directory that a container's overlay has below it, read-only.

A directory and the host's root are that already. An archive is unpacked once, while it is hashed, and found again
under its digest; as long as the file is unchanged, that costs a stat and a readlink.

Beyond this module: the overlay above the layer, and who uses it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

from composer.errors import FileNotFound, HostError
from composer.frozen import frozen
from composer.images.compression import decompressed
from composer.images.layers import LayerRecord, LayerStore, Workspace, identity
from composer.images.stream import ArchiveFile, BadArchive, Limits, Progress, Stream, within
from composer.images.unpack import Unpacked, unpack
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
    with _telling_why(source.path), _opened(source.path) as descriptor:
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
        return _from_archive(path, store, progress=progress, limits=limits)


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


def _from_archive(path: str, store: LayerStore, *, progress: Progress | None, limits: Limits) -> Layer:
    with _opened(path) as descriptor:
        archive = identity(os.fstat(descriptor))
        store.remove_left_overs()
        with store.workspace(archive) as workspace:
            digest = store.digest_of(archive) or _digest_of_copy(descriptor, store)
            warnings: tuple[str, ...] = ()
            if digest is None:
                digest, record = _unpack(descriptor, workspace, path=path, progress=progress, limits=limits)
                _check_unchanged(descriptor, archive)
                store.publish(workspace, digest, record)
                warnings = record.warnings
            _check_unchanged(descriptor, archive)
            store.remember(archive, digest)
    return Layer(store.path(digest), digest, warnings)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # nonblock: it may be a FIFO by now
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _digest_of_copy(descriptor: int, store: LayerStore) -> str | None:
    """The digest of an archive that was only copied or touched since its layer was made.

    Only where a layer's archive had the same size: else the file would be read twice for nothing.
    """
    size = os.fstat(descriptor).st_size
    if all(layer.record.archive_size != size for layer in store.layers()):
        return None
    digest = ArchiveFile(descriptor, size=size).digest()
    os.lseek(descriptor, 0, os.SEEK_SET)
    return digest if store.has(digest) else None


def _unpack(
    descriptor: int, workspace: Workspace, *, path: str, progress: Progress | None, limits: Limits
) -> tuple[str, LayerRecord]:
    """Unpack the archive into the workspace: its digest and what is to be remembered of it."""
    file = ArchiveFile(descriptor, size=os.fstat(descriptor).st_size, progress=progress)
    with workspace.rootfs() as root_fd:
        stream = Stream(within(limits, decompressed(file), file=file))
        unpacked = unpack(stream, root_fd=root_fd, limits=limits)
        _check_is_root(unpacked, root_fd)
    return file.digest(), LayerRecord(path, file.done, unpacked.size, unpacked.members, unpacked.warnings)


def _check_unchanged(descriptor: int, archive: str) -> None:
    if identity(os.fstat(descriptor)) != archive:
        raise BadArchive("it was changed while it was read")


def _check_is_root(unpacked: Unpacked, root_fd: int) -> None:
    """Refuse what is plainly no root file system."""
    if unpacked.members == 0:
        raise BadArchive("it has no members")
    names = set(os.listdir(root_fd))
    if names & {"manifest.json", "oci-layout"} and not names & {"bin", "etc", "usr"}:
        raise BadArchive(
            "it is an image with its layers, as `docker save` writes it, not a root file system",
            hint="make one from a container: docker create IMAGE, then docker export CONTAINER > rootfs.tar",
        )


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
