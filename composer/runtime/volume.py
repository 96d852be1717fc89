"""Volumes: mounted on the host where they are file systems of their own, shown in containers, filled when empty.

    host        a volume with driver options other than a bind (tmpfs, nfs, a block device) is mounted on its `_data`
                when the first container needs it, and unmounted when the last one is removed
    container   its `_data`, or the directory that a bind option names, is a bind mount like any other
    copy-up     an empty volume gets what the root file system has in that place, before the mount covers it: owner
                and permissions of the directory, and all in it. It happens in the container's child, whose root is
                not in anybody's hands yet. A file `copying` beside `_data` says that it was begun: a copy that was
                interrupted is taken up again, and never mistaken for a volume that is in use

Beyond this module: which volumes there are (store), when they are made (planner).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import contextmanager

from composer.errors import HostError
from composer.hints import Iterator
from composer.linux import mount as kernel
from composer.linux.libc import AT_RECURSIVE
from composer.linux.mount import MOUNT_ATTR_RDONLY, OPEN_TREE_CLONE, UMOUNT_NOFOLLOW, mount_setattr, open_tree, umount2
from composer.linux.openat2 import RESOLVE_NO_XDEV, open_in_root, openat2
from composer.runtime.copying import Copying
from composer.runtime.launch import VolumePlace
from composer.spec.mounts import VolumeMount

FLAGS = {
    "ro": kernel.MS_RDONLY,
    "rw": 0,
    "nosuid": kernel.MS_NOSUID,
    "suid": 0,
    "nodev": kernel.MS_NODEV,
    "dev": 0,
    "noexec": kernel.MS_NOEXEC,
    "exec": 0,
    "sync": kernel.MS_SYNCHRONOUS,
    "async": 0,
    "dirsync": kernel.MS_DIRSYNC,
    "noatime": kernel.MS_NOATIME,
    "atime": 0,
    "nodiratime": kernel.MS_NODIRATIME,
    "diratime": 0,
    "relatime": kernel.MS_RELATIME,
    "strictatime": kernel.MS_STRICTATIME,
    "defaults": 0,
}


def mount(name: str, directory: str, options: tuple[tuple[str, str], ...]) -> None:
    """Have the file system of a volume mounted on its data, where it is not. Raises HostError."""
    said = dict(options)
    words = [word for word in said.get("o", "").split(",") if word]
    flags = 0
    for word in words:
        flags |= FLAGS.get(word, 0)
    kind, device = said.get("type", ""), said.get("device", "")
    try:
        data = ",".join(_with_address(word) for word in words if word not in FLAGS)
        with _locked(directory):
            if not is_mounted(directory):
                kernel.mount(device, f"{directory}/_data", filesystem=kind, flags=flags, data=data)
    except OSError as error:
        raise HostError(
            f"cannot mount volume {name}: {kind} {device} with {','.join(words) or 'no options'}: {error.strerror}",
            hint=_HINTS.get(error.errno or 0),
        ) from error


def _with_address(word: str) -> str:
    """What names a server says its number: the kernel asks no resolver (mount.nfs(8) does). Raises OSError."""
    key, _, host = word.partition("=")
    if key != "addr":
        return word
    return f"addr={socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]}"


_HINTS = {
    errno.ENODEV: "this kernel has no file system of that type (/proc/filesystems lists them)",
    errno.EINVAL: "the kernel does not take these options: `dmesg` may say which; nfs needs addr=",
}


def is_mounted(directory: str) -> bool:
    """Whether something is mounted on a volume's data. Raises OSError."""
    directory_fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(openat2("_data", os.O_PATH, dir_fd=directory_fd, resolve=RESOLVE_NO_XDEV))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return True
    finally:
        os.close(directory_fd)
    return False


def unmount(data: str) -> None:
    """Free a volume's data of what is mounted there, if anything. Raises OSError: EBUSY."""
    try:
        while True:
            umount2(data, flags=UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


# In the container's child


def open_mount(one: VolumeMount, place: VolumePlace) -> int:
    """The volume as a detached mount, while the host's tree is in sight. Raises OSError, HostError."""
    if not one.subpath:
        tree_fd = open_tree(place.source, flags=OPEN_TREE_CLONE | AT_RECURSIVE)
    else:
        tree_fd = _open_subpath(one, place)
    if one.read_only or place.read_only:
        mount_setattr(tree_fd, set=MOUNT_ATTR_RDONLY, recursive=True)
    mount_setattr(tree_fd, propagation=kernel.MS_PRIVATE, recursive=True)
    return tree_fd


def _open_subpath(one: VolumeMount, place: VolumePlace) -> int:
    """A part of the volume: no link in it leads out, whoever has made it."""
    data_fd = os.open(place.source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        inner_fd = open_in_root(data_fd, one.subpath)
    except FileNotFoundError:
        raise HostError(
            f"cannot mount {one.subpath} of volume {place.name} on {one.target}: it is not in the volume",
            hint="a subpath is not made; it must be there",
        ) from None
    finally:
        os.close(data_fd)
    try:
        return open_tree("", dir_fd=inner_fd, flags=OPEN_TREE_CLONE | AT_RECURSIVE)
    finally:
        os.close(inner_fd)


def copy_up(one: VolumeMount, place: VolumePlace, root_fd: int) -> None:
    """Give an empty volume what the root has at the mount's target. Raises OSError, HostError."""
    if one.nocopy or one.subpath or place.read_only:
        return
    try:
        source_fd = open_in_root(root_fd, one.target, flags=os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        with _locked(place.directory):
            _fill(source_fd, place)
    finally:
        os.close(source_fd)


def _fill(source_fd: int, place: VolumePlace) -> None:
    marker = f"{place.directory}/copying"
    data_fd = os.open(place.source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.listdir(data_fd) and not os.path.exists(marker):
            return
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        copying = Copying(overwrite=False)
        copying.contents(source_fd, data_fd)
        copying.attributes(source_fd, data_fd)
        os.unlink(marker)
    finally:
        os.close(data_fd)
