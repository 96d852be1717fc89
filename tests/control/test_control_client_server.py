"""The blocking client and the anyio server on a real socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from composer import errors
from composer.control import framing
from composer.control.client import Connection, Disconnected, connect
from composer.control.framing import Frame, Kind
from composer.control.messages import (
    Accepted,
    Attach,
    Done,
    Failed,
    Notice,
    Operation,
    Ping,
    Pong,
    Reply,
    Request,
    Stop,
)
from composer.control.server import Session, listen
from composer.spec import codec

Handler = Callable[[Session, Operation], Awaitable[Done]]


@contextmanager
def serving(path: Path, handler: Handler, counts: list[int] | None = None) -> Iterator[None]:
    """A server in a thread of its own while the body runs."""
    listening, leave = threading.Event(), anyio.Event()
    counts = [] if counts is None else counts

    async def serve() -> None:
        async with listen(str(path), handler, changed=counts.append):
            listening.set()
            await leave.wait()

    with anyio.from_thread.start_blocking_portal() as portal:
        leave = portal.call(anyio.Event)
        future = portal.start_task_soon(serve)
        assert listening.wait(5)
        yield
        portal.call(leave.set)
        future.result(5)
    assert os.listdir(path.parent) == []


def connected(path: Path) -> Connection:
    connection = connect(str(path))
    assert connection is not None
    return connection


async def pong(session: Session, operation: Operation) -> Done:
    session.tell(Pong(1, "test", session.client))
    return Done(("a", "b"))


def test_answers_come_in_order_and_end_with_done(tmp_path: Path) -> None:
    with serving(tmp_path / "socket", pong), connected(tmp_path / "socket") as connection:
        connection.send(Ping(), client="me")
        assert list(connection.answers()) == [Accepted(), Pong(1, "test", "me"), Done(("a", "b"))]


def test_failure_is_raised_with_hint_and_exit_status(tmp_path: Path) -> None:
    async def fail(session: Session, operation: Operation) -> Done:
        raise errors.CommandNotFound("cannot start x: no such command", hint="look again")

    with serving(tmp_path / "socket", fail), connected(tmp_path / "socket") as connection:
        connection.send(Ping(), client="me")
        with pytest.raises(errors.PycomposeError) as caught:
            list(connection.answers())
    assert (str(caught.value), caught.value.hint, caught.value.exit_status) == (
        "cannot start x: no such command",
        "look again",
        127,
    )


def test_nobody_there_is_no_connection(tmp_path: Path) -> None:
    assert connect(str(tmp_path / "socket")) is None
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "socket"))
    assert connect(str(tmp_path / "socket")) is None


def test_a_server_that_leaves_before_it_answered_is_told_apart(tmp_path: Path) -> None:
    async def hang(session: Session, operation: Operation) -> Done:
        await anyio.sleep_forever()
        raise AssertionError

    with serving(tmp_path / "socket", hang):
        connection = connected(tmp_path / "socket")
        connection.send(Stop(), client="me")
    with connection, pytest.raises(Disconnected):
        list(connection.answers())


def test_a_client_that_leaves_does_not_end_what_it_asked_for(tmp_path: Path) -> None:
    asked, finished = threading.Event(), threading.Event()

    async def work(session: Session, operation: Operation) -> Done:
        asked.set()
        await anyio.to_thread.run_sync(left.wait)
        session.tell(Notice("nobody reads this"))
        finished.set()
        return Done()

    left = threading.Event()
    with serving(tmp_path / "socket", work):
        with connected(tmp_path / "socket") as connection:
            connection.send(Ping(), client="me")
            assert asked.wait(5)
        left.set()
        assert finished.wait(5)


def test_waiting_for_a_client_ends_when_it_leaves(tmp_path: Path) -> None:
    asked, finished = threading.Event(), threading.Event()

    async def wait(session: Session, operation: Operation) -> Done:
        async with session.while_connected():
            asked.set()
            await anyio.sleep_forever()
        finished.set()
        return Done()

    with serving(tmp_path / "socket", wait):
        with connected(tmp_path / "socket") as connection:
            connection.send(Ping(), client="me")
            assert asked.wait(5)
        assert finished.wait(5)


def test_input_follows_a_request(tmp_path: Path) -> None:
    async def collect(session: Session, operation: Operation) -> Done:
        data = b""
        async for frame in session.inputs():
            if not frame.payload:
                break
            data += frame.payload
        return Done((data.decode(),))

    with serving(tmp_path / "socket", collect), connected(tmp_path / "socket") as connection:
        connection.send(Attach("shop-web-1"), client="me")
        for piece in (b"one ", b"two", b""):
            connection.send_input(piece)
        assert list(connection.answers()) == [Accepted(), Done(("one two",))]


def test_the_number_of_clients_is_told(tmp_path: Path) -> None:
    counts: list[int] = []
    with serving(tmp_path / "socket", pong, counts), connected(tmp_path / "socket") as connection:
        connection.send(Ping(), client="me")
        list(connection.answers())
    assert counts == [1, 0]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (framing.encode(Frame(Kind.MESSAGE, b"{")), "not JSON"),
        (framing.encode(Frame(Kind.MESSAGE, b'{"operation": 3}')), "cannot read"),
        (b"GET / HTTP/1.1\r\n\r\n", "at most"),
        (
            framing.encode(Frame(Kind.MESSAGE, codec.dumps(Request(Ping(), protocol=99)).encode())),
            "cannot serve protocol 99",
        ),
    ],
)
def test_who_does_not_speak_the_protocol_is_told_so(tmp_path: Path, payload: bytes, why: str) -> None:
    with serving(tmp_path / "socket", pong), socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(tmp_path / "socket"))
        peer.sendall(payload)
        [frame] = framing.Decoder().feed(peer.recv(65536))
    answer = codec.loads(Reply, frame.payload).answer
    assert isinstance(answer, Failed)
    assert why in answer.message
