"""What the command line and a project's supervisor say to each other.

A connection carries one request and its answers: any number of progress messages, then one `Done` or `Failed`.
A client that closes the connection earlier does not wait any more; what it asked for goes on, except where the
operation says otherwise.

Beyond this module: bytes (`framing`), sockets (`client`, `server`), and what an operation does (supervisor).
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.planner.options import DownOptions, RemoveOptions, RestartOptions, UpOptions
from composer.planner.plan import Plan
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.policy import Policy
from composer.spec.volume import Volume
from composer.store.events import Event

PROTOCOL = 1  # both ends must be of the same mind: store.form sees to that

# A stop timeout, in nanoseconds, that overrides the containers' own grace: None leaves it, -1 waits without end.
Timeout = int | None


# Requests that change the project; one at a time, others queue.


@frozen
class Up:
    """Make the project what `desired` says. `wait_timeout_ns` bounds the waiting of `options.wait`.

    `supervise`: the launcher is to start the supervisor again when it has died.
    """

    desired: Desired
    options: UpOptions = UpOptions()
    timeout_ns: Timeout = None
    wait_timeout_ns: int | None = None
    supervise: bool = True


@frozen
class Down:
    """Stop and remove containers; with no services named, the whole project. `desired` is the files' state if read."""

    options: DownOptions = DownOptions()
    desired: Desired | None = None
    timeout_ns: Timeout = None


@frozen
class Start:
    """Start containers that exist, dependencies first; () is all services."""

    services: tuple[str, ...] = ()
    wait: bool = False  # done when they are running, healthy or through
    wait_timeout_ns: int | None = None


@frozen
class Stop:
    """Stop containers and keep them. `desired` is the files' state if read: it may name what nobody has made yet."""

    services: tuple[str, ...] = ()
    timeout_ns: Timeout = None
    desired: Desired | None = None


@frozen
class Restart:
    """Stop and start containers that exist, and dependents that ask for it unless `no_deps`."""

    options: RestartOptions = RestartOptions()
    timeout_ns: Timeout = None


@frozen
class Remove:
    """Remove stopped containers; with `options.stop`, stop running ones first."""

    options: RemoveOptions = RemoveOptions()


@frozen
class Run:
    """Start a one-off container, detached. `Done.containers` names it."""

    spec: ContainerSpec
    policy: Policy
    volumes: tuple[Volume, ...] = ()  # to be there before
    remove: bool = False  # forget it once it has ended (--rm)


# Requests that need no turn.


@frozen
class Kill:
    """Send a signal to PID 1 of running containers; Docker's rules say whether that counts as a stop."""

    services: tuple[str, ...] = ()
    signal: int = 9


@frozen
class Pause:
    """Freeze all processes of running containers."""

    services: tuple[str, ...] = ()


@frozen
class Unpause:
    """Let frozen containers go on."""

    services: tuple[str, ...] = ()


@frozen
class Wait:
    """Wait until containers have stopped for good; `Stopped` tells each. Done after all, or the first with `first`."""

    services: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()  # by name, one-off containers too
    first: bool = False


@frozen
class Watch:
    """Tell every event (`Happened`) until nothing of these services is left to run; () is all services."""

    services: tuple[str, ...] = ()


@frozen
class Attach:
    """Connect to a container's standard input: INPUT frames and `Resize` follow. Closing the connection detaches.

    Output is read in the log files. Done when the container has ended.
    """

    container: str


@frozen
class Resize:
    """The window size of a container's terminal. A request of its own, or within `Attach`."""

    container: str
    rows: int
    columns: int


@frozen
class Ping:
    """Is anybody there? `Pong` answers."""


@frozen
class Leave:
    """Both processes of the project leave; its containers run on and the next ones adopt them. There is no answer."""


Operation = (
    Up
    | Down
    | Start
    | Stop
    | Restart
    | Remove
    | Run
    | Kill
    | Pause
    | Unpause
    | Wait
    | Watch
    | Attach
    | Resize
    | Ping
    | Leave
)

CONVERGING = (Up, Down, Start, Stop, Ping, Wait, Watch)  # may be sent again after the supervisor died half-way


@frozen
class Request:
    """The first message of a connection. `client` says who holds the turn: "pycompose up (pid 812)"."""

    operation: Operation
    client: str = ""
    protocol: int = PROTOCOL
    asked_ns: int = 0  # when the user did, by the monotonic clock; 0: nobody knows


# Answers.


@frozen
class Accepted:
    """The request was read; before this, nothing was done about it and it may be sent again."""


@frozen
class Queued:
    """Another client's operation is under way; this one is next in line."""

    holder: str


@frozen
class Planned:
    """What is going to be done."""

    plan: Plan


@frozen
class StepStarted:
    """A step of the plan has begun."""

    number: int


@frozen
class StepProgress:
    """How far a long step is, in bytes."""

    number: int
    done: int
    total: int


@frozen
class StepDone:
    """A step of the plan has succeeded. `note` where it was a dispensable dependency that failed."""

    number: int
    note: str = ""


@frozen
class StepFailed:
    """A step of the plan has failed, or was left out since one it depends on had (`skipped`)."""

    number: int
    message: str
    skipped: bool = False


@frozen
class Happened:
    """An event of the project, as it is appended to events.jsonl."""

    event: Event


@frozen
class Stopped:
    """A container has stopped for good. `exit_code` None: unknown, it ended while nobody could see it."""

    container: str
    service: str
    exit_code: int | None


@frozen
class Notice:
    """Something the user should know though nothing failed: orphans, an unsupported limit."""

    text: str


@frozen
class Pong:
    """Who is there."""

    pid: int
    version: str
    holder: str = ""  # whose operation is under way


@frozen
class Done:
    """The operation has succeeded."""

    containers: tuple[str, ...] = ()


@frozen
class Failed:
    """The operation has failed: the parts of an errors.PycomposeError."""

    message: str
    hint: str = ""
    exit_status: int = 1


Progress = (
    Accepted
    | Queued
    | Planned
    | StepStarted
    | StepProgress
    | StepDone
    | StepFailed
    | Happened
    | Stopped
    | Notice
    | Pong
)
Answer = Progress | Done | Failed


@frozen
class Reply:
    """One message from the supervisor."""

    answer: Answer
