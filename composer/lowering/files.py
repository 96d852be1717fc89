"""/etc/hostname, /etc/hosts and /etc/resolv.conf, as contents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import Enum

from composer.frozen import field, frozen
from composer.lowering.host import HostFacts
from composer.spec.mounts import File

NAME_SERVER = "127.0.0.11"  # the attendant is asked there, as Docker's own server is
HOST_GATEWAY = "host-gateway"
_OWN_ADDRESS = "127.0.1.1"  # as Debian does for a host without a fixed address: distinct from localhost, on loopback
_LOCALHOST = """\
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
"""


class Reach(Enum):
    """What a container is connected with: that is where its own name and its host are."""

    NOTHING = "nothing"
    NETWORKS = "networks"
    HOST = "host"


@frozen
class Resolving:
    """How a container finds names: what was said, nothing where nothing was said."""

    extra_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()


def generated(
    *,
    hostname: str,
    domainname: str = "",
    reach: Reach,
    host: HostFacts,
    resolving: Resolving,
    asks_us: bool = False,
    taken: Collection[str] = (),
) -> tuple[File, ...]:
    """The three files, but for those whose place is `taken` by a mount of the user's.

    A container that `asks_us` has, or shares, a network namespace in which our name server is asked.
    """
    resolv_conf = _asking_us if asks_us else _resolv_conf
    files = (
        File("/etc/hostname", f"{hostname}\n"),
        _hosts(hostname, domainname, reach=reach, host=host, extra=resolving.extra_hosts),
        resolv_conf(host.resolv_conf, resolving),
    )
    return tuple(file for file in files if file.target not in taken)


def _hosts(
    hostname: str, domainname: str, *, reach: Reach, host: HostFacts, extra: Mapping[str, tuple[str, ...]]
) -> File:
    more = "".join(f"{address}\t{name}\n" for name, address in _addresses(extra, reach))
    if reach is Reach.HOST:
        return File("/etc/hosts", _ended(host.hosts) + more, identity=more)
    names = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    if reach is Reach.NOTHING:
        return File("/etc/hosts", f"{_LOCALHOST}{_OWN_ADDRESS}\t{names}\n{more}")
    gateways = tuple(name for name, addresses in extra.items() if HOST_GATEWAY in addresses)
    return File("/etc/hosts", f"{_LOCALHOST}{more}", own_names=names, gateway_names=gateways)


def _addresses(extra: Mapping[str, tuple[str, ...]], reach: Reach) -> Iterator[tuple[str, str]]:
    """(name, address). What host-gateway stands for is known when the container is started, or there is no such way."""
    for name, addresses in extra.items():
        for address in addresses:
            if address != HOST_GATEWAY:
                yield name, address
            elif reach is Reach.HOST:
                yield name, "127.0.0.1"


def _resolv_conf(own: str, resolving: Resolving) -> File:
    """The host's file, each keyword replaced that was said (resolv.conf(5))."""
    search = tuple(domain for domain in resolving.dns_search if domain != ".")  # "." takes the host's away
    said = {"nameserver": resolving.dns, "search": resolving.dns_search, "options": resolving.dns_opt}
    lines = {
        "nameserver": [f"nameserver {address}" for address in resolving.dns],
        "search": [f"search {' '.join(search)}"] if search else [],
        "options": [f"options {' '.join(resolving.dns_opt)}"],
    }
    if not any(said.values()):
        return File("/etc/resolv.conf", _ended(own), identity="")
    kept = [line for keyword in said for line in (lines[keyword] if said[keyword] else _lines_of(own, keyword))]
    return File("/etc/resolv.conf", "\n".join((*kept, "")), identity=repr(said))


def _asking_us(own: str, resolving: Resolving) -> File:
    """Our own name server, which asks the host's or those of `dns`. A name of ours has one label: it is asked for as it
    is, before any of `search` is put behind it."""
    said = {"search": resolving.dns_search, "options": resolving.dns_opt}
    search = tuple(domain for domain in resolving.dns_search if domain != ".")
    lines = [f"search {' '.join(search)}"] if search else []
    if not resolving.dns_search:
        lines = _lines_of(own, "search")
    options = list(resolving.dns_opt)
    if not options:
        known = (option for line in _lines_of(own, "options") for option in line.split()[1:])
        options = [option for option in known if not option.startswith("ndots:")]
    if not any(option.startswith("ndots:") for option in options):
        options.append("ndots:0")
    text = "\n".join((f"nameserver {NAME_SERVER}", *lines, f"options {' '.join(options)}", ""))
    return File("/etc/resolv.conf", text, identity=repr(said))


def _lines_of(text: str, keyword: str) -> list[str]:
    return [line for line in text.splitlines() if line.split()[:1] == [keyword]]


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"
