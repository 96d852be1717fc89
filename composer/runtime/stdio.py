"""Standard streams of a container: FIFOs, a terminal of its own, or the caller's descriptors.

FIFOs live in the state directory, so that the container outlives whoever reads them:

    stdout, stderr   the container holds them O_RDWR: with a reader of its own it never meets EPIPE or SIGPIPE, and
                     blocks when the pipe is full and nobody reads. The launcher keeps a read end, which holds
                     what was written before the container's end; readers see end of file when it has ended
    stdin            the container holds it O_RDONLY, the launcher keeps it open for writing, so that a client
                     may come and go without an end of file; without stdin_open it is /dev/null

A terminal is opened in a devpts made for the container, before there is a container that could meddle with it.

Beyond this module: who reads and writes the other ends; attaching the devpts in the container (rootfs).
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import ExitStack, contextmanager

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux.mount import (
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    fsconfig_create,
    fsconfig_set_string,
    fsmount,
    fsopen,
)
from composer.linux.pty import open_pty
from composer.runtime.launch import Launch, Stdio

_LARGEST_PIPE = "/proc/sys/fs/pipe-max-size"
_USUAL_PIPE = 1 << 16  # bytes
DEVPTS_OPTIONS = (("source", "devpts"), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5"))


@frozen
class Streams:
    """Descriptors of one start. `child` becomes 0, 1, 2 of the container, () where it inherits the caller's."""

    child: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()  # ends of the FIFOs that whoever started the container holds until it is forgotten
    master: int | None = None
    devpts: int | None = None  # the detached mount that the terminal is in


@contextmanager
def open_streams(launch: Launch, undo: ExitStack) -> Iterator[Streams]:
    """The streams for `launch`. The child's are closed at the end of the block; the others, and FIFOs that were
    not there before, when `undo` is unwound."""
    with ExitStack() as childs:
        match launch.stdio:
            case Stdio.INHERIT:
                yield Streams()
            case Stdio.PTY:
                yield _terminal(childs, undo)
            case Stdio.FIFO:
                yield _fifos(launch, childs, undo)


def _terminal(childs: ExitStack, undo: ExitStack) -> Streams:
    devpts = new_devpts()
    childs.callback(os.close, devpts)
    master, peer = open_pty(devpts)
    childs.callback(os.close, peer)
    undo.callback(os.close, master)
    return Streams(child=(peer, peer, peer), master=master, devpts=devpts)


def new_devpts() -> int:
    """A detached mount of a new devpts, as Docker configures it."""
    fs_fd = fsopen("devpts")
    try:
        for key, value in DEVPTS_OPTIONS:
            fsconfig_set_string(fs_fd, key, value=value)
        fsconfig_create(fs_fd)
        return fsmount(fs_fd, attributes=MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
    finally:
        os.close(fs_fd)


def _fifos(launch: Launch, childs: ExitStack, undo: ExitStack) -> Streams:
    child, kept = [], []
    for name, child_flags, kept_flags in (
        ("stdin", os.O_RDONLY, os.O_RDWR),
        ("stdout", os.O_RDWR, os.O_RDONLY),
        ("stderr", os.O_RDWR, os.O_RDONLY),
    ):
        if name == "stdin" and not launch.spec.process.stdin_open:
            fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        else:
            path = f"{launch.state}/{name}"
            _make_fifo(path, undo)
            kept.append(_open_fifo(path, kept_flags | os.O_NONBLOCK))
            undo.callback(os.close, kept[-1])
            fd = _open_fifo(path, child_flags)
        childs.callback(os.close, fd)
        child.append(fd)
    return Streams(child=tuple(child), kept=tuple(kept))


def reopen_kept(launch: Launch) -> tuple[int, ...]:
    """The ends that are to be held of a container which runs already."""
    if launch.stdio is not Stdio.FIFO:
        return ()
    names = (("stdin", os.O_RDWR),) if launch.spec.process.stdin_open else ()
    held = (*names, ("stdout", os.O_RDONLY), ("stderr", os.O_RDONLY))
    return tuple(_open_fifo(f"{launch.state}/{name}", flags | os.O_NONBLOCK) for name, flags in held)


def _make_fifo(path: str, undo: ExitStack) -> None:
    """One that is there stays: the reader of the container's earlier run may have it open."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        return
    undo.callback(os.unlink, path)


def _open_fifo(path: str, flags: int) -> int:
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise HostError(f"cannot use {path}: it is not a FIFO")
    except (OSError, HostError):
        os.close(fd)
        raise
    _enlarge(fd)
    return fd


def _enlarge(fifo: int) -> None:
    """Make it as large as the kernel allows: what is printed while nobody reads has to fit."""
    size = largest_pipe()
    while size > _USUAL_PIPE:
        try:
            fcntl.fcntl(fifo, fcntl.F_SETPIPE_SZ, size)
            return
        except OSError:  # EPERM: over the user's share, pipe(7); EBUSY: there is more in it already
            size //= 2


def largest_pipe() -> int:
    """What a pipe may hold, in bytes: 1 MiB unless somebody has changed it."""
    try:
        with open(_LARGEST_PIPE, "rb") as file:
            return int(file.read())
    except OSError:  # /proc may be hidden
        return 1 << 20
