"""Start a project's two processes, and remove what they leave when nothing is left of the project.

client                             launcher                       supervisor
flock <run>/<project>/lock
spawn ───────────────────────────► its socket listens
                                   fork, execve ────────────────► adopts, listens under another name
inotify: supervisor.sock appears ◄─────────────────────────────── rename
connect ────────────────────────────────────────────────────────►
unlock
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from contextlib import contextmanager

from composer.control.client import Connection
from composer.control.config import config_of, supervisor_command
from composer.errors import HostError
from composer.hints import Callable, Iterator
from composer.linux import inotify
from composer.linux.pidfd import pidfd_open
from composer.runtime.attendant import spawn as attendant
from composer.runtime.launcher import client as launcher
from composer.runtime.launcher import protocol, spawn
from composer.store import form
from composer.store.paths import Paths, ProjectPaths

_PATIENCE = 20.0  # seconds for a supervisor to adopt everything and listen
_ATTEMPTS = 3  # with launchers that are just leaving


@contextmanager
def locked(places: ProjectPaths) -> Iterator[None]:
    """Nobody else starts or sweeps away this project's processes while the body runs. Raises HostError."""
    descriptor = _lock(places)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(places: ProjectPaths) -> int:
    while True:
        os.makedirs(places.run, mode=0o711, exist_ok=True)
        try:
            descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue  # swept away in this moment
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # whoever held it has swept the project away: this is the lock of nothing


def start(paths: Paths, project: str, *, connect: Callable[[], Connection | None]) -> Connection:
    """Have a launcher, and through it a supervisor, and the first connection that `connect` makes to it.

    That connection is the caller's: a supervisor with nothing to do leaves after its first client. The caller holds
    the lock. Raises HostError.
    """
    places = paths.project(project)
    command = supervisor_command(config_of(paths, project))
    try:
        form.write(places)
    except OSError as error:
        raise HostError(f"cannot start project {project}: {places.form}: {error.strerror}") from error
    connection = None
    with _watch(places.run) as watch:
        for _ in range(_ATTEMPTS):
            spawn.ensure(project, socket_path=places.launcher_socket, log_path=places.launcher_log, supervisor=command)
            connection = _wait_listening(places, watch, connect)
            if connection is not None:
                break
    if connection is not None:
        connection.keep(watch)  # to close it now would be to wait for a grace period of SRCU, 10 to 20 ms
        return connection
    os.close(watch)
    raise HostError(
        f"cannot start the supervisor of project {project}: {_last_line(places.launcher_log)}",
        hint=f"more in {places.launcher_log} and {places.supervisor_log}",
    )


@contextmanager
def _watch(directory: str) -> Iterator[int]:
    """The descriptor stays open after the block, and watches nothing any more."""
    watch = inotify.inotify_init1()
    try:
        number = inotify.inotify_add_watch(watch, directory, mask=inotify.IN_MOVED_TO)
        yield watch
        inotify.inotify_rm_watch(watch, number)
    except BaseException:
        os.close(watch)
        raise


def _wait_listening(places: ProjectPaths, watch: int, connect: Callable[[], Connection | None]) -> Connection | None:
    """Wait for a supervisor's socket to appear and connect; None if that will not be, or took too long.

    A socket that was there before belongs to a supervisor that has died.
    """
    deadline = time.monotonic() + _PATIENCE
    try:
        with launcher.connect(places.launcher_socket) as peer:
            while (connection := connect()) is None:
                patience = max(0.0, deadline - time.monotonic())
                readable, _, _ = select.select([watch, peer.fileno()], [], [], patience)
                if not readable or (peer.fileno() in readable and launcher.receive(peer) is None):
                    return None
                inotify.read_events(watch)
    except (HostError, ConnectionResetError):
        return None  # the launcher was about to leave
    return connection


def _last_line(path: str) -> str:
    with open(path, "rb") as file:
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it has not answered"


def sweep(places: ProjectPaths, *, patience: float = _PATIENCE) -> None:
    """Remove a project's volatile directory if it has no container and its processes have left, or are about to.

    `patience` is how long that may take, in seconds. Raises HostError.
    """
    with locked(places):
        if _has_containers(places):
            return
        _wait_gone(places, patience)
        attendant.wait_gone(places.run, patience=patience)
        # until it left, the supervisor may have served another: there may be a container now, made or even at rest
        if not os.path.exists(places.supervisor_socket) and not _has_containers(places):
            import shutil  # brings four compressions along: not for a supervisor

            shutil.rmtree(places.run, ignore_errors=True)
            _remove_if_empty(places.bundles)


def _has_containers(places: ProjectPaths) -> bool:
    try:
        return bool(os.listdir(places.containers))
    except FileNotFoundError:
        return False


def _wait_gone(places: ProjectPaths, patience: float) -> None:
    """Wait for the end of a launcher that is leaving."""
    try:
        with launcher.connect(places.launcher_socket) as peer:
            received = launcher.receive(peer)
            pid = received.message.pid if received and isinstance(received.message, protocol.Hello) else 0
            pidfd = pidfd_open(pid) if pid else -1
    except (HostError, ProcessLookupError, ConnectionResetError):
        return  # gone already
    if pidfd >= 0:
        select.select([pidfd], [], [], patience)
        os.close(pidfd)


def _remove_if_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass  # not there, or volumes and the like are in it
