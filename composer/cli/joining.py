"""A command in a running container, as the child of the project's launcher.

exec                                   launcher
StartProcess [our 0, 1, 2] ──────────► clone into the container, execve
            ◄──────────────── ProcessStarted [pidfd, master]
signals ──pidfd──► the process
            ◄──────────────── ProcessExited

Whoever is the parent of a process in a container must reap it, or the container's PID 1 cannot finish ending. The
launcher always does; we may be stopped, or gone.

Beyond this module: containers that a foreground `run` keeps, which are not the launcher's (joining_ourselves).
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager

from composer.errors import HostError, NoSuchThing
from composer.hints import Iterator
from composer.linux.pidfd import pidfd_send_signal, wait_status
from composer.runtime.launcher import client as launcher
from composer.runtime.launcher import protocol
from composer.runtime.launcher.client import Received
from composer.runtime.launcher.protocol import Failed, Hello, KillProcess, ProcessExited, ProcessStarted, StartProcess
from composer.spec.process import Process

_REQUEST = 1  # the only one of a connection


class LaunchersChild:
    """A process that the launcher has started for us."""

    def __init__(self, link: socket.socket, started: ProcessStarted, *, pidfd: int, master: int | None) -> None:
        self.master = master
        self.warnings = started.warnings
        self._link: socket.socket | None = link
        self._pidfd = pidfd

    def fileno(self) -> int:
        """The launcher tells the end; the process itself, if there is no launcher any more."""
        return self._pidfd if self._link is None else self._link.fileno()

    def status(self) -> int | None:
        """Its wait status once it has ended. Raises HostError: the launcher has died, and the kernel does not say."""
        if self._link is not None:
            received = _receive(self._link)
            if received is None:
                self._link = None
            elif isinstance(received.message, ProcessExited):
                return received.message.status
            return None
        status = wait_status(self._pidfd)
        if status is None:
            raise HostError("cannot tell how the command ended: the launcher of this project died meanwhile")
        return status

    def send_signal(self, number: int) -> None:
        pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End it with all that it has started; by itself, if there is no launcher any more."""
        if self._link is not None:
            launcher.send(self._link, KillProcess(_REQUEST))
        else:
            self.send_signal(9)


def start(
    link: socket.socket, container: str, process: Process, *, streams: tuple[int, int, int], privileged: bool
) -> LaunchersChild | None:
    """Have the launcher start a command and wait until its program runs; None where it has no such container.

    Raises PycomposeError.
    """
    message = StartProcess(_REQUEST, container, process, privileged=privileged, independent=True)
    launcher.send(link, message, () if process.tty else streams)
    while (received := _receive(link)) is not None:
        match received.message:
            case ProcessStarted() as started:
                pidfd, *masters = received.fds
                return LaunchersChild(link, started, pidfd=pidfd, master=masters[0] if masters else None)
            case Failed(_, error) if error == NoSuchThing.__name__:
                return None
            case Failed() as failed:
                raise launcher.error_of(failed)
    raise HostError(f"cannot run a command in container {container}: the launcher of its project has just died")


@contextmanager
def connected(socket_path: str, container: str) -> Iterator[socket.socket | None]:
    """A connection to the launcher that may look after this container, None where there is none."""
    try:
        link = launcher.connect(socket_path)
    except HostError:
        yield None
        return
    with link:
        yield link if _is_answered(link, container) else None


def _is_answered(link: socket.socket, container: str) -> bool:
    """Whether a launcher says Hello. Raises HostError: one of another version of pycompose."""
    received = _receive(link)
    if received is None or not isinstance(received.message, Hello):
        return False
    if received.message.version != protocol.VERSION:
        raise HostError(
            f"cannot run a command in container {container}: another version of pycompose runs its project",
            hint="`pycompose up -d` takes it over, its containers run on",
        )
    return True


def _receive(link: socket.socket) -> Received | None:
    try:
        return launcher.receive(link)
    except ConnectionError:
        return None


@contextmanager
def our_streams() -> Iterator[tuple[int, int, int]]:
    """Our standard streams; where one is closed, /dev/null stands in."""
    with null_streams() as (null, *_):
        stdin, stdout, stderr = (fd if _is_open(fd) else null for fd in range(3))
        yield stdin, stdout, stderr


@contextmanager
def null_streams() -> Iterator[tuple[int, int, int]]:
    """/dev/null, three times."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield null, null, null
    finally:
        os.close(null)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
