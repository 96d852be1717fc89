"""What the links of networks and endpoints are called, and what is written on them.

Names of interfaces have 15 characters; those of networks more. So names are derived, and what they stand for is in the
interface's alias (`ip -d link`), words separated by spaces; where it would be too long, ~ is the project's name. The
network's own name is its link's altname as well: `ip address show shop_default`.
"""

from __future__ import annotations

import errno
import os

from composer.digest import sha256
from composer.frozen import frozen
from composer.linux.rtnetlink import Link
from composer.spec.network import Network

MARK = "pycompose"
ALIAS_SIZE = 255  # bytes: IFALIASZ without the NUL


@frozen
class NetworkLabel:
    """What is written on a network's link. `forwarding`: the families for which forwarding was switched on by us."""

    network: str
    project: str
    fingerprint: str
    driver: str
    subnets: tuple[str, ...] = ()
    forwarding: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The alias."""
        return _encode(
            network=self.network,
            project=self.project,
            definition=self.fingerprint,
            driver=self.driver,
            subnets=",".join(self.subnets),
            forwarding=",".join(self.forwarding),
        )


@frozen
class EndpointLabel:
    """What is written on the host's end of an endpoint's pair."""

    endpoint: str  # the network's name
    project: str
    container: str
    addresses: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The alias."""
        return _encode(
            endpoint=self.endpoint,
            project=self.project,
            container=self.container,
            addresses=",".join(self.addresses),
        )


def read_network(link: Link) -> NetworkLabel | None:
    """The label of a network's link; None for every other one."""
    words = _decode(link.alias)
    if "network" not in words:
        return None
    return NetworkLabel(
        words["network"],
        words.get("project", ""),
        words.get("definition", ""),
        words.get("driver", ""),
        _list(words, "subnets"),
        _list(words, "forwarding"),
    )


def read_endpoint(alias: str) -> EndpointLabel | None:
    """The label of an endpoint's link, by the link's alias; None for every other one."""
    words = _decode(alias)
    if "endpoint" not in words:
        return None
    return EndpointLabel(
        words["endpoint"], words.get("project", ""), words.get("container", ""), _list(words, "addresses")
    )


_PROJECT = "~"  # where a name that begins as the project's does is shortened; no name has it


def _encode(**words: str) -> bytes:
    """Never cut off: half an address is another address. Raises OSError: ENAMETOOLONG."""
    found = _joined(words)
    if len(found) > ALIAS_SIZE:
        project = words["project"]
        found = _joined(
            {
                key: f"{_PROJECT}{value.removeprefix(project)}"
                if key != "project" and _extends(value, project)
                else value
                for key, value in words.items()
            }
        )
    if len(found) > ALIAS_SIZE:
        error = OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        error.add_note(f"an interface's alias has {ALIAS_SIZE} bytes, this one had {len(found)}: choose shorter names")
        raise error
    return found


def _joined(words: dict[str, str]) -> bytes:
    return " ".join((MARK, *(f"{key}={value}" for key, value in words.items() if value))).encode()


def _extends(name: str, project: str) -> bool:
    return len(project) > len(_PROJECT) and name.startswith(project)


def _decode(alias: str) -> dict[str, str]:
    mark, *pairs = alias.split(" ")
    if mark != MARK:
        return {}
    words = {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
    project = words.get("project", "")
    return {
        key: f"{project}{value.removeprefix(_PROJECT)}" if value.startswith(_PROJECT) else value
        for key, value in words.items()
    }


def _list(words: dict[str, str], key: str) -> tuple[str, ...]:
    return tuple(part for part in words.get(key, "").split(",") if part)


def network_id(name: str) -> str:
    """A network as `network ls` calls it: the name of its link begins as this does."""
    return _digest(name)


def network_link(network: Network) -> str:
    """The name of a network's link."""
    return network.interface or f"pc-{_digest(network.name)[:11]}"


def endpoint_link(network: str, *, project: str, container: str) -> str:
    """The name of the host's end of an endpoint's pair."""
    return f"pcv{_digest(f'{network}/{project}/{container}')[:12]}"


def group_of(network: str) -> int:
    """The interface group of all links of a network: they are removed together."""
    return 0x40000000 | int(_digest(network)[:7], 16)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
