"""Hands the contents of secrets to a project's launcher, for its containers alone: sealed memory files over its socket.

client                                            launcher
connect ────────────────────────────────────────► Hello
memfd_create, write, seal
Deposit(identity) [memory file] ────────────────► kept, locked in memory
                  ◄────────────────────────────── Taken
                                                  … StartContainer: the child reads it

No file, no argument, no environment, and no message that the supervisor sees has them: nothing to find for whoever
reads what is written down, and nothing to lose when a supervisor dies.
"""

from __future__ import annotations

import os
import socket

from composer.errors import HostError
from composer.hints import Mapping
from composer.linux.memory import sealed_memory_file
from composer.runtime.launcher import client as launcher
from composer.runtime.launcher import protocol

_PATIENCE = 20.0  # seconds for an answer


def deposit(socket_path: str, contents: Mapping[str, bytes]) -> None:
    """Have the launcher that listens at `socket_path` keep these contents by their identities. Raises HostError."""
    with launcher.connect(socket_path) as peer:
        peer.settimeout(_PATIENCE)
        for number, (identity, content) in enumerate(contents.items(), start=1):
            try:
                memory = sealed_memory_file("secret", content)
                try:
                    launcher.send(peer, protocol.Deposit(number, identity), (memory,))
                finally:
                    os.close(memory)
                taken = _wait_taken(peer, number)
            except OSError as error:
                raise HostError(f"cannot hand secrets to the launcher: {error.strerror or error}") from error
            if not taken:
                raise HostError("cannot hand secrets to the launcher: it left", hint="try again")


def _wait_taken(peer: socket.socket, number: int) -> bool:
    while (received := launcher.receive(peer)) is not None:
        for fd in received.fds:
            os.close(fd)
        if isinstance(received.message, protocol.Taken) and received.message.request == number:
            return True
    return False
