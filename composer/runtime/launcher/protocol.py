"""What supervisor and launcher say to each other: one JSON message per packet.

    supervisor → launcher                             launcher → supervisor
    StartContainer(request, launch_path)              Started(request, …) [master of its terminal] | Failed(request, …)
    StartProcess(request, …) [stdin, stdout, stderr]  ProcessStarted(request, …) [pidfd, master] | Failed(request, …)
                                                      ProcessExited(request, status)
    KillProcess(request)                              (ProcessExited follows)
    Adopt(request, …)                                 Adopted(request) | Failed(request, …)
    OpenTerminal(request, container)                  Terminal(request) [master] | Failed(request, …)
    Deposit(request, identity) [memory file]          Taken(request)
    ListContainers(request)                           Containers(request, …) one or more times, then Exited
    SetHealthy(container, healthy)
    Forget(container)
    Shutdown()
                                                      Hello(version, pid) first on every connection
                                                      Exited(container, record)

In brackets: descriptors that travel with the packet. Requests are numbered by the supervisor, each number used once on
a connection. Exited is said to whoever has asked for the containers: of those that have ended and are not forgotten,
and of each that ends from then on.
"""

from __future__ import annotations

from composer import jsontext
from composer.frozen import frozen
from composer.hints import TypeVar
from composer.runtime.exits import ExitRecord
from composer.spec import codec
from composer.spec.network import Attachment
from composer.spec.process import Process

VERSION = 5
PORTION = 64  # containers in one packet: with sixteen kilobytes each it is full


@frozen
class StartContainer:
    """Start the container that the file `launch_path` (a `launch.Launch`) describes."""

    request: int
    launch_path: str


@frozen
class StartProcess:
    """Start a process in a running container. Three descriptors come along unless it gets a terminal.

    An `independent` one goes on when whoever asked for it is gone; who stays gets a pidfd to signal it with.
    """

    request: int
    container: str
    process: Process
    privileged: bool = False
    independent: bool = False


@frozen
class KillProcess:
    """End the process of the StartProcess with this number, with all that it has started."""

    request: int


@frozen
class Adopt:
    """Look after a container that an earlier launcher started and that still runs."""

    request: int
    launch_path: str
    pid: int
    start_time: int
    cgroup: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...] = ()


@frozen
class OpenTerminal:
    """Send the master of the container's terminal."""

    request: int
    container: str


@frozen
class Deposit:
    """Keep the content of a secret, in the memory file that comes along."""

    request: int
    identity: str


@frozen
class ListContainers:
    """Say which containers run, and from then on which end."""

    request: int


@frozen
class SetHealthy:
    """What the health checks of a container say has changed: others may find it, or not."""

    container: str
    healthy: bool


@frozen
class Forget:
    """The container's end is in the records: drop what is kept of it. A running one is forgotten once it ends."""

    container: str


@frozen
class Shutdown:
    """Leave. Containers that run go on running."""


Request = (
    StartContainer
    | StartProcess
    | KillProcess
    | Adopt
    | OpenTerminal
    | Deposit
    | ListContainers
    | SetHealthy
    | Forget
    | Shutdown
)


@frozen
class RunningContainer:
    """A container that the launcher looks after. `attachments` are its places in networks."""

    container: str
    pid: int
    start_time: int
    cgroup: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...] = ()


@frozen
class Hello:
    """First on every connection, and in all versions to come: these two fields, others are ignored."""

    version: int
    pid: int  # of the launcher


@frozen
class Containers:
    """Some of those that run; the others follow where there are `more`."""

    request: int
    running: tuple[RunningContainer, ...]
    more: bool = False


@frozen
class Started:
    """The container's program runs."""

    request: int
    container: str
    pid: int
    start_time: int
    cgroup: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@frozen
class ProcessStarted:
    """The process's program runs. Its pidfd comes along where it is independent, then the master of its terminal."""

    request: int
    pid: int
    warnings: tuple[str, ...] = ()


@frozen
class Adopted:
    """The container is looked after."""

    request: int


@frozen
class Terminal:
    """The master comes along."""

    request: int


@frozen
class Taken:
    """The deposit is kept."""

    request: int


@frozen
class Failed:
    """What was asked for could not be done: the fields of a PycomposeError, its class by name."""

    request: int
    error: str
    message: str
    hint: str | None = None
    exit_status: int = 1


@frozen
class ProcessExited:
    """A process in a container has ended. `status` is as wait(2) gave it."""

    request: int
    status: int


@frozen
class Exited:
    """A container has ended, its cgroup is gone, and exit.json is written."""

    container: str
    record: ExitRecord


Message = Hello | Containers | Started | ProcessStarted | Adopted | Terminal | Taken | Failed | ProcessExited | Exited

_REQUESTS: dict[str, type[Request]] = {cls.__name__: cls for cls in Request.__args__}
_MESSAGES: dict[str, type[Message]] = {cls.__name__: cls for cls in Message.__args__}
T = TypeVar("T")


def encode(value: object) -> bytes:
    """A message, a dataclass, as one packet."""
    return jsontext.dumps({codec.TAG: type(value).__name__, **codec.encode(value)}, ascii=True).encode()


def decode_request(packet: bytes) -> Request:
    """What the supervisor said. Raises codec.DecodeError."""
    return decode(packet, _REQUESTS)


def decode_message(packet: bytes) -> Message:
    """What the launcher said. Raises codec.DecodeError."""
    return decode(packet, _MESSAGES)


def decode(packet: bytes, classes: dict[str, type[T]]) -> T:
    """The message of a packet, of one of `classes` by name. Raises codec.DecodeError."""
    try:
        tree = jsontext.loads(packet)
        cls = classes[tree[codec.TAG]]
        if cls is Hello:
            tree = {"version": tree["version"], "pid": tree["pid"]}
    except (ValueError, KeyError, TypeError) as error:
        raise codec.DecodeError(f"not a message: {error!r}") from error
    return codec.decode(cls, tree)
