"""Starts a project's launcher, detached from whoever starts it.

    client (holds the project's lock)         between                 launcher
    pipe → ready
    fork ───────────────────────────────────► setsid
                                              fork ─────────────────► stdio: /dev/null and the log; execve
    waitpid ◄──────────────────────────────── _exit
    read(ready) ◄──────────────────────────────────────────────────── one byte: its socket listens
                                                                      end of file: it has failed, see its log

Half of what a first `up` waits for is two of our processes importing what they need. So one may be started ahead, while
the client still reads its files: it executes, imports, forks its supervisor, which imports as well, and then waits at a
gate, having touched nothing. `ensure` opens it; where the client comes to nothing, the end of file ends both.

The interpreter is executed from a read-only mount of its file that nobody can see. /proc/PID/exe of a container's
init, which is a fork of the launcher, leads to that mount: whoever gets hold of it can read the interpreter and not
overwrite it (CVE-2019-5736).
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from contextlib import suppress
from functools import partial

from composer.errors import HostError
from composer.frozen import frozen, replace
from composer.hints import NoReturn
from composer.linux import peer
from composer.linux.mount import MOUNT_ATTR_RDONLY, mount_setattr, open_tree
from composer.runtime.detached import detach
from composer.runtime.launcher.config import Config
from composer.spec import codec

MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
LOG_MODE = 0o600
LONGEST_SOCKET_PATH = 107  # bytes, unix(7)


def ensure(project: str, *, socket_path: str, log_path: str, supervisor: tuple[str, ...]) -> None:
    """Have a launcher of `project` that listens on `socket_path`: the one that is there, or a new one.

    `supervisor` is the command that the launcher keeps running, a descriptor number is added to it. The caller holds
    the project's lock. Raises HostError.
    """
    if len(os.fsencode(socket_path)) > LONGEST_SOCKET_PATH:
        raise HostError(
            f"cannot listen on {socket_path}: a socket's path has {LONGEST_SOCKET_PATH} bytes at most",
            hint="set PYCOMPOSE_RUN to a shorter directory, or give the project a shorter name",
        )
    ahead = _AHEAD.pop(socket_path, None)
    if answers(socket_path):
        if ahead is not None:
            ahead.dismiss()
        return
    try:
        os.unlink(socket_path)  # of a launcher that was killed
    except FileNotFoundError:
        pass
    if ahead is not None and ahead.supervisor == supervisor and ahead.admit():
        return
    reader, writer = os.pipe2(os.O_CLOEXEC)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, LOG_MODE)
    try:
        _spawn(Config(project, socket_path, supervisor, ready_fd=writer), log)
    finally:
        os.close(writer)
        os.close(log)
    ready = os.read(reader, 1)
    os.close(reader)
    if not ready:
        raise HostError(f"cannot start the launcher of project {project}: {_last_line(log_path)}")


def start_ahead(project: str, *, socket_path: str, supervisor: tuple[str, ...]) -> None:
    """Have a launcher made ready for an `ensure` of this process with the same arguments. Raises OSError.

    It leaves when it is dismissed, or this process ends.
    """
    ready, writer = os.pipe2(os.O_CLOEXEC)
    reader, gate = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _spawn(Config(project, socket_path, supervisor, ready_fd=writer, gate_fd=reader), null)
    finally:
        for fd in (writer, reader, null):
            os.close(fd)
    _AHEAD[socket_path] = _Ahead(supervisor, gate, ready)


def dismiss_ahead() -> None:
    """Let those go that nobody has asked for."""
    while _AHEAD:
        _AHEAD.popitem()[1].dismiss()


@frozen
class _Ahead:
    """A launcher at its gate."""

    supervisor: tuple[str, ...]
    gate: int
    ready: int

    def admit(self) -> bool:
        """Have it begin, and wait until its socket listens; False where it cannot."""
        try:
            os.write(self.gate, b"\n")
            return bool(os.read(self.ready, 1))
        except BrokenPipeError:
            return False
        finally:
            self.dismiss()

    def dismiss(self) -> None:
        os.close(self.gate)
        os.close(self.ready)


_AHEAD: dict[str, _Ahead] = {}  # by socket path: those that this process has started and not asked for


def answers(socket_path: str) -> bool:
    """Whether a launcher listens there. A fork of one that was killed may still have its socket, and not run."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.setblocking(False)
        try:
            sock.connect(socket_path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            return True  # others wait for it to accept them
        pidfd = peer.open_peer(sock)
    if pidfd is None:
        return False
    try:
        return not peer.has_ended(pidfd)
    finally:
        os.close(pidfd)


def revive(config: Config) -> None:
    """Start a launcher in the place of one that was killed, unless somebody else does. Standard error is its log.

    Raises OSError.
    """
    lock = claim(config)
    if lock is not None:
        try:
            _spawn(replace(config, ready_fd=lock), log=2)
        finally:
            os.close(lock)


def claim(config: Config) -> int | None:
    """The right to become the launcher: the project's lock. None where there is one, or somebody else starts it.

    The launcher writes one byte to `ready_fd` and closes it when it can be reached: exactly until then nobody else may
    start one, so the lock is handed over as that. A byte in the lock file does no harm. Raises OSError.
    """
    lock = os.open(config.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if answers(config.socket):
        os.close(lock)
        return None
    with suppress(FileNotFoundError):
        os.unlink(config.socket)
    return lock


def _spawn(config: Config, log: int) -> None:
    detach(partial(become, config), log=log)


def become(config: Config) -> NoReturn:
    """Replace this process by a launcher, its standard error the launcher's log. Raises OSError."""
    for fd in (config.ready_fd, config.gate_fd):
        if fd >= 0:
            os.set_inheritable(fd, True)
    argv = [sys.executable, "-I", "-S", MAIN, codec.dumps(config)]
    os.execve(_interpreter(), argv, {"LC_CTYPE": "C.UTF-8"})


def _interpreter() -> int | str:
    try:
        fd = open_tree(os.path.realpath(sys.executable))
        mount_setattr(fd, set=MOUNT_ATTR_RDONLY)
    except OSError:
        return sys.executable  # not allowed to mount, then containers are not root on the host either
    return fd


def _last_line(log_path: str) -> str:
    with open(log_path, "rb") as file:
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"
