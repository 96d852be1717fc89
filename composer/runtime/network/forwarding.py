"""Whether the host passes packets on from one interface to another: net.ipv4.ip_forward and its IPv6 counterpart.

Off on a host that is no router. A network with a way out needs it; it is switched on then, which is written on the
link of each network that needs it, and off again with the last of those.
"""

from __future__ import annotations

from composer.hints import Iterable
from composer.runtime.network.host import HostNetwork
from composer.runtime.network.labels import NetworkLabel
from composer.spec.network import Driver, Network

SWITCHES = {"4": "/proc/sys/net/ipv4/ip_forward", "6": "/proc/sys/net/ipv6/conf/all/forwarding"}


def is_on(family: str) -> bool:
    """Whether the host forwards packets of a family. Raises OSError where it does not know the family."""
    with open(SWITCHES[family], encoding="ascii") as file:
        return file.read().strip() != "0"


def needed(network: Network) -> tuple[str, ...]:
    """The families that a network must have forwarded."""
    if network.internal or network.driver is not Driver.BRIDGE:
        return ()
    return tuple(family for family, wanted in (("4", network.ipv4), ("6", network.ipv6)) if wanted)


def holders(family: str, there: HostNetwork) -> tuple[NetworkLabel, ...]:
    """The networks for which a family is forwarded because of us, by name; none where it was on anyway, or is off."""
    labels = (found.label for found in there.networks.values())
    return tuple(sorted((it for it in labels if family in it.forwarding), key=lambda it: it.network))


def switch_on(network: Network, there: HostNetwork) -> tuple[str, ...]:
    """Switch on what is needed and off; the families that are on because of us. Raises OSError."""
    ours = {family for family in SWITCHES if holders(family, there)}
    for family in needed(network):
        if not is_on(family):
            _write(family, "1")
            ours.add(family)
    return tuple(family for family in needed(network) if family in ours)


def switch_off(families: Iterable[str], left: HostNetwork) -> None:
    """Undo `switch_on` for families that no network on `left` holds any longer. Raises OSError."""
    for family in set(families):
        if not holders(family, left):
            _write(family, "0")


def _write(family: str, value: str) -> None:
    with open(SWITCHES[family], "w", encoding="ascii") as file:
        file.write(value)
