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
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from composer.errors import HostError
from composer.frozen import frozen
from composer.hints import TypeVar
from composer.linux import inotify
from composer.linux.pidfd import pidfd_open
from composer.runtime.attendant import spawn as attendant
from composer.runtime.launcher import client as launcher
from composer.runtime.launcher import protocol, spawn
from composer.spec import codec
from composer.store import form
from composer.store.paths import Paths, ProjectPaths

T = TypeVar("T")

_PATIENCE = 20.0  # seconds for a supervisor to adopt everything and listen
_ATTEMPTS = 3  # with launchers that are just leaving
_PACKAGES = ("anyio", "structlog")  # what the supervisor needs beyond the standard library
_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "supervisor", "__main__.py")


@frozen
class SupervisorConfig:
    """What a supervisor must know; `path` are the directories of its packages, as it runs without `site`."""

    project: str
    run: str
    root: str
    path: tuple[str, ...] = ()


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


def start(paths: Paths, project: str, *, connect: Callable[[], T | None]) -> T:
    """Have a launcher, and through it a supervisor, and the first connection that `connect` makes to it.

    That connection is the caller's: a supervisor with nothing to do leaves after its first client. The caller holds
    the lock. Raises HostError.
    """
    places = paths.project(project)
    config = SupervisorConfig(project, run=paths.run, root=paths.root, path=package_path())
    command = supervisor_command(config)
    try:
        form.write(places)
    except OSError as error:
        raise HostError(f"cannot start project {project}: {places.form}: {error.strerror}") from error
    with _watch(places.run) as watch:
        for _ in range(_ATTEMPTS):
            spawn.ensure(project, socket_path=places.launcher_socket, log_path=places.launcher_log, supervisor=command)
            connection = _wait_listening(places, watch, connect)
            if connection is not None:
                return connection
    raise HostError(
        f"cannot start the supervisor of project {project}: {_last_line(places.launcher_log)}",
        hint=f"more in {places.launcher_log} and {places.supervisor_log}",
    )


def start_ahead(paths: Paths, project: str) -> None:
    """Have the processes of a project made ready, for a `start` of this process that may come. Touches nothing.

    Raises OSError.
    """
    config = SupervisorConfig(project, run=paths.run, root=paths.root, path=package_path())
    socket_path = paths.project(project).launcher_socket
    spawn.start_ahead(project, socket_path=socket_path, supervisor=supervisor_command(config))


def supervisor_command(config: SupervisorConfig) -> tuple[str, ...]:
    """What the launcher executes, a descriptor number added."""
    return sys.executable, "-I", "-S", _MAIN, codec.dumps(config)


def package_path() -> tuple[str, ...]:
    """The directories that our own interpreter finds the supervisor's packages in."""
    return tuple(directory for directory in sys.path if any(os.path.isdir(f"{directory}/{name}") for name in _PACKAGES))


@contextmanager
def _watch(directory: str) -> Iterator[int]:
    watch = _inotify()
    number = inotify.inotify_add_watch(watch, directory, mask=inotify.IN_MOVED_TO)
    try:
        yield watch
    finally:
        inotify.inotify_rm_watch(watch, number)


@cache
def _inotify() -> int:
    """One that this process has until its end: whoever closes it waits for the kernel, a grace period of SRCU, 10 to
    20 ms, unless it has watched nothing for as long."""
    return inotify.inotify_init1()


def _wait_listening(places: ProjectPaths, watch: int, connect: Callable[[], T | None]) -> T | None:
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
