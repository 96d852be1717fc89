"""Whose a port of the host is: a container's, says its publication, or a process's, by its socket."""

from __future__ import annotations

import errno
import ipaddress
import os
import struct

from composer.frozen import frozen
from composer.hints import Iterable, Iterator
from composer.planner import ports as planner
from composer.planner.observed import TakenPort
from composer.planner.ports import overlap
from composer.runtime.ports import publication
from composer.runtime.ports.publication import Publication
from composer.runtime.ports.reservation import bind
from composer.spec.desired import Desired
from composer.spec.network import PortRange, Protocol

TCP_LISTEN = 0x0A
TABLES = {Protocol.TCP: ("tcp", "tcp6"), Protocol.UDP: ("udp", "udp6")}
NOBODY = "somebody who cannot be seen from here"


@frozen
class _Socket:
    address: str
    state: int
    inode: str


def observe_claims(desired: Desired, *, run: str) -> tuple[TakenPort, ...]:
    """Ports that cannot be had, of those that a project's containers claim."""
    specs = [spec for service in desired.services for spec in service.containers]
    claims = planner.claims(specs, desired.networks)
    return observe(planner.looked_for(claims), run=run, project=desired.project, enough=len(claims))


def observe(
    wanted: Iterable[tuple[Protocol, str, PortRange]], *, run: str, project: str, enough: int
) -> tuple[TakenPort, ...]:
    """Ports that cannot be had, of those wanted: (protocol, address, numbers). `run` is the directory of all projects.

    Of each range no more is looked at than it takes to find `enough` that are free.
    """
    published = tuple(_published(run))
    found: dict[tuple[Protocol, str, int], TakenPort] = {}
    for protocol, address, numbers in wanted:
        free = 0
        for number in range(numbers.first, numbers.last + 1):
            taken = _of_container(protocol, address, number, published, project) or _of_host(protocol, address, number)
            if taken is None:
                free += 1
                if free == enough:
                    break
            else:
                found[protocol, address, number] = taken
    return tuple(found.values())


def why(protocol: Protocol, address: str, number: int, *, error: OSError, run: str, project: str) -> str:
    """Why a port could not be had just now."""
    taken = _of_container(protocol, address, number, tuple(_published(run)), project)
    return taken.why if taken else _reason(protocol, address, number, error)


def _published(run: str) -> Iterator[Publication]:
    """Those of containers that live, of all projects."""
    for project in _listed(run):
        for container in _listed(f"{run}/{project}/containers"):
            found = publication.load(f"{run}/{project}/containers/{container}")
            if found is not None and publication.is_alive(found):
                yield found


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _of_container(
    protocol: Protocol, address: str, number: int, published: tuple[Publication, ...], project: str
) -> TakenPort | None:
    for one in published:
        for binding in one.bindings:
            if (binding.protocol, binding.port) == (protocol, number) and overlap((binding.address,), (address,)):
                own = one.project == project
                whose = f"service {one.service}" + ("" if own else f" of project {one.project}")
                return TakenPort(protocol, address, number, f"{whose} has it", one.container if own else "")
    return None


def _of_host(protocol: Protocol, address: str, number: int) -> TakenPort | None:
    """Tried out: the kernel knows best."""
    try:
        sock, _ = bind(protocol, address, number)
    except OSError as error:
        if address == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return None  # a host without IPv6; where only that was asked for, the start tells
        return TakenPort(protocol, address, number, _reason(protocol, address, number, error))
    if sock is not None:
        sock.close()
    return None


def _reason(protocol: Protocol, address: str, number: int, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this host has no address {address}"
    if error.errno == errno.EADDRINUSE:
        return f"address already in use by {_process(protocol, address, number)}"
    return error.strerror or str(error)


def _process(protocol: Protocol, address: str, number: int) -> str:
    """ "pid 812 (nginx)": the first process that has a socket at the port, a listening one rather than another."""
    sockets = [it for it in _sockets(protocol, number) if _in_the_way(it.address, address)]
    for one in sorted(sockets, key=lambda it: it.state != TCP_LISTEN):
        pid = _owner(one.inode)
        if pid is not None:
            return f"pid {pid} ({_command(pid)})"
    return NOBODY


def _in_the_way(there: str, address: str) -> bool:
    """A socket at every IPv6 address may be at every IPv4 one as well: which it is, proc(5) does not tell."""
    return overlap((there,), (address,)) or there == "::"


def _sockets(protocol: Protocol, number: int) -> Iterator[_Socket]:
    for name in TABLES.get(protocol, ()):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                next(file)
                for line in file:
                    words = line.split()
                    address, _, port = words[1].partition(":")
                    if int(port, 16) == number:
                        yield _Socket(_address(address), int(words[3], 16), words[9])
        except FileNotFoundError:
            continue  # a kernel without IPv6


def _address(text: str) -> str:
    """The kernel prints addresses as words of its own byte order."""
    words = [struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _owner(inode: str) -> int | None:
    name = f"socket:[{inode}]"
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with os.scandir(f"/proc/{pid}/fd") as entries:
                if any(os.readlink(entry.path) == name for entry in entries):
                    return int(pid)
        except OSError:
            continue  # gone, or not ours to look at
    return None


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "gone"
