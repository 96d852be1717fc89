"""What is told the attendant by those who start containers: which live, and where.

The launcher tells it again and again: an attendant that has died is started again, and told of all containers that run.
Names are asked at sockets that are opened before a container's program runs; those that a new attendant must have
again, it opens itself.
"""

from __future__ import annotations

import ipaddress

from composer.errors import HostError
from composer.frozen import mutable, replace
from composer.hints import Callable
from composer.runtime.attendant import spawn
from composer.runtime.attendant.client import Attendant
from composer.runtime.attendant.zone import Place, Resident
from composer.runtime.launch import Launch
from composer.runtime.launcher.loop import Loop
from composer.spec.container import ContainerSpec
from composer.spec.network import Attachment

FIRST_DELAY, LONGEST_DELAY = 0.05, 10.0  # seconds until it is tried again


def resident_of(launch: Launch, attachments: tuple[Attachment, ...], *, pid: int, start_time: int) -> Resident:
    """A container that runs, as the attendant must know it."""
    spec = launch.spec
    internal = {network.name for network in launch.networks if network.internal}
    return Resident(
        container=spec.name,
        pid=pid,
        start_time=start_time,
        places=tuple(_place(spec, it) for it in attachments),
        ports=spec.names.ports,
        links=tuple((name.lower(), of.lower()) for name, of in spec.names.links),
        only_healthy=spec.names.only_healthy,
        healthy=not spec.names.only_healthy,
        resolvers=spec.names.resolvers,
        forwards=any(it.network not in internal for it in attachments),
    )


def _place(spec: ContainerSpec, it: Attachment) -> Place:
    given = [(it.ipv4_address, it.ipv4_prefix), (it.ipv6_address, it.ipv6_prefix)]
    interfaces = [ipaddress.ip_interface(f"{address}/{prefix}") for address, prefix in given if address]
    return Place(
        it.network,
        tuple(str(one.ip) for one in interfaces),
        tuple(dict.fromkeys(name.lower() for name in (*spec.names.own, *it.aliases))),
        tuple(str(one.network) for one in interfaces),
    )


def introduce(resident: Resident, pidfd: int, *, sockets: tuple[int, ...], project: str, directory: str) -> None:
    """Have a container's names answered, once: by whoever does not stay. Raises HostError."""
    with spawn.reach(project, directory=directory) as attendant:
        attendant.serve(resident, pidfd, sockets=sockets)


@mutable
class _Known:
    resident: Resident
    pidfd: int  # the launcher's


class Front:
    """The launcher's side. `log` gets a line for each thing that goes wrong: containers run on without names."""

    def __init__(self, project: str, *, directory: str, loop: Loop, log: Callable[[str], None]) -> None:
        self._project = project
        self._directory = directory
        self._loop = loop
        self._log = log
        self._attendant: Attendant | None = None
        self._known: dict[str, _Known] = {}
        self._delay = FIRST_DELAY
        self._closed = False

    def serve(self, resident: Resident, pidfd: int, *, sockets: tuple[int, ...] = ()) -> None:
        """A container runs. The descriptors stay the caller's."""
        if not resident.places:
            return
        self._known[resident.container] = _Known(resident, pidfd)
        try:
            self._reach(but=resident.container).serve(resident, pidfd, sockets=sockets)
        except HostError as error:
            self._lose(error)

    def forget(self, container: str) -> None:
        """It has ended."""
        self._known.pop(container, None)

    def set_healthy(self, container: str, *, healthy: bool) -> None:
        """What its health checks say."""
        known = self._known.get(container)
        if known is None:
            return
        known.resident = replace(known.resident, healthy=healthy)
        try:
            self._reach().set_healthy(container, healthy=healthy)
        except HostError as error:
            self._lose(error)

    def close(self) -> None:
        """The launcher leaves."""
        self._closed = True
        self._hang_up()

    def _reach(self, *, but: str = "") -> Attendant:
        """The attendant; one that is new to us is told of all that run but one."""
        if self._attendant is None:
            self._attendant = spawn.reach(self._project, directory=self._directory, start=spawn.fork)
            self._loop.watch(self._attendant.fileno(), self._has_ended)
            for known in [known for name, known in self._known.items() if name != but]:
                self._attendant.serve(known.resident, known.pidfd)
                if known.resident.only_healthy:  # of one that it knew already, it has kept what it knew
                    self._attendant.set_healthy(known.resident.container, healthy=known.resident.healthy)
        return self._attendant

    def _has_ended(self) -> None:
        self._lose(HostError("the attendant has ended"))

    def _lose(self, error: HostError) -> None:
        """Try again a little later, all of it."""
        self._log(error.message)
        self._hang_up()
        self._loop.call_later(self._delay, self._tell_again)
        self._delay = min(self._delay * 2, LONGEST_DELAY)

    def _hang_up(self) -> None:
        if self._attendant is not None:
            self._loop.unwatch(self._attendant.fileno())
            self._attendant.close()
            self._attendant = None

    def _tell_again(self) -> None:
        if self._closed or not self._known:
            return
        try:
            self._reach()
        except HostError as error:
            self._lose(error)
        else:
            self._delay = FIRST_DELAY
