"""A container's published ports: reserved before its process is there, led to it, given back when it has ended.

    launcher, or `run` in the foreground                    porter
    ─────────────────────────────────────────────           ──────────────────────────────────────────
    sockets bound: what is taken is told now
    rules (nftables), stale connections forgotten
    clone3, interfaces, gate opened
    fork ─────────────────────────────────────────────────► closes all but the sockets and the container's pidfd
    ports.json; sockets closed                              carries what comes to the sockets
                                                            the container has ended: sockets closed, rules and
    waits for its end ◄──────────────────────────────────── connections taken away, ports.json removed

The porter outlives whoever made it. Who finds it dead while its container runs makes another one, from ports.json.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import ExitStack, suppress

from composer.errors import Conflict, HostError
from composer.frozen import field, mutable, replace
from composer.hints import Iterator
from composer.linux import conntrack
from composer.linux.pidfd import pidfd_open, pidfd_send_signal
from composer.linux.rtnetlink import open_route
from composer.planner import ports as planner
from composer.runtime.launch import Launch
from composer.runtime.network.endpoints import Place, Places
from composer.runtime.ports import holders, porter, publication, reservation, rules
from composer.runtime.ports.porter import Porter
from composer.runtime.ports.publication import Publication
from composer.runtime.ports.reservation import PortTaken, Reservation
from composer.spec.container import ContainerSpec
from composer.spec.network import Driver, PortBinding, Protocol, PublishedPort

PATIENCE = 2.0  # seconds that a porter may take to tidy up


@mutable
class Publishing:
    """The ports of one start. Without any, everything here does nothing."""

    state: str
    publication: Publication | None = None
    reservations: list[Reservation] = field(default_factory=list)
    porter: Porter | None = None
    warnings: tuple[str, ...] = ()

    def begin(self, pidfd: int) -> None:
        """The container's process is there: have a porter look after the ports until it ends. Raises HostError."""
        if self.publication is None:
            return
        sockets = [pair for one in self.reservations for pair in one.sockets]
        try:
            self.porter = porter.start(self.publication, self.state, sockets=sockets, pidfd=pidfd)
        except OSError as error:
            raise HostError(f"cannot look after the ports of {self.publication.container}: {error.strerror}") from error
        _save(self.state, self.publication, self.porter)
        self._close_sockets()

    def _close_sockets(self) -> None:
        for one in self.reservations:
            one.close()
        self.reservations.clear()

    def undo(self) -> None:
        """The start has failed; the container's process is gone."""
        self._close_sockets()
        if self.publication is not None:
            close(self.state, self.porter)
            porter.clear(self.publication)


def prepare(launch: Launch, places: Places, undo: ExitStack) -> Publishing:
    """Reserve the ports of a container, and lead them to the addresses that it is about to have.

    Raises Conflict for a port that is taken, HostError. Alone with the host's networks (network.host).
    """
    publishing = Publishing(launch.state)
    spec = launch.spec
    if not spec.ports:
        return publishing
    way_4, way_6 = (_reachable(place) for place in places.ways_out)
    if way_4 is None and way_6 is None:
        publishing.warnings = ("its ports are not published: it is in no bridge network that has a way out",)
        return publishing
    undo.callback(publishing.undo)
    host_ip = next(place.network.host_ip for place in (way_4, way_6) if place is not None)
    for port in sorted(spec.ports, key=_choice):
        publishing.reservations.append(_reserve(launch, port, planner.addresses(port, host_ip=host_ip)))
    publishing.publication = Publication(
        spec.project,
        spec.service,
        spec.name,
        tuple(binding for one in publishing.reservations for binding in one.bindings),
        ipv4=way_4.attachment.ipv4_address if way_4 else "",
        ipv6=way_6.attachment.ipv6_address if way_6 else "",
    )
    _lead(publishing.publication)
    try:
        _forget_stale(publishing.publication)
    except OSError as error:
        publishing.warnings = (f"old UDP sessions may go astray: {error.strerror} (CONFIG_NF_CT_NETLINK)",)
    return publishing


def _reachable(place: Place | None) -> Place | None:
    """Only what goes through the bridge comes back translated; on macvlan and ipvlan the host is not on the way."""
    return place if place is not None and place.network.driver is Driver.BRIDGE else None


def _choice(port: PublishedPort) -> int:
    """How many numbers would do: those that must have theirs come first."""
    return port.host.last - port.host.first if port.host else 1 << 16


def _reserve(launch: Launch, port: PublishedPort, addresses: tuple[str, ...]) -> Reservation:
    spec = launch.spec
    wanted = [it for it in launch.published_before if (it.container, it.protocol) == (port.container, port.protocol)]
    before = dict.fromkeys(it.port for it in wanted if it.address in addresses)
    try:
        return reservation.reserve(port, addresses=addresses, before=before, avoid=launch.avoided_ports)
    except PortTaken as error:
        raise _taken(spec, port, error, run=_run_directory(launch.state)) from error


def _run_directory(state: str) -> str:
    """That of all projects, from a container's state directory (store.paths)."""
    return os.path.normpath(f"{state}/../../..")


def _taken(spec: ContainerSpec, port: PublishedPort, error: PortTaken, *, run: str) -> Conflict:
    reason = holders.why(port.protocol, error.address, error.port, error=error, run=run, project=spec.project)
    return Conflict(planner.refusal(spec, port, [(error.port, reason)]))


def _lead(it: Publication) -> None:
    rules.add(it.project, it.container, it.bindings, ipv4=it.ipv4, ipv6=it.ipv6)


def _save(state: str, it: Publication, by: Porter) -> None:
    publication.save(state, replace(it, porter_pid=by.pid, porter_start_time=by.start_time))


# ---- connections of before ---------------------------------------------------------------------------------------


def _forget_stale(it: Publication) -> None:
    """Who has sent datagrams while the ports led elsewhere, or nowhere, would be led there for as long as it sends."""
    found = [one for binding in it.bindings if binding.protocol is not Protocol.TCP for one in _connections(binding)]
    if not found:
        return
    with open_route() as route:
        own = {address.address for address in route.addresses()}
    conntrack.forget([one for one in found if one.destination in own])


def _connections(binding: PortBinding) -> Iterator[conntrack.Connection]:
    family = socket.AF_INET6 if ":" in binding.address else socket.AF_INET
    _, protocol = reservation.KINDS[binding.protocol]
    yield from conntrack.to_port(protocol, binding.port, family=family)


# ---- the end -----------------------------------------------------------------------------------------------------


def reopen(state: str, pidfd: int) -> Porter | None:
    """The porter of a container that runs, another one where its own has died; None where it has no ports.

    Raises HostError, PortTaken: somebody was faster.
    """
    found = publication.load(state)
    if found is None:
        return None
    if publication.is_alive(found):
        with suppress(ProcessLookupError):
            pid = found.porter_pid
            return Porter(pid, pidfd_open(pid), found.porter_start_time, is_child=False)
    with ExitStack() as held:
        sockets = []
        for binding, sock in reservation.again(found.bindings):
            held.callback(sock.close)
            sockets.append((binding, sock))
        made = porter.start(found, state, sockets=sockets, pidfd=pidfd)
    _save(state, found, made)
    return made


def close(state: str, child: Porter | None = None) -> None:
    """A container has ended: wait until its porter, perhaps a child of the caller, has tidied up, or do it instead.

    Raises HostError, OSError.
    """
    found = publication.load(state)
    if found is not None:
        _wait_gone(found)
    if child is not None:
        os.waitpid(child.pid, 0)
        os.close(child.pidfd)
    if (left := publication.load(state)) is not None:
        porter.clear(left)
        publication.remove(state)


def _wait_gone(it: Publication) -> None:
    try:
        pidfd = pidfd_open(it.porter_pid)
    except ProcessLookupError:
        return
    try:
        if publication.is_alive(it) and not select.select([pidfd], [], [], PATIENCE)[0]:
            with suppress(ProcessLookupError):
                pidfd_send_signal(pidfd, signal.SIGKILL)
            select.select([pidfd], [], [], PATIENCE)
    finally:
        os.close(pidfd)
