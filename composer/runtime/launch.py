"""What the machine is asked to start: a container's spec, the places it may use, the containers it joins.

A Launch is complete: whoever reads launch.json needs to look up nothing else.
"""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen
from composer.spec.container import ContainerSpec
from composer.spec.network import Attachment, Network, PortBinding


class Stdio(Enum):
    """What the container's standard streams are."""

    FIFO = "fifo"  # named pipes in the state directory: they outlive both their ends' processes
    PTY = "pty"  # a terminal of the container's own devpts; the master is handed out
    INHERIT = "inherit"  # the caller's own descriptors 0, 1 and 2


@frozen
class VolumePlace:
    """Where the volume is that the spec mounts at `target`."""

    target: str
    name: str
    directory: str  # of its record: <root>/volumes/<name>
    source: str  # its data, or the directory that a bind option names
    read_only: bool = False  # says its driver's options


@frozen
class Launch:
    """One start of one container. All paths are absolute and on the host."""

    spec: ContainerSpec
    lower: str  # the read-only root below the container's own layer: an unpacked layer, a directory, or "/"
    bundle: str  # durable: upper/, work/
    state: str  # until reboot: the FIFOs, merged/, files/
    cache: str  # may be emptied at any time: compiled filters
    hidden: tuple[str, ...]  # our own directories, which a container over "/" must not see
    joins: tuple[tuple[str, int, int], ...] = ()  # (namespace as in spec.Namespaces, pid, start time of that process)
    volumes: tuple[VolumePlace, ...] = ()
    stdio: Stdio = Stdio.FIFO
    networks: tuple[Network, ...] = ()  # those of the endpoints, as they have become
    leases: str = ""  # where addresses are noted that no interface of the host tells
    attached_before: tuple[Attachment, ...] = ()  # in its last run: an address is kept where that can be
    published_before: tuple[PortBinding, ...] = ()  # and so is a port
    avoided_ports: tuple[int, ...] = ()  # others of the project can have no other

    def place_of(self, target: str) -> VolumePlace:
        """The volume that is mounted at `target`."""
        return next(place for place in self.volumes if place.target == target)
