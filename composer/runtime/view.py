"""A container's root file system as a descriptor, for those who read and write files in it from outside.

    running     /proc/PID/root: what the container sees, its volumes and its memory included
    running,    a copy of the root mount alone. A fork of this process enters the container's mount namespace for it
      bare        and sends the descriptor back: a second overlay over layers in use has no defined behaviour
    stopped     the overlay, with its binds and volumes where they are wanted, in a mount namespace of the calling
                  process's own: that is single-threaded, and all of it goes with the process

Paths below such a descriptor are the container's to choose: they are resolved with openat2(RESOLVE_IN_ROOT) only.
"""

from __future__ import annotations

import array
import os
import socket
from contextlib import contextmanager

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.mount import (
    MOUNT_ATTR_RDONLY,
    MS_REC,
    MS_SLAVE,
    OPEN_TREE_CLONE,
    mount,
    mount_setattr,
    open_tree,
)
from composer.linux.namespaces import CLONE_NEWNS, setns, unshare
from composer.runtime import idmaps, masks, mounts, overlay, volume
from composer.runtime.idmaps import UserNamespaces
from composer.runtime.launch import VolumePlace
from composer.runtime.namespaces import open_process
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Bind, VolumeMount
from composer.spec.rootfs import HostRoot

DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
BUNDLE = (("upper", 0o755), ("work", 0o700), ("merged", 0o700))
SLOT = array.array("i").itemsize


@frozen
class Stopped:
    """What the root of a container that does not run is made of."""

    spec: ContainerSpec
    lower: str  # its read-only layer
    bundle: str
    volumes: tuple[VolumePlace, ...]
    hidden: tuple[str, ...]  # as in Launch


@contextmanager
def of_running(pid: int, start_time: int) -> Iterator[int]:
    """What a running container sees. Raises HostError: it is gone."""
    pidfd = open_process(pid, start_time)
    try:
        root_fd = os.open(f"/proc/{pid}/root", DIRECTORY)
    finally:
        os.close(pidfd)
    try:
        yield root_fd
    finally:
        os.close(root_fd)


@contextmanager
def of_running_bare(pid: int, start_time: int) -> Iterator[int]:
    """The root of a running container without what is mounted in it. Raises HostError."""
    pidfd = open_process(pid, start_time)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            _send_root(pidfd, theirs)
        finally:
            os._exit(1)
    theirs.close()
    os.close(pidfd)
    with ours:
        answer, ancillary, _, _ = ours.recvmsg(256, socket.CMSG_SPACE(SLOT), socket.MSG_CMSG_CLOEXEC)
    os.waitpid(child, 0)
    if not ancillary:
        raise HostError(f"cannot look at the root of process {pid}: {answer.decode() or 'it is gone'}")
    fds = array.array("i")
    fds.frombytes(ancillary[0][2][:SLOT])
    try:
        yield fds[0]
    finally:
        os.close(fds[0])


def _send_root(pidfd: int, peer: socket.socket) -> None:
    """In the fork. After setns this program's own files are out of reach: nothing may be imported here."""
    try:
        setns(pidfd, CLONE_NEWNS)
        root_fd = open_tree("/", flags=OPEN_TREE_CLONE)
    except OSError as error:
        peer.send((error.strerror or "").encode())
        return
    peer.sendmsg([b"root"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [root_fd]))])


@contextmanager
def of_stopped(container: Stopped, *, bare: bool = False) -> Iterator[int]:
    """The root of a container that does not run. The process stays in the namespace it makes. Raises OSError."""
    unshare(CLONE_NEWNS)
    mount("", "/", flags=MS_REC | MS_SLAVE)
    bundle = container.bundle
    for directory, mode in ((bundle, 0o710), *((f"{bundle}/{name}", mode) for name, mode in BUNDLE)):
        _make_directory(directory, mode=mode)
    layers = overlay.Layers(lower=container.lower, upper=f"{bundle}/upper", work=f"{bundle}/work")
    root_fd = overlay.mount_overlay(layers, at=f"{bundle}/merged")
    try:
        _dress(root_fd, container, bare=bare)
        yield root_fd
    finally:
        os.close(root_fd)


def _make_directory(path: str, *, mode: int) -> None:
    """What the first start would have made."""
    if not os.path.isdir(path):
        os.makedirs(path)
        os.chmod(path, mode)


def _dress(root_fd: int, container: Stopped, *, bare: bool) -> None:
    """What a start would put over the root, as far as it outlives one."""
    if isinstance(container.spec.rootfs, HostRoot):
        null_fd = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        masks.mask_all(root_fd, container.hidden, null_fd=null_fd)
        os.close(null_fd)
    if not bare:
        _attach_all(root_fd, container)
    if container.spec.read_only:
        mount_setattr(root_fd, set=MOUNT_ATTR_RDONLY)


def _attach_all(root_fd: int, container: Stopped) -> None:
    with idmaps.opened(container.spec.mounts) as namespaces:
        _attach_each(root_fd, container, namespaces)


def _attach_each(root_fd: int, container: Stopped, namespaces: UserNamespaces) -> None:
    places = {place.target: place for place in container.volumes}
    for one in container.spec.mounts:
        if isinstance(one, Bind):
            if not os.path.lexists(one.source):
                continue  # it is made when the container starts
            tree_fd = mounts.open_bind(one, namespaces)
        elif isinstance(one, VolumeMount):
            tree_fd = volume.open_mount(one, places[one.target])
        else:
            continue
        mounts.attach(tree_fd, root_fd, one.target)
        os.close(tree_fd)
