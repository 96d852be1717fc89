"""Which names mean which containers, seen from one of them: pure.

A name holds on a network: a container sees the names of the networks it is on, its own included. It has several names
there: the container's, the service's (shared by all replicas), aliases; each also with the network's name behind it,
as Docker has them: web.shop_default. Who is not registered does not run, and has no name.

Beyond this module: the rest of the world's names (forwarding).
"""

from __future__ import annotations

import ipaddress
import socket

from composer.frozen import field, frozen, mutable
from composer.hints import Callable, Collection, Iterable
from composer.runtime.attendant.wire import Address, Answer, Code, Pointer, Query, Service, Type
from composer.spec.network import NamedPort

LOCALHOST = ("127.0.0.1", "::1")
_REVERSE_4, _REVERSE_6 = ".in-addr.arpa", ".ip6.arpa"


@frozen
class Place:
    """A container's place in one network."""

    network: str  # its name on the host
    addresses: tuple[str, ...]
    names: tuple[str, ...] = ()  # all but the container's own, in lower case
    subnets: tuple[str, ...] = ()  # whose addresses have names here or nowhere


@frozen
class Resident:
    """A running container, as far as names go."""

    container: str
    pid: int
    start_time: int  # together with the pid it names the process
    places: tuple[Place, ...] = ()
    ports: tuple[NamedPort, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # (name, what it stands for), in lower case, for this container alone
    only_healthy: bool = False  # others find it only while it is healthy
    healthy: bool = True
    resolvers: tuple[str, ...] = ()  # asked instead of the host's, from within the container
    forwards: bool = True  # False: on internal networks only, the rest of the world has no names

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(place.network for place in self.places)


Found = list[tuple[Resident, Place]]
Said = tuple[Code, tuple[Answer, ...]]
Others = Callable[[Collection[str]], Iterable[Resident]]  # of other projects, on these networks


@mutable
class Zone:
    """The residents of a project, and who is called what."""

    _residents: dict[str, Resident] = field(default_factory=dict)
    _index: dict[tuple[str, str], Found] | None = None  # (network, name or address) → who; None: to be made anew
    _turns: dict[tuple[str, str, int], int] = field(default_factory=dict)  # (asker, name, type) → how often asked for

    def add(self, resident: Resident) -> None:
        """Take a resident in, in place of one of its name."""
        self._residents[resident.container] = resident
        self._index = None

    def remove(self, container: str) -> None:
        """Forget a resident. Fine if there is none."""
        self._residents.pop(container, None)
        self._index = None
        for key in [key for key in self._turns if key[0] == container]:
            del self._turns[key]

    def answer(self, asker: Resident, query: Query, *, others: Others = lambda _networks: ()) -> Said | None:
        """The answer to a question, None where somebody else must be asked."""
        name = dict(asker.links).get(query.name, query.name)
        if name == "localhost" or name.endswith(".localhost"):
            return _of_type(query.type, LOCALHOST)
        if name.endswith((_REVERSE_4, _REVERSE_6)):
            return self._reverse(asker, name, query.type, others)
        if name.startswith("_") and query.type in (Type.SRV, Type.ANY):
            return self._services(asker, name, others)
        found = self._find(asker, name, others)
        if found:
            usable = self._rotated(asker, name, query.type, found)
            return _of_type(query.type, tuple(one for _, place in usable for one in place.addresses))
        return (Code.NXDOMAIN, ()) if _is_ours(asker, name) else None

    def _find(self, asker: Resident, name: str, others: Others) -> Found:
        """Who has this name, or address, on a network that the asker is on; each once, at the first network shared."""
        if self._index is None:
            self._index = index(self._residents.values())
        found: dict[str, tuple[Resident, Place]] = {}
        for known in (self._index, index(others(asker.networks))):
            for network in asker.networks:
                for one in known.get((network, name.removesuffix(f".{network.lower()}")), ()):
                    found.setdefault(one[0].container, one)
        return list(found.values())

    def _rotated(self, asker: Resident, name: str, type_: int, found: Found) -> Found:
        """Each time another one first, for each asker, for most take the first; A and AAAA take turns of their own,
        since most ask for both. The first turns of different askers differ."""
        usable = [(who, place) for who, place in found if who.healthy or not who.only_healthy]
        if len(usable) < 2:
            return usable
        key = asker.container, name, type_
        turn = self._turns.get(key, len(self._turns))
        self._turns[key] = turn + 1
        at = turn % len(usable)
        return usable[at:] + usable[:at]

    def _services(self, asker: Resident, name: str, others: Others) -> Said | None:
        """SRV: _http._tcp.web."""
        port_name, _, rest = name.partition(".")
        protocol, _, owner = rest.partition(".")
        found = self._find(asker, owner, others) if owner else []
        if not found:
            return (Code.NXDOMAIN, ()) if not owner or _is_ours(asker, owner) else None
        answers = tuple(
            Service(port.port, f"{who.container}.{place.network}", place.addresses)
            for who, place in self._rotated(asker, owner, Type.SRV, found)
            for port in who.ports
            if (f"_{port.name.lower()}", f"_{port.protocol.value}") == (port_name, protocol)
        )
        return (Code.NOERROR, answers) if answers else (Code.NXDOMAIN, ())

    def _reverse(self, asker: Resident, name: str, type_: int, others: Others) -> Said | None:
        address = address_of(name)
        if not address:
            return None
        found = self._find(asker, address, others)
        if found:
            who, place = found[0]
            wanted = type_ in (Type.PTR, Type.ANY)
            return Code.NOERROR, (Pointer(f"{who.container}.{place.network}"),) if wanted else ()
        near = (subnet for place in asker.places for subnet in place.subnets)
        return (Code.NXDOMAIN, ()) if any(_contains(subnet, address) for subnet in near) else None


def index(residents: Iterable[Resident]) -> dict[tuple[str, str], Found]:
    """Who is called what on each network. Addresses are names as well: no name looks like one."""
    made: dict[tuple[str, str], Found] = {}
    for who in residents:
        for place in who.places:
            for name in dict.fromkeys((who.container.lower(), *place.names, *place.addresses)):
                made.setdefault((place.network, name), []).append((who, place))
    return made


def _is_ours(asker: Resident, name: str) -> bool:
    """Whether nobody else can know such a name: it has one label, or is of one of the asker's networks."""
    return bool(name) and ("." not in name or name.endswith(tuple(f".{one.lower()}" for one in asker.networks)))


def _contains(subnet: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet)


def _of_type(type_: int, addresses: tuple[str, ...]) -> Said:
    """The addresses of the kind asked for. None of that kind is an empty answer, not a denial of the name."""
    return Code.NOERROR, tuple(Address(one) for one in addresses if type_ in (_type_of(one), Type.ANY))


def _type_of(address: str) -> Type:
    return Type.AAAA if ":" in address else Type.A


def address_of(name: str) -> str:
    """The address that a name below in-addr.arpa or ip6.arpa means, "" for none: part of a network, or nonsense."""
    try:
        if name.endswith(_REVERSE_4):
            text = ".".join(reversed(name.removesuffix(_REVERSE_4).split(".")))
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, text))
        digits = "".join(reversed(name.removesuffix(_REVERSE_6).split(".")))
        return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)) if len(digits) == 32 else ""
    except (OSError, ValueError):
        return ""
