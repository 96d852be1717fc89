"""Starts a project's launcher, detached from whoever starts it.

    client (holds the project's lock)         between                 launcher
    pipe → ready
    fork ───────────────────────────────────► setsid
                                              fork ─────────────────► stdio: /dev/null and the log; execve
    waitpid ◄──────────────────────────────── _exit
    read(ready) ◄──────────────────────────────────────────────────── one byte: its socket listens
                                                                      end of file: it has failed, see its log

Half of what a first `up` waits for is two of our processes importing what they need. So one may be started ahead
(`ahead`), while the client still imports and reads its files: it executes, imports, forks its supervisor, which
imports as well, and then waits at a gate, having touched nothing. `ensure` opens it; where the client comes to nothing,
the end of file ends both.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from functools import partial

from composer.errors import HostError
from composer.frozen import replace
from composer.linux import peer
from composer.runtime.detached import detach
from composer.runtime.launcher import ahead
from composer.runtime.launcher.config import Config
from composer.runtime.launcher.execute import become

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
    started = ahead.take(socket_path)
    if answers(socket_path):
        if started is not None:
            started.dismiss()
        return
    try:
        os.unlink(socket_path)  # of a launcher that was killed
    except FileNotFoundError:
        pass
    if started is not None and started.supervisor == supervisor and started.admit():
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


def _last_line(log_path: str) -> str:
    with open(log_path, "rb") as file:
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"
