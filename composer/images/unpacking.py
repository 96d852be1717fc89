"""An archive that is not known becomes a layer: hashed and unpacked on one way, into a workspace of the store.

Beyond this module: archives that are known (source).
"""

from __future__ import annotations

import os

from composer.images.compression import decompressed
from composer.images.layers import LayerRecord, LayerStore, Workspace, identity
from composer.images.stream import ArchiveFile, BadArchive, Limits, Progress, Stream, opened, within
from composer.images.unpack import Unpacked, unpack


def unpacked(path: str, store: LayerStore, *, progress: Progress | None, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """The digest of the archive's layer, and what was left out of one that has just been unpacked.

    Raises OSError, BadArchive, and whatever `progress` raises.
    """
    with opened(path) as descriptor:
        archive = identity(os.fstat(descriptor))
        store.remove_left_overs()
        with store.workspace(archive) as workspace:
            digest = store.digest_of(archive) or _digest_of_copy(descriptor, store)
            warnings: tuple[str, ...] = ()
            if digest is None:
                digest, record = _into(descriptor, workspace, path=path, progress=progress, limits=limits)
                _check_unchanged(descriptor, archive)
                store.publish(workspace, digest, record)
                warnings = record.warnings
            _check_unchanged(descriptor, archive)
            store.remember(archive, digest)
    return digest, warnings


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


def _into(
    descriptor: int, workspace: Workspace, *, path: str, progress: Progress | None, limits: Limits
) -> tuple[str, LayerRecord]:
    """Unpack the archive into the workspace: its digest and what is to be remembered of it."""
    file = ArchiveFile(descriptor, size=os.fstat(descriptor).st_size, progress=progress)
    with workspace.rootfs() as root_fd:
        stream = Stream(within(limits, decompressed(file), file=file))
        done = unpack(stream, root_fd=root_fd, limits=limits)
        _check_is_root(done, root_fd)
    return file.digest(), LayerRecord(path, file.done, done.size, done.members, done.warnings)


def _check_unchanged(descriptor: int, archive: str) -> None:
    if identity(os.fstat(descriptor)) != archive:
        raise BadArchive("it was changed while it was read")


def _check_is_root(done: Unpacked, root_fd: int) -> None:
    """Refuse what is plainly no root file system."""
    if done.members == 0:
        raise BadArchive("it has no members")
    names = set(os.listdir(root_fd))
    if names & {"manifest.json", "oci-layout"} and not names & {"bin", "etc", "usr"}:
        raise BadArchive(
            "it is an image with its layers, as `docker save` writes it, not a root file system",
            hint="make one from a container: docker create IMAGE, then docker export CONTAINER > rootfs.tar",
        )
