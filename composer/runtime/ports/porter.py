"""A process for each container that has published ports: a fork of whoever started it, that does nothing else.

It has the sockets that hold the ports, carries what comes to them (proxy), and sees the container's end by its pidfd:
then it takes away what leads to the container, and leaves. So neither supervisor nor launcher is needed for any of it.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from composer.frozen import frozen
from composer.hints import NoReturn
from composer.linux import conntrack
from composer.linux.identity import start_time
from composer.linux.pidfd import pidfd_open
from composer.linux.prctl import set_name
from composer.runtime import forks
from composer.runtime.launcher.loop import Loop
from composer.runtime.ports import publication, rules
from composer.runtime.ports.proxy import Proxy
from composer.runtime.ports.publication import Publication
from composer.spec.network import PortBinding

NAME = "pycompose-ports"

Held = tuple[PortBinding, socket.socket]


@frozen
class Porter:
    """One that was seen alive."""

    pid: int
    pidfd: int  # the caller's to close
    start_time: int
    is_child: bool = True  # to be reaped by the caller


def start(it: Publication, state: str, *, sockets: list[Held], pidfd: int) -> Porter:
    """Fork one for the container behind `pidfd`. The caller has one thread. Raises OSError."""
    pid = os.fork()
    if pid == 0:
        _be(it, state, sockets=sockets, pidfd=pidfd)
    return Porter(pid, pidfd_open(pid), start_time(pid))


def _be(it: Publication, state: str, *, sockets: list[Held], pidfd: int) -> NoReturn:
    """Never back into what the caller was about to do."""
    try:
        os.setsid()  # a terminal's signals are not for us
        set_name(NAME)
        keep = (pidfd, *(sock.fileno() for _, sock in sockets))
        forks.go_on(lambda: _serve(it, state, sockets=sockets, pidfd=pidfd), keep=keep)
    finally:
        os._exit(1)


def _serve(it: Publication, state: str, *, sockets: list[Held], pidfd: int) -> None:
    try:
        _forward(it, sockets=sockets, pidfd=pidfd)
        clear(it)
        publication.remove(state)
    except Exception as error:
        error.add_note(f"{NAME} of container {it.container}")
        raise


def _forward(it: Publication, *, sockets: list[Held], pidfd: int) -> None:
    loop = Loop()
    proxy = Proxy(loop, it.backends)
    for binding, sock in sockets:
        proxy.open(binding, sock)
    loop.watch(pidfd, loop.stop)
    loop.run()
    proxy.close()
    for _, sock in sockets:
        sock.close()


def clear(it: Publication) -> None:
    """Take away what leads to a container that has ended. Raises HostError, OSError."""
    rules.remove(it.project, it.container)
    for address in it.backends:
        with suppress(OSError):  # a kernel that does not tell its connections: they go by themselves
            conntrack.forget(conntrack.answered_by(address))
