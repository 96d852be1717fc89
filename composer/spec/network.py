"""Networks, a container's places in them, and its published ports.

Networks of drivers `host` and `none` are no instruction: a container of them has the host's network namespace, or a
namespace without endpoints. Addresses are texts in the usual notation ("10.1.0.2", "fd00::2"), subnets in CIDR form.
"""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen, replace


class Driver(Enum):
    """How containers of a network reach each other."""

    BRIDGE = "bridge"  # a Linux bridge of the host, a veth pair per container
    MACVLAN = "macvlan"  # interfaces with hardware addresses of their own on an interface of the host
    IPVLAN = "ipvlan"  # the same with the parent's hardware address


class Protocol(Enum):
    """A transport protocol."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


@frozen
class AddressPool:
    """Where subnets of networks that name none come from: subnets of `size` bits of prefix within `base`."""

    base: str
    size: int


@frozen
class Subnet:
    """A range of addresses of a network. `gateway` is the bridge's own address; "" where it is to be allocated."""

    subnet: str
    gateway: str = ""
    ip_range: str = ""  # where containers' addresses are allocated from; "" is the whole subnet
    aux_addresses: tuple[tuple[str, str], ...] = ()  # name → address that no container gets
    place: str = ""  # spec.place


@frozen
class Network:
    """A network of the host. An external one is only used: all but its name is somebody else's matter."""

    name: str  # shop_default: unique on the host
    project: str = ""  # whose it is; "" is nobody's: made by hand, or external
    key: str = ""  # what the Compose file calls it
    driver: Driver = Driver.BRIDGE
    external: bool = False
    internal: bool = False  # no way out of it
    ipv4: bool = True
    ipv6: bool = False
    subnets: tuple[Subnet, ...] = ()  # without one of a wanted family, one is allocated
    interface: str = ""  # of the host: the bridge's name; "" is derived from the network's name
    parent: str = ""  # of macvlan and ipvlan: the host's interface; "" is one without a way out
    mode: str = ""  # of macvlan (bridge, private, vepa, passthru) and ipvlan (l2, l3, l3s)
    mtu: int | None = None
    masquerade: bool = True  # what leaves the host has the host's address
    icc: bool = True  # containers of the network reach each other
    host_ip: str = ""  # where ports are published that name no address
    reserved: tuple[str, ...] = ()  # addresses that containers of the project have asked for: allocated to nobody else
    labels: tuple[tuple[str, str], ...] = ()
    place: str = ""  # spec.place


def without_places(network: Network) -> Network:
    """What a network is, wherever somebody said so."""
    return replace(network, subnets=tuple(replace(subnet, place="") for subnet in network.subnets), place="")


@frozen
class Endpoint:
    """A container's place in a network. What is empty is allocated or chosen."""

    network: str  # the name on the host
    aliases: tuple[str, ...] = ()  # names of the container in this network, beside its own and its service's
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    interface_name: str = ""  # "": eth0, eth1, … in the order of the endpoints
    gw_priority: int = 0  # the default route goes through the highest
    mtu: int | None = None  # None is the network's
    place: str = ""  # spec.place: of the address that was asked for


@frozen
class Attachment:
    """An endpoint as it has become: what a running container has in a network. "" where there is none."""

    network: str
    interface: str  # inside of the container
    mac_address: str
    ipv4_address: str = ""  # without the prefix length
    ipv4_prefix: int = 0
    ipv4_gateway: str = ""
    ipv6_address: str = ""
    ipv6_prefix: int = 0
    ipv6_gateway: str = ""
    aliases: tuple[str, ...] = ()
    host_interface: str = ""  # the bridge, or the parent
    link: str = ""  # the host's end of the veth pair


@frozen
class PortRange:
    """Ports from `first` to `last`, both included."""

    first: int
    last: int


@frozen
class ExposedPorts:
    """Ports that a container listens on, as its Compose file says. They open nothing: others reach all its ports."""

    ports: PortRange
    protocol: Protocol = Protocol.TCP


@frozen
class PublishedPort:
    """A port of the container that the host gives away to it. `host` of None: any port that is free."""

    container: int
    protocol: Protocol = Protocol.TCP
    host: PortRange | None = None  # of several, any one that is free
    host_ip: str = ""  # "" is every address, or what the network says
    name: str = ""
    app_protocol: str = ""  # what is spoken there: "http"
    place: str = ""  # spec.place


@frozen
class PortBinding:
    """A published port as it has become, at one address of the host."""

    container: int
    protocol: Protocol
    address: str  # "0.0.0.0" and "::" are all of a family
    port: int


@frozen
class NamedPort:
    """A port as SRV records have it: _http._tcp.web."""

    name: str
    protocol: Protocol
    port: int


@frozen
class Names:
    """How a container finds others by name, and is found."""

    resolvers: tuple[str, ...] = ()  # asked for the rest of the world's names, instead of the host's
    links: tuple[tuple[str, str], ...] = ()  # (name, what it stands for), for this container alone
    only_healthy: bool = False  # found only while it is healthy
    own: tuple[str, ...] = ()  # beside the container's own name, on all networks
    ports: tuple[NamedPort, ...] = ()
