"""How an operation gets on: a line per container that is redrawn (tty), lines as things happen (plain), JSON, nothing.

What is told is the same for all: `Task`s by what they are about, each in a state with a word for it. A container
that is stopped, removed and started again is one task all along.
"""

from __future__ import annotations

from composer.cli.render import colour as colours
from composer.cli.render import human
from composer.cli.render.colour import paint
from composer.cli.render.table import shorten
from composer.enums import Enum
from composer.frozen import frozen, replace
from composer.hints import Callable, Protocol, TextIO, assert_never
from composer.planner.plan import (
    Action,
    AwaitService,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    KillContainer,
    PauseContainer,
    PrepareRootfs,
    RemoveContainer,
    RemoveNetwork,
    RemoveVolume,
    RestartContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
)
from composer.spec.desired import Condition

INTERVAL = 0.1  # seconds between two redrawings of a terminal
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Status(Enum):
    """How a task stands."""

    WORKING = "Working"
    DONE = "Done"
    WARNING = "Warning"
    ERROR = "Error"


@frozen
class Task:
    """Something being worked on."""

    name: str  # Container shop-web-1
    word: str  # Starting
    status: Status = Status.WORKING
    detail: str = ""
    since_ns: int = 0
    until_ns: int = 0


Progress = Callable[[Task], None]


def names_and_words(action: Action) -> tuple[tuple[str, ...], str, str]:
    """What a step is about, the word while it is done and the word when it is."""
    match action:
        case PrepareRootfs(path):
            return (f"Rootfs {path}",), "Unpacking", "Unpacked"
        case CreateNetwork(name):
            return (f"Network {name}",), "Creating", "Created"
        case RemoveNetwork(name):
            return (f"Network {name}",), "Removing", "Removed"
        case CreateVolume(name):
            return (f"Volume {name}",), "Creating", "Created"
        case RemoveVolume(name):
            return (f"Volume {name}",), "Removing", "Removed"
        case AwaitService(_, containers, condition):
            return tuple(f"Container {name}" for name in containers), "Waiting", _REACHED[condition]
        case CreateContainer():
            words = "Creating", "Created"
        case StartContainer():
            words = "Starting", "Started"
        case StopContainer():
            words = "Stopping", "Stopped"
        case RestartContainer():
            words = "Restarting", "Restarted"
        case PauseContainer():
            words = "Pausing", "Paused"
        case UnpauseContainer():
            words = "Unpausing", "Unpaused"
        case KillContainer():
            words = "Killing", "Killed"
        case RemoveContainer():
            words = "Removing", "Removed"
        case _ as never:
            assert_never(never)
    return (f"Container {action.container}",), *words


_REACHED = {Condition.STARTED: "Started", Condition.HEALTHY: "Healthy", Condition.COMPLETED: "Exited"}


class Display(Protocol):
    """What draws tasks. Used as a context manager: the end leaves the terminal as a person wants to read it."""

    def show(self, task: Task) -> None:
        """A task is new or has changed."""

    def say(self, text: str) -> None:
        """A line for the user, beside the tasks."""

    def refresh(self) -> None:
        """Time has passed."""

    def clear(self) -> None:
        """Make room for other output."""

    def close(self) -> None:
        """Nothing more will come."""


class Quiet:
    """Says nothing but what must be known."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, task: Task) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def refresh(self) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain(Quiet):
    """A line for each change, but for how far something is: a log has no use for percentages."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._told: dict[str, str] = {}  # task → its last line

    def show(self, task: Task) -> None:
        detail = f" {task.detail}" if task.detail and task.status is not Status.WORKING else ""
        line = f" {task.name}  {task.word}{detail}"
        if self._told.get(task.name) != line:
            self._told[task.name] = line
            print(line, file=self._stream, flush=True)


class Json(Quiet):
    """A JSON object for each change."""

    def show(self, task: Task) -> None:
        tree = {"id": task.name, "status": task.status.value, "text": task.word}
        self._write(tree | ({"details": task.detail} if task.detail else {}))

    def say(self, text: str) -> None:
        self._write({"text": text})

    def _write(self, tree: dict[str, str]) -> None:
        import json  # not for people

        print(json.dumps(tree, ensure_ascii=False), file=self._stream, flush=True)


class Terminal:
    """The tasks as lines that are drawn again and again; only the newest fit where the terminal is low."""

    def __init__(self, stream: TextIO, *, colour: bool, size: Callable[[], tuple[int, int]], clock: Callable[[], int]):
        self._stream = stream
        self._colour = colour
        self._size = size  # columns, lines
        self._clock = clock  # monotonic, nanoseconds
        self._tasks: dict[str, Task] = {}
        self._drawn = 0  # lines now on the screen

    def show(self, task: Task) -> None:
        now = self._clock()
        earlier = self._tasks.get(task.name)
        since = earlier.since_ns if earlier and earlier.status is Status.WORKING else now
        until = 0 if task.status is Status.WORKING else now
        self._tasks[task.name] = replace(task, since_ns=since, until_ns=until)
        self.refresh()

    def say(self, text: str) -> None:
        self.clear()
        print(text, file=self._stream)
        self.refresh()

    def refresh(self) -> None:
        lines = self._lines()
        self._stream.write(self._erased() + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def clear(self) -> None:
        self._stream.write(self._erased())
        self._stream.flush()
        self._drawn = 0

    def close(self) -> None:
        if self._tasks:
            self.refresh()
        self._tasks.clear()
        self._drawn = 0

    def _erased(self) -> str:
        return f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""

    def _lines(self) -> list[str]:
        if not self._tasks:
            return []
        columns, rows = self._size()
        done = sum(task.status is not Status.WORKING for task in self._tasks.values())
        head = f"[+] Running {done}/{len(self._tasks)}"
        shown = list(self._tasks.values())[-max(1, rows - 2) :]
        width = max(len(task.name) for task in shown)
        return [shorten(head, columns), *(self._line(task, width, columns) for task in shown)]

    def _line(self, task: Task, width: int, columns: int) -> str:
        elapsed = human.seconds((task.until_ns or self._clock()) - task.since_ns)
        text = f"{task.name:<{width}}  {task.word:<10} {task.detail}".rstrip()
        room = max(10, columns - len(elapsed) - 5)
        mark, code = self._mark(task.status)
        return f" {paint(mark, code, colour=self._colour)} {shorten(text, room):<{min(room, width + 24)}} {elapsed}"

    def _mark(self, status: Status) -> tuple[str, str]:
        match status:
            case Status.WORKING:
                return _SPINNER[self._clock() // 100_000_000 % len(_SPINNER)], colours.BLUE
            case Status.DONE:
                return "✔", colours.GREEN
            case Status.WARNING:
                return "!", colours.YELLOW
            case Status.ERROR:
                return "✘", colours.RED
