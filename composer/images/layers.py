"""The layer store: unpacked archives by digest, each whole or not there.

    <root>/layers/                       mode 0700: set-user-id programs of old images are nobody's to run
        <sha256 of the archive>/         mode 0700; never written again once it has this name
            rootfs/                      what a container's overlay has as its lower layer
            layer.json                   LayerRecord
        .archives/<identity>             symbolic link to ../<digest>: an archive file that was hashed before
        .partial-<identity>/             a layer in the making, or in removal

A partial directory is locked (flock(2)) by who works on it, and the kernel drops the lock with its owner: so it
is the place to wait for someone who unpacks the same archive, and one without a lock is a dead process's left-over.

    A: mkdir .partial-X   flock ────── unpack ────── rename to <digest>   close
    B:   EEXIST           flock .............................................. │ not at its path any more: look again

Beyond this module: what is in an archive (unpack), which layers are in use.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import contextmanager

from composer.frozen import frozen
from composer.hints import Collection, Iterator
from composer.linux.syncfs import syncfs
from composer.spec import codec

VERSION = 1

_PARTIAL = ".partial-"
_ARCHIVES = ".archives"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@frozen
class LayerRecord:
    """What is known of a layer. Sizes in bytes."""

    archive: str  # path of the archive when it was unpacked
    archive_size: int
    size: int  # of all files, without holes
    members: int
    warnings: tuple[str, ...] = ()  # what was left out
    version: int = VERSION


@frozen
class StoredLayer:
    """A layer in the store."""

    digest: str
    path: str  # of its root file system
    record: LayerRecord


def identity(status: os.stat_result) -> str:
    """A name for this file with this content. The change time is in it, as anyone can set the modification time."""
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "-".join([f"{number:x}" for number in numbers])


class LayerStore:
    """The layers below `root`. Methods raise OSError."""

    def __init__(self, root: str) -> None:
        self._directory = f"{root}/layers"

    def path(self, digest: str) -> str:
        """Where the root file system of a layer is."""
        return f"{self._directory}/{digest}/rootfs"

    def has(self, digest: str) -> bool:
        """Whether the layer is there."""
        return os.path.isdir(self.path(digest))

    def digest_of(self, archive: str) -> str | None:
        """The digest of the layer that the archive with this identity has become, None where that is not known."""
        try:
            digest = os.path.basename(os.readlink(f"{self._directory}/{_ARCHIVES}/{archive}"))
        except FileNotFoundError:
            return None
        return digest if self.has(digest) else None

    def remember(self, archive: str, digest: str) -> None:
        """Note that the archive with this identity is the layer `digest`."""
        directory = f"{self._directory}/{_ARCHIVES}"
        os.makedirs(directory, mode=0o700, exist_ok=True)
        try:
            os.symlink(f"../{digest}", f"{directory}/{archive}")
        except FileExistsError:  # of a layer that was removed, or someone was faster: the same file, the same digest
            pass

    @contextmanager
    def workspace(self, archive: str) -> Iterator[Workspace]:
        """A directory to unpack an archive with this identity in, ours alone; removed unless published.

        Waits for whoever is unpacking the same archive: look again whether it is known now.
        """
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        path = f"{self._directory}/{_PARTIAL}{archive}"
        descriptor = self._locked(path)
        try:
            _remove_below(descriptor)  # of one who died
            yield Workspace(path, descriptor)
        finally:
            try:
                if _is_at(path, descriptor):
                    _remove_tree(path)
            finally:
                os.close(descriptor)

    def _locked(self, path: str) -> int:
        while True:
            try:
                os.mkdir(path, mode=0o700)
            except FileExistsError:
                pass
            try:
                descriptor = _open_directory(path)
            except FileNotFoundError:  # published or removed since
                continue
            locked = False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                locked = _is_at(path, descriptor)
                if locked:
                    return descriptor
            finally:  # also when a signal ends the wait
                if not locked:
                    os.close(descriptor)

    def publish(self, workspace: Workspace, digest: str, record: LayerRecord) -> None:
        """Make what is in the workspace the layer `digest`, durably. If that is there already, it stays."""
        with open(f"{workspace.path}/layer.json", "xb") as file:
            file.write(codec.dumps(record).encode(errors="surrogateescape"))
        syncfs(workspace.descriptor)  # else a power cut leaves empty files under a name that promises them whole
        try:
            os.rename(workspace.path, f"{self._directory}/{digest}")
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        directory = _open_directory(self._directory)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def layers(self) -> tuple[StoredLayer, ...]:
        """All layers, by digest."""
        digests = sorted(filter(_DIGEST.fullmatch, self._names()))
        return tuple([layer for digest in digests if (layer := self._layer(digest)) is not None])

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._directory)
        except FileNotFoundError:
            return []

    def _layer(self, digest: str) -> StoredLayer | None:
        """A layer with its record; None if it was removed just now, or is of a later version's making."""
        try:
            with open(f"{self._directory}/{digest}/layer.json", "rb") as file:
                record = codec.loads(LayerRecord, file.read().decode(errors="surrogateescape"))
        except (FileNotFoundError, codec.DecodeError):
            return None
        return StoredLayer(digest, self.path(digest), record) if record.version == VERSION else None

    def remove_unused(self, in_use: Collection[str]) -> tuple[StoredLayer, ...]:
        """Remove all layers but those with a digest in `in_use`, and what dead processes left. Returns the removed.

        A layer that is mounted must be in use: the kernel would go on with a lower layer that is half gone.
        """
        self.remove_left_overs()
        unused = tuple([layer for layer in self.layers() if layer.digest not in in_use])
        for layer in unused:
            try:
                os.rename(f"{self._directory}/{layer.digest}", f"{self._directory}/{_PARTIAL}{layer.digest}")
            except FileNotFoundError:  # someone else has removed it
                pass
        self.remove_left_overs()
        self._forget_archives()
        return unused

    def remove_left_overs(self) -> None:
        """Remove what processes were working on when they died."""
        for name in self._names():
            if name.startswith(_PARTIAL):
                _remove_unlocked(f"{self._directory}/{name}")

    def _forget_archives(self) -> None:
        directory = f"{self._directory}/{_ARCHIVES}"
        if os.path.isdir(directory):
            for name in os.listdir(directory):
                if not os.path.exists(f"{directory}/{name}"):
                    os.unlink(f"{directory}/{name}")


@frozen
class Workspace:
    """A locked directory; `descriptor` holds the lock."""

    path: str
    descriptor: int

    @contextmanager
    def rootfs(self) -> Iterator[int]:
        """The directory for the root file system, made and open."""
        os.mkdir("rootfs", 0o755, dir_fd=self.descriptor)
        descriptor = os.open("rootfs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _open_directory(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_below(descriptor: int) -> None:
    with os.scandir(descriptor) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(entry.name, dir_fd=descriptor)
            else:
                os.unlink(entry.name, dir_fd=descriptor)


def _remove_tree(path: str, *, dir_fd: int | None = None) -> None:
    import shutil  # brings four compressions along: not for who only looks a layer up

    shutil.rmtree(path, dir_fd=dir_fd)


def _remove_unlocked(path: str) -> None:
    """Remove a partial directory unless someone works on it."""
    try:
        descriptor = _open_directory(path)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(path, descriptor):
            _remove_tree(path)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
