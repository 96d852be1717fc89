"""The command line's end: find a project's supervisor or start one, send a request, iterate over its answers.

Blocking and of the standard library only: it is on the start-up path of every command.

    client = Client(paths, project="shop", name="pycompose up")
    for answer in client.request(Up(desired)):
        match answer: ...

A `Failed` answer is raised as the PycomposeError it describes. A supervisor that dies half-way is started again by
the launcher; an operation that converges is then sent again, another fails with a message that says what is known.
"""

from __future__ import annotations

import os
import socket
from contextlib import nullcontext, suppress

from composer import errors
from composer.control import framing
from composer.control.framing import Frame, Kind
from composer.control.messages import (
    CONVERGING,
    Answer,
    Done,
    Failed,
    Operation,
    Ping,
    Pong,
    Reply,
    Request,
    Resize,
)
from composer.hints import Callable, Iterator, Mapping
from composer.spec import codec
from composer.store import form
from composer.store.paths import Paths

Deposits = Mapping[str, bytes]  # identity → content of a secret
NO_DEPOSITS: Deposits = {}
_BLOCK = 256 * 1024
_LONGEST_ADDRESS = 107  # bytes of sun_path and its final zero, unix(7)
_LEAVING = 2.0  # seconds for the processes of a project that was refused
_ATTEMPTS = 5  # how often a converging operation is sent to a supervisor that keeps dying


class Disconnected(Exception):
    """The supervisor went away before it had answered."""


class Connection:
    """One request under way. For `select`: readable when `receive` has something."""

    def __init__(self, peer: socket.socket) -> None:
        self._socket = peer
        self._decoder = framing.Decoder()
        self._failure: Failed | None = None  # told once what came before it was told
        self._kept: list[int] = []

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def keep(self, descriptor: int) -> None:
        """Close it when this is closed."""
        self._kept.append(descriptor)

    def close(self) -> None:
        """Do not wait any more."""
        self._socket.close()
        while self._kept:
            os.close(self._kept.pop())

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, operation: Operation, *, client: str, asked_ns: int = 0) -> None:
        """Say what is wanted, and since when. Raises Disconnected."""
        request = Request(operation, client=client, asked_ns=asked_ns)
        self._send(Kind.MESSAGE, codec.dumps(request).encode(errors="surrogateescape"))

    def send_input(self, data: bytes) -> None:
        """Bytes for the attached container. Raises Disconnected."""
        self._send(Kind.INPUT, data)

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """The attached container's new window size. Raises Disconnected."""
        self.send(Resize(container, rows, columns), client="")

    def _send(self, kind: Kind, payload: bytes) -> None:
        try:
            self._socket.sendall(framing.encode(Frame(kind, payload)))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Disconnected from error

    def answers(self, *, waiting: Waiting | None = None) -> Iterator[Answer]:
        """All answers up to and including Done. Raises Disconnected and the PycomposeError of a Failed."""
        while True:
            if waiting is not None:
                waiting(self)
            for answer in self.receive():
                yield answer
                if isinstance(answer, Done):
                    return

    def receive(self) -> list[Answer]:
        """At least one answer; waits for it. Raises Disconnected and, when it is its turn, the error of a Failed."""
        answers: list[Answer] = []
        while not answers:
            if self._failure is not None:
                raise as_error(self._failure)
            for answer in map(_decoded, self._decoder.feed(self._read())):
                if isinstance(answer, Failed):
                    self._failure = answer
                else:
                    answers.append(answer)
        return answers

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(_BLOCK)
        except ConnectionResetError as error:
            raise Disconnected from error
        if not data:
            raise Disconnected
        return data


Waiting = Callable[[Connection], None]


class Client:
    """How commands talk to the supervisor of one project. `name` is what other clients are told about this one.

    `asked_ns` is when the user asked for what it does, by the monotonic clock, where that is known.

    `deposits` are handed to the launcher before each operation, not to the supervisor, and never written down.
    """

    def __init__(
        self, paths: Paths, *, project: str, name: str, deposits: Deposits = NO_DEPOSITS, asked_ns: int = 0
    ) -> None:
        self._paths = paths
        self._project = project
        self._places = paths.project(project)
        self._deposits = deposits
        self._name = f"{name} (pid {os.getpid()})"
        self._asked_ns = asked_ns
        self._is_first = False  # nothing was there of the project before this client

    def request(self, operation: Operation, *, waiting: Waiting | None = None) -> Iterator[Answer]:
        """Answers of an operation, whose supervisor is started where it does not run. Ends after Done.

        `waiting` is called each time before answers are waited for, and may do other things until some are there.
        Raises PycomposeError: the operation failed, or the supervisor could not be reached. A project that was refused
        before it had a container leaves nothing.
        """
        refusal: errors.PycomposeError | None = None
        for _ in range(_ATTEMPTS):
            accepted = False
            try:
                with self.open(operation) as connection:
                    try:
                        for answer in connection.answers(waiting=waiting):
                            accepted = True
                            yield answer
                        return
                    except errors.PycomposeError as error:
                        refusal = error
            except Disconnected:
                if accepted and not isinstance(operation, CONVERGING):
                    break
            if refusal is not None:
                self._leave_nothing()
                raise refusal
        raise errors.PycomposeError(
            f"cannot tell how this ended: the supervisor of project {self._project} died meanwhile",
            hint=f"its own log says why: {self._places.supervisor_log}",
        )

    def open(self, operation: Operation) -> Connection:
        """A connection on which `operation` is under way, for a caller that waits for other things too.

        Raises PycomposeError, Disconnected.
        """
        connection = self._connect_to_ours() or self._start()
        if self._deposits:
            from composer.control import depositing  # the launcher's protocol

            depositing.deposit(self._places.launcher_socket, self._deposits)
        connection.send(operation, client=self._name, asked_ns=self._asked_ns)
        return connection

    def connect_running(self) -> Connection | None:
        """A connection to the supervisor if it runs."""
        return connect(self._places.supervisor_socket)

    def sweep(self) -> None:
        """Remove what is left of a project without containers. For after `down`. Raises PycomposeError."""
        from composer.control import starting  # ctypes and the launcher's protocol: not on the way to a running one

        starting.sweep(self._places)

    def _leave_nothing(self) -> None:
        """Not if others have begun with the project as well: then it is theirs."""
        from composer.control import starting

        if self._is_first:
            with suppress(errors.PycomposeError):
                starting.sweep(self._places, patience=_LEAVING)

    def _connect_to_ours(self) -> Connection | None:
        """Not to a supervisor of an older version. Raises HostError: a newer one that cannot be understood."""
        keeper = form.read(self._places)
        return None if keeper is not None and keeper.is_older else self.connect_running()

    def _start(self) -> Connection:
        from composer.control import starting, takeover

        self._is_first = self._is_first or not os.path.isdir(self._places.run)
        with starting.locked(self._places):
            keeper = form.read(self._places)
            if keeper is not None and keeper.is_older:
                takeover.take_over(self._places, keeper)
            # another client may have been faster
            return self.connect_running() or starting.start(self._paths, self._project, connect=self.connect_running)


def connect(path: str) -> Connection | None:
    """A connection to the supervisor that listens at `path`, None where none does. Raises OSError: EACCES."""
    if len(os.fsencode(path)) > _LONGEST_ADDRESS:
        raise errors.HostError(
            f"cannot use the socket {path}: its path is longer than {_LONGEST_ADDRESS} bytes",
            hint="choose a shorter project name with -p, or another directory with PYCOMPOSE_RUN",
        )
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        peer.close()
        return None
    except OSError as error:
        peer.close()
        error.filename = path
        raise
    return Connection(peer)


def turn_holder(path: str) -> str | None:
    """Who changes the project of the supervisor at `path` right now, "" for nobody; None where none answers.

    Raises OSError: EACCES.
    """
    try:
        with connect(path) or nullcontext() as connection:
            if connection is None:
                return None
            connection.send(Ping(), client="")
            return next((answer.holder for answer in connection.answers() if isinstance(answer, Pong)), None)
    except (Disconnected, framing.FramingError, codec.DecodeError):
        return None


def as_error(failed: Failed) -> errors.PycomposeError:
    """The error that a supervisor's `Failed` stands for."""
    error = errors.PycomposeError(failed.message, hint=failed.hint or None)
    error.exit_status = failed.exit_status
    return error


def _decoded(frame: Frame) -> Answer:
    return codec.loads(Reply, frame.payload.decode(errors="surrogateescape")).answer
