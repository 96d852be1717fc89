"""A plan: steps, what each waits for, and why each is there. A value; walking it is the supervisor's work."""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen
from composer.spec.desired import Condition


@frozen
class PrepareRootfs:
    """Make the lower layer of a root file system available (unpack an archive)."""

    path: str

    def __str__(self) -> str:
        return f"unpack rootfs {self.path}"


@frozen
class CreateNetwork:
    """Make a network that is missing on the host."""

    network: str

    def __str__(self) -> str:
        return f"create network {self.network}"


@frozen
class RemoveNetwork:
    """Remove a network of the project, unless containers of others are in it."""

    network: str

    def __str__(self) -> str:
        return f"remove network {self.network}"


@frozen
class CreateVolume:
    """Make a volume of the host."""

    volume: str

    def __str__(self) -> str:
        return f"create volume {self.volume}"


@frozen
class RemoveVolume:
    """Delete a volume with what is in it; one that somebody uses is left, which is a warning."""

    volume: str

    def __str__(self) -> str:
        return f"remove volume {self.volume}"


class Anonymous(Enum):
    """What becomes of a removed container's anonymous volumes."""

    KEEP = "keep"  # its successor has them
    RELEASE = "release"  # they stay, for nobody
    REMOVE = "remove"


@frozen
class CreateContainer:
    """Record a container without starting it (`up --no-start`, `create`)."""

    container: str

    def __str__(self) -> str:
        return f"create container {self.container}"


@frozen
class StartContainer:
    """Start a container, made first where it is missing."""

    container: str

    def __str__(self) -> str:
        return f"start container {self.container}"


@frozen
class StopContainer:
    """Stop a container gracefully and leave its record."""

    container: str

    def __str__(self) -> str:
        return f"stop container {self.container}"


@frozen
class RestartContainer:
    """Stop a container gracefully where it runs, and start it."""

    container: str

    def __str__(self) -> str:
        return f"restart container {self.container}"


@frozen
class PauseContainer:
    """Freeze a running container."""

    container: str

    def __str__(self) -> str:
        return f"pause container {self.container}"


@frozen
class UnpauseContainer:
    """Let a frozen container go on."""

    container: str

    def __str__(self) -> str:
        return f"unpause container {self.container}"


@frozen
class KillContainer:
    """Send a signal to a container's PID 1."""

    container: str
    signal: int

    def __str__(self) -> str:
        return f"send signal {self.signal} to container {self.container}"


@frozen
class RemoveContainer:
    """Forget a stopped container: its writable layer, logs, record."""

    container: str
    anonymous: Anonymous = Anonymous.RELEASE

    def __str__(self) -> str:
        volumes = " and its anonymous volumes" if self.anonymous is Anonymous.REMOVE else ""
        return f"remove container {self.container}{volumes}"


@frozen
class AwaitService:
    """Wait until every replica of a service meets a condition, or fail naming the one that cannot.

    Where it is not `required`, it is taken up even though a step before it failed, and its own failure is a warning.
    """

    service: str
    containers: tuple[str, ...]
    condition: Condition
    required: bool = True

    def __str__(self) -> str:
        one, several = _CONDITIONS[self.condition]
        return f"wait until {', '.join(self.containers)} {one if len(self.containers) == 1 else several}"


_CONDITIONS = {
    Condition.STARTED: ("is running", "are running"),
    Condition.HEALTHY: ("is healthy", "are healthy"),
    Condition.COMPLETED: ("has completed successfully", "have completed successfully"),
}


Action = (
    PrepareRootfs
    | CreateNetwork
    | RemoveNetwork
    | CreateVolume
    | RemoveVolume
    | CreateContainer
    | StartContainer
    | StopContainer
    | RestartContainer
    | PauseContainer
    | UnpauseContainer
    | KillContainer
    | RemoveContainer
    | AwaitService
)


def named_container(action: Action) -> str:
    """The container that an action is about, "" where it is about something else, or several."""
    match action:
        case PrepareRootfs() | CreateNetwork() | RemoveNetwork() | CreateVolume() | RemoveVolume() | AwaitService():
            return ""
        case _:
            return action.container


@frozen
class Step:
    """One action, its cause, and the numbers of the steps that must have succeeded before."""

    number: int  # counts from 1
    action: Action
    cause: str
    after: tuple[int, ...] = ()

    def __str__(self) -> str:
        waits = f" [after {', '.join(map(str, self.after))}]" if self.after else ""
        return f"{self.number}. {self.action}: {self.cause}{waits}"


@frozen
class Plan:
    """Steps in an order that respects their `after`."""

    steps: tuple[Step, ...] = ()
    orphans: tuple[str, ...] = ()  # containers of services that the files no longer have, left alone

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))
