"""A client at a container's standard input. Output it reads in the log."""

from __future__ import annotations

import os
import termios

import anyio

from composer import errors
from composer.control.framing import Frame, FramingError, Kind
from composer.control.messages import Done, Request, Resize
from composer.control.server import Session
from composer.spec import codec
from composer.supervisor.keeper import Keeper


async def attach(session: Session, keeper: Keeper) -> Done:
    """Carry the client's input to the container until one of them is gone. Raises Conflict: it is not running."""
    run = keeper.run
    if run is None:
        raise errors.Conflict(f"cannot attach to container {keeper.name}: it is not running")
    async with anyio.create_task_group() as group:
        group.start_soon(_carry, session, keeper, group.cancel_scope)
        await keeper.changes.wait_for(lambda: None if keeper.run is run else True)
        group.cancel_scope.cancel()
    return Done()


def resize(keeper: Keeper, size: Resize) -> None:
    """Give the container's terminal a window size. One without a terminal has none to give."""
    if keeper.run is not None and keeper.run.terminal is not None:
        termios.tcsetwinsize(keeper.run.terminal, (size.rows, size.columns))


async def _carry(session: Session, keeper: Keeper, scope: anyio.CancelScope) -> None:
    fd = keeper.open_input()
    try:
        async for frame in session.inputs():
            if frame.kind is Kind.MESSAGE:
                _take_message(keeper, frame)
            elif fd is not None:
                await _write(fd, frame.payload)
    except (FramingError, codec.DecodeError):
        pass  # it does not speak our language: as if it had left
    finally:
        if fd is not None:
            os.close(fd)
    scope.cancel()


def _take_message(keeper: Keeper, frame: Frame) -> None:
    request = codec.loads(Request, frame.payload.decode(errors="surrogateescape"))
    if isinstance(request.operation, Resize):
        resize(keeper, request.operation)


async def _write(fd: int, data: bytes) -> None:
    """Everything, waiting while the container does not read."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await anyio.wait_writable(fd)
