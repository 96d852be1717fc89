"""Run a command inside a container to its end and keep what it printed: health probes, hooks.

The launcher forks it, into the container's namespaces and cgroup, as the container's user.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import anyio

from composer import errors
from composer.frozen import frozen
from composer.supervisor.launcher_link import LauncherLink, ProcessRequest

KILLED_AT_TIMEOUT = -1
_BLOCK = 64 * 1024
_NS = 1_000_000_000


@frozen
class Result:
    """How a command ended. `exit_code` is 128 + n after signal n, KILLED_AT_TIMEOUT at the timeout."""

    exit_code: int
    output: str
    is_cut: bool = False  # there was more


async def run_inside(
    link: LauncherLink, request: ProcessRequest, *, limit: int, timeout_ns: int | None = None
) -> Result:
    """Run a command and keep `limit` bytes of its output. At the timeout, or when cancelled, all of it is killed.

    Raises PycomposeError: it could not be started.
    """
    with _Capture(limit) as capture:
        with open(os.devnull, "rb", buffering=0) as null:
            process = await link.start_process(request, stdio=(null.fileno(), capture.writer, capture.writer))
        capture.close_writer()
        exit_code = KILLED_AT_TIMEOUT
        try:
            with anyio.move_on_after(None if timeout_ns is None else timeout_ns / _NS):
                exit_code = await capture.keep_while(process.wait)
        finally:
            if process.exit_code is None:
                with anyio.CancelScope(shield=True):
                    await process.kill()
        capture.keep_available()
        return Result(exit_code, capture.text, is_cut=capture.is_cut)


class _Capture:
    """A pipe, and the beginning of what comes through it. What is beyond the limit is read and dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.is_cut = False
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)

    def __enter__(self) -> _Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_writer()
        os.close(self._reader)

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def close_writer(self) -> None:
        """The command has its own descriptor now."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    async def keep_while(self, wait: Callable[[], Awaitable[int]]) -> int:
        """Read until `wait` returns: a child that the command left behind may keep the pipe open for long."""
        failure: errors.PycomposeError
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep)
            try:
                return await wait()
            except errors.PycomposeError as error:  # the group would wrap it, and nobody know it any more
                failure = error
            finally:
                group.cancel_scope.cancel()
        raise failure

    async def _keep(self) -> None:
        while True:
            await anyio.wait_readable(self._reader)
            if not self._keep_piece():
                return

    def keep_available(self) -> None:
        """Read what is there, until nothing more would be kept."""
        try:
            while not self.is_cut and self._keep_piece():
                pass
        except BlockingIOError:
            pass

    def _keep_piece(self) -> bool:
        data = os.read(self._reader, _BLOCK)
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self.is_cut = self.is_cut or len(data) > room
        return bool(data)
