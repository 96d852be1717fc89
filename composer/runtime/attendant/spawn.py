"""Finds a project's attendant, or starts it, detached from whoever starts it.

    somebody                                 between                      attendant
    flock(attendant.lock): nobody has it
    bind, listen: attendant.sock
    fork ──────────────────────────────────► setsid
                                             fork, `Start` ─────────────► has the lock and the listening socket
    waitpid ◄─────────────────────────────── _exit                          by inheritance, as long as it lives
    connect: it need not have got that far

Somebody has the lock: the attendant lives, or one is being started this moment. So the lock tells, and no file does.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
import time
from functools import partial

from composer.errors import HostError
from composer.hints import Callable, NoReturn
from composer.linux.pidfd import pidfd_open, pidfd_send_signal
from composer.runtime import detached
from composer.runtime.attendant.client import PATIENCE, Attendant
from composer.runtime.attendant.process import LOCK, LOG, SOCKET, Config, main
from composer.runtime.attendant.protocol import VERSION
from composer.runtime.launcher import packets
from composer.spec import codec

MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
BACKLOG = 16
Start = Callable[[Config, int], None]  # what makes the process; standard error of it is the descriptor
ATTEMPTS = 200
PAUSE = 0.01  # seconds between attempts at one that is just starting or leaving


def execute(config: Config, log: int) -> None:
    """Have an attendant with an interpreter of its own. Raises OSError."""
    detached.detach(partial(_become, config), log=log)


def fork(config: Config, log: int) -> None:
    """Have an attendant that is a fork of the caller: of a launcher, which has imported all of it. Raises OSError."""
    detached.fork(partial(main, config), log=log, keep=(config.listener_fd, config.lock_fd), argv=_argv(config))


def connect(project: str, *, directory: str, start: Start = execute) -> socket.socket:
    """A blocking connection to the attendant of a project, which is started if there is none. Raises HostError.

    The caller has one thread: it forks.
    """
    try:
        for _ in range(ATTEMPTS):
            sock = find(directory)
            if sock is not None:
                return sock
            if not _start(project, directory, start):
                time.sleep(PAUSE)  # it is between two of its own steps
    except OSError as error:
        raise HostError(f"cannot start the attendant of project {project}: {error.strerror}") from error
    raise HostError(f"cannot reach the attendant of project {project}: it does not answer at {directory}/{SOCKET}")


def reach(project: str, *, directory: str, start: Start = execute) -> Attendant:
    """The attendant of a project, started if there is none, and replaced if it is of another version. Raises HostError.

    One that is new knows nobody: whoever holds a connection to the one before sees it end, and tells everything anew.
    """
    attendant = Attendant(connect(project, directory=directory, start=start)).greet()
    if attendant.version == VERSION:
        return attendant
    attendant.close()
    try:
        pidfd = pidfd_open(attendant.pid)
    except ProcessLookupError:
        pass
    else:
        pidfd_send_signal(pidfd, signal.SIGTERM)
        select.select([pidfd], [], [], PATIENCE)
        os.close(pidfd)
    return Attendant(connect(project, directory=directory, start=start)).greet()


def find(directory: str) -> socket.socket | None:
    """A connection to the attendant that is there, None where there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.connect(f"{directory}/{SOCKET}")
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        sock.close()
        return None
    except OSError as error:
        sock.close()
        raise HostError(f"cannot reach the attendant at {directory}/{SOCKET}: {error.strerror}") from error
    packets.prepare(sock)
    return sock


def wait_gone(directory: str, *, patience: float) -> None:
    """Wait, for at most so many seconds, for the end of an attendant that nobody needs any longer."""
    try:
        sock = find(directory)
        if sock is None:
            return
        with Attendant(sock) as attendant:
            pidfd = pidfd_open(attendant.pid)
    except (HostError, ProcessLookupError):
        return  # it was about to leave
    select.select([pidfd], [], [], patience)
    os.close(pidfd)


def _start(project: str, directory: str, start: Start) -> bool:
    """Whether one was started; False where there is one. Raises OSError."""
    lock = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not os.fstat(lock).st_nlink:
            return False  # whoever held it has left and taken it away: this is the lock of nothing
        with _listen(f"{directory}/{SOCKET}") as listener:
            _log_to_file(partial(start, Config(project, directory, listener.fileno(), lock)), directory)
        return True
    finally:
        os.close(lock)


def _listen(path: str) -> socket.socket:
    try:
        os.unlink(path)  # of one that was killed
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _log_to_file(start: Callable[[int], None], directory: str) -> None:
    log = os.open(f"{directory}/{LOG}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        start(log)
    finally:
        os.close(log)


def _become(config: Config) -> NoReturn:
    for fd in (config.listener_fd, config.lock_fd):
        os.set_inheritable(fd, True)
    os.execve(sys.executable, _argv(config), {"LC_CTYPE": "C.UTF-8"})


def _argv(config: Config) -> list[str]:
    return [sys.executable, "-I", "-S", MAIN, codec.dumps(config)]
