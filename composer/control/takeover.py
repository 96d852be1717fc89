"""Takes a project over from an older version of pycompose: its launcher and supervisor leave, containers run on.

client (holds the project's lock)          launcher              supervisor         holder
Shutdown ────────────────────────────────► Rest ───────────────────────────────────► holds on
wait for both ◄─────────────────────────── leaves ─────────────► leaves
start both anew ─────────────────────────► Ask ────────────────────────────────────► gives everything

Shutdown is said in the one way that every version understands; who is to be waited for, the kernel tells.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct

from composer import __version__
from composer.control.client import turn_holder
from composer.errors import Conflict, HostError
from composer.linux.pidfd import pidfd_open
from composer.store.form import Keeper
from composer.store.paths import ProjectPaths

_PATIENCE = 20.0  # seconds for a launcher to leave
_SHUTDOWN = json.dumps({"type_": "Shutdown"}).encode()
_UCRED = struct.Struct("3i")  # struct ucred, unix(7)


def take_over(places: ProjectPaths, keeper: Keeper) -> None:
    """Have `keeper`'s processes leave. Raises Conflict: somebody is changing the project; HostError."""
    holder = turn_holder(places.supervisor_socket)
    if holder:
        raise Conflict(
            f"cannot take over the project from pycompose {keeper.version}: {holder} is changing it",
            hint="try again when that is done",
        )
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as launcher,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as supervisor,
    ):
        leaving = [_open_peer(supervisor, places.supervisor_socket), _open_peer(launcher, places.launcher_socket)]
        try:
            if leaving[1] is not None:
                launcher.send(_SHUTDOWN)
            supervisor.close()
            for pidfd in leaving:
                if pidfd is not None and not select.select([pidfd], [], [], _PATIENCE)[0]:
                    raise HostError(f"cannot start pycompose {__version__}: {keeper.version} does not leave")
        finally:
            for pidfd in leaving:
                if pidfd is not None:
                    os.close(pidfd)


def _open_peer(sock: socket.socket, path: str) -> int | None:
    """A pidfd of the process that listens at `path`, `sock` being connected to it; None where none does."""
    try:
        sock.connect(path)
        pid, _, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return pidfd_open(pid)
    except (FileNotFoundError, ConnectionRefusedError, ProcessLookupError):
        return None
