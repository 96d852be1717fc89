"""Launchers that are started before anybody asks for one: see spawn.

By whoever has imported next to nothing yet, so that it is early: what executing one takes is imported in the process
that does it.
"""

from __future__ import annotations

import os

from composer.frozen import frozen
from composer.hints import NoReturn
from composer.runtime.detached import detach


def start(project: str, *, socket_path: str, supervisor: tuple[str, ...]) -> None:
    """Have a launcher made ready for a `spawn.ensure` of this process with the same arguments. Raises OSError.

    It leaves when it is dismissed, or this process ends.
    """

    def become() -> NoReturn:
        from composer.runtime.launcher import execute
        from composer.runtime.launcher.config import Config

        execute.become(Config(project, socket_path, supervisor, ready_fd=writer, gate_fd=reader))

    ready, writer = os.pipe2(os.O_CLOEXEC)
    reader, gate = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        detach(become, log=null)
    finally:
        for fd in (writer, reader, null):
            os.close(fd)
    _STARTED[socket_path] = Ahead(supervisor, gate, ready)


def take(socket_path: str) -> Ahead | None:
    """The one that was started for this socket, if there is one: the caller's from now on."""
    return _STARTED.pop(socket_path, None)


def dismiss() -> None:
    """Let those go that nobody has asked for."""
    while _STARTED:
        _STARTED.popitem()[1].dismiss()


@frozen
class Ahead:
    """A launcher at its gate, or on the way to it."""

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
        """Let it go."""
        os.close(self.gate)
        os.close(self.ready)


_STARTED: dict[str, Ahead] = {}  # by socket path: those that this process has started and not asked for
