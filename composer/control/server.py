"""The supervisor's end: accepts clients and gives each one's request to a handler.

A `Session` is one client's connection. Telling a client never waits for it: answers queue, and a client that does not
read loses its connection rather than hold up the project. A session's handler goes on when the client leaves; a
handler that has no purpose without its client runs its work in `Session.while_connected`.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketStream, TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from composer import errors
from composer.control import framing
from composer.control.framing import Frame, Kind
from composer.control.messages import PROTOCOL, Accepted, Answer, Done, Failed, Operation, Reply, Request
from composer.hints import AsyncIterator, Awaitable, Callable
from composer.spec import codec

_BLOCK = 256 * 1024
_QUEUE = 4096  # answers a client may be behind

Handler = Callable[["Session", Operation], Awaitable[Done]]


class Session:
    """One client and its request."""

    def __init__(self, stream: SocketStream) -> None:
        self.client = ""
        self.asked_ns = 0  # when the user wanted it, by the monotonic clock; 0: nobody knows
        self._stream = stream
        self._decoder = framing.Decoder()
        self._frames: list[Frame] = []
        self._gone = anyio.Event()
        self._sending = anyio.CancelScope()
        self._outbox: MemoryObjectSendStream[bytes]
        self._to_send: MemoryObjectReceiveStream[bytes]
        self._outbox, self._to_send = anyio.create_memory_object_stream[bytes](_QUEUE)

    def tell(self, answer: Answer) -> None:
        """Queue an answer. A client that has left or does not read is not told."""
        if self._gone.is_set():
            return
        payload = codec.dumps(Reply(answer)).encode(errors="surrogateescape")
        try:
            self._outbox.send_nowait(framing.encode(Frame(Kind.MESSAGE, payload)))
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            self._gone.set()
            self._sending.cancel()

    async def receive(self) -> Frame | None:
        """The client's next frame, None once it has left. Raises FramingError."""
        while not self._frames:
            try:
                data = await self._stream.receive(_BLOCK)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return None
            self._frames.extend(self._decoder.feed(data))
        return self._frames.pop(0)

    async def inputs(self) -> AsyncIterator[Frame]:
        """The frames that follow the request, until the client leaves."""
        while (frame := await self.receive()) is not None:
            yield frame

    @asynccontextmanager
    async def while_connected(self) -> AsyncIterator[None]:
        """Cancel the body when the client leaves (it must not send anything more)."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._cancel_when_gone, group)
            yield
            group.cancel_scope.cancel()

    async def _cancel_when_gone(self, group: TaskGroup) -> None:
        try:
            async for _ in self.inputs():
                pass
        except framing.FramingError:
            pass  # as good as gone
        self._gone.set()
        group.cancel_scope.cancel()

    async def _send_queued(self) -> None:
        """Write what was told until the outbox is closed."""
        with self._to_send, self._sending:
            async for data in self._to_send:
                if self._gone.is_set():
                    return
                try:
                    await self._stream.send(data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    self._gone.set()


@asynccontextmanager
async def listen(path: str, handle: Handler, *, changed: Callable[[int], None]) -> AsyncIterator[None]:
    """Serve clients at `path` while the body runs. `changed` is told the number of clients.

    The socket appears under its name only when it can be connected to: whoever sees it may use it.
    """
    temporary = f"{path}.{os.getpid()}"
    listener = await anyio.create_unix_listener(temporary, mode=0o600)
    os.rename(temporary, path)
    service = _Service(handle, changed)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, service.serve)
        yield
        os.unlink(path)
        group.cancel_scope.cancel()


class _Service:
    """All clients of one listener."""

    def __init__(self, handle: Handler, changed: Callable[[int], None]) -> None:
        self._handle = handle
        self._changed = changed
        self._count = 0

    async def serve(self, stream: SocketStream) -> None:
        self._count += 1
        self._changed(self._count)
        try:
            async with stream:
                await self._serve(Session(stream))
        finally:
            self._count -= 1
            self._changed(self._count)

    async def _serve(self, session: Session) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(session._send_queued)
            with session._outbox:
                session.tell(await self._answer(session))

    async def _answer(self, session: Session) -> Done | Failed:
        try:
            request = await _read_request(session)
            session.client, session.asked_ns = request.client, request.asked_ns
            session.tell(Accepted())
            return await self._handle(session, request.operation)
        except errors.PycomposeError as error:
            return Failed(error.message, hint=error.hint or "", exit_status=error.exit_status)


async def _read_request(session: Session) -> Request:
    try:
        frame = await session.receive()
        if frame is None:
            raise errors.PycomposeError("cannot read the request: the client left")
        request = codec.loads(Request, frame.payload.decode(errors="surrogateescape"))
    except (framing.FramingError, codec.DecodeError) as error:
        raise errors.PycomposeError(f"cannot read the request: {error}") from error
    if request.protocol != PROTOCOL:
        raise errors.PycomposeError(f"cannot serve protocol {request.protocol}: this supervisor speaks {PROTOCOL}")
    return request
