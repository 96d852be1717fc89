"""One container: everything the machine must know to make it, and nothing about why."""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen
from composer.spec.cgroup import Resources
from composer.spec.grant import Grant
from composer.spec.mounts import File, Mount
from composer.spec.network import Endpoint, ExposedPorts, Names, PublishedPort
from composer.spec.process import Process
from composer.spec.rootfs import RootfsSource


@frozen
class Private:
    """A namespace of the container's own."""


@frozen
class Host:
    """The host's namespace."""


@frozen
class Join:
    """The namespace of another running container, by name."""

    container: str


Namespace = Private | Host | Join


@frozen
class Namespaces:
    """Where the container lives (namespaces(7)). The mount namespace is always its own."""

    pid: Namespace = Private()
    ipc: Namespace = Private()
    uts: Namespace = Private()
    network: Namespace = Private()
    cgroup: Namespace = Private()


@frozen
class DefaultSeccomp:
    """Docker's default profile, evaluated for the container's capabilities."""


@frozen
class Unconfined:
    """No system call filter."""


@frozen
class SeccompProfile:
    """A profile of the user's own in Docker's or OCI's JSON format: a path on the host."""

    path: str


Seccomp = DefaultSeccomp | Unconfined | SeccompProfile


@frozen
class Device:
    """A device node of the host (absolute path) shown at `target`, with an entry in the allow-list."""

    source: str
    target: str
    access: str = "rwm"


class LogMode(Enum):
    BLOCKING = "blocking"  # a full pipe makes the container wait
    NON_BLOCKING = "non-blocking"  # what does not fit the buffer is dropped and counted


@frozen
class LogPolicy:
    """How much of the container's output is kept. Sizes in bytes; None is unlimited."""

    max_size: int | None = None
    max_file: int = 1
    mode: LogMode = LogMode.BLOCKING
    max_buffer_size: int = 1 << 20
    compress: bool = False
    discard: bool = False  # logging driver "none"


@frozen
class ContainerSpec:
    """One container of a project."""

    name: str  # shop-web-1: unique on the host within the project
    project: str
    service: str
    number: int  # counts from 1 within the service
    rootfs: RootfsSource
    process: Process
    oneoff: bool = False  # made by `run`, not by `up`
    init: bool = False  # a minimal init is PID 1, forwards signals and reaps
    privileged: bool = False  # no masks, all devices, writable /sys
    read_only: bool = False  # the root is read-only; mounts are what they say
    hostname: str = ""
    domainname: str = ""
    namespaces: Namespaces = Namespaces()
    mounts: tuple[Mount, ...] = ()
    files: tuple[File, ...] = ()
    grants: tuple[Grant, ...] = ()  # configs and secrets
    devices: tuple[Device, ...] = ()
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    seccomp: Seccomp = DefaultSeccomp()
    resources: Resources = Resources()
    log: LogPolicy = LogPolicy()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    endpoints: tuple[Endpoint, ...] = ()  # in the order of their interfaces; of a network namespace of its own only
    ports: tuple[PublishedPort, ...] = ()
    expose: tuple[ExposedPorts, ...] = ()  # only told, of a container with endpoints
    names: Names = Names()
