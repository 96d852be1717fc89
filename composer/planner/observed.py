"""What there is: a snapshot of a project's containers, taken by the supervisor and handed to the planner."""

from __future__ import annotations

from composer.enums import Enum
from composer.errors import PycomposeError
from composer.frozen import field, frozen
from composer.spec.network import Network, Protocol


class State(Enum):
    """Docker's container states."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class HealthStatus(Enum):
    """Docker's health states; NONE is a container without a health check."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@frozen
class ObservedContainer:
    """One container as it is."""

    name: str
    service: str
    number: int
    fingerprint: str
    state: State
    health: HealthStatus = HealthStatus.NONE
    exit_code: int | None = None
    oneoff: bool = False
    layer: str = ""  # digest of the root file system it was made from, "" where there is none
    networks: tuple[str, ...] = ()  # by their names on the host


@frozen
class Holder:
    """Whose an address is."""

    address: str
    project: str
    container: str


@frozen
class ObservedNetwork:
    """One network of the host, whoever's it is."""

    network: Network  # as it has become
    fingerprint: str  # of what it was made from
    holders: tuple[Holder, ...] = ()
    there: bool = True  # False: made by hand, and not made again since a reboot


@frozen
class ObservedVolume:
    """One volume of the host as it was made."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    container: str = ""  # whose an anonymous one is


@frozen
class TakenPort:
    """A port of the host that cannot be had, and why: "address already in use by pid 812 (nginx)"."""

    protocol: Protocol
    address: str
    port: int
    why: str
    container: str = ""  # of this project, if that has it


@frozen
class Observed:
    """A project as it is, the networks of the host, and those of its ports that somebody has."""

    containers: tuple[ObservedContainer, ...] = ()
    layers: dict[str, str] = field(default_factory=dict)  # rootfs archive path → digest it has now, where known
    networks: tuple[ObservedNetwork, ...] = ()
    subnets: dict[str, str] = field(default_factory=dict)  # in use by others than our networks → whose it is
    volumes: tuple[ObservedVolume, ...] = ()  # of the host, by name
    obstacles: dict[str, PycomposeError] = field(default_factory=dict)  # network that is not there → why it cannot be
    missing: dict[str, str] = field(default_factory=dict)  # path that containers need → what is wrong with it
    project: str = ""  # whose the containers are
    ports: tuple[TakenPort, ...] = ()  # as far as they are asked for
