"""Carries a container's output from its FIFOs, or its terminal, into its log.

The launcher keeps the FIFOs open: what a container wrote while no supervisor ran, and its last words, wait there.
Reading and writing are done in the event loop, in large pieces; where the policy says non-blocking, a worker thread
writes and what does not fit into the buffer meanwhile is dropped and counted, the newest first (as Docker does).
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass

import anyio
import anyio.to_thread

from composer.log import Log
from composer.spec.container import LogMode, LogPolicy
from composer.store.logs.block import STDERR, STDOUT
from composer.store.logs.writer import LogWriter

_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A non-blocking descriptor to read from, and which stream it is."""

    fd: int
    stream: int


def open_fifos(state: str) -> tuple[Source, ...]:
    """Standard output and error of the container with this state directory. Raises OSError.

    None where a foreground `run` had started it: its output went elsewhere.
    """
    try:
        stdout = os.open(f"{state}/stdout", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    try:
        stderr = os.open(f"{state}/stderr", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        os.close(stdout)
        raise
    return Source(stdout, STDOUT), Source(stderr, STDERR)


def terminal(master: int) -> tuple[Source, ...]:
    """The output of a terminal."""
    os.set_blocking(master, False)
    return (Source(master, STDOUT),)


class Pump:
    """The output of one run of a container. Owns the sources' descriptors."""

    def __init__(self, directory: str, policy: LogPolicy, *, sources: tuple[Source, ...], log: Log) -> None:
        self._writer = LogWriter.open(directory, policy)
        self._sources = sources
        self._log = log
        self._lost = 0  # bytes since the last notice about it
        buffered = policy.mode is LogMode.NON_BLOCKING and not policy.discard
        self._buffer = _Buffer(policy.max_buffer_size) if buffered else None

    async def run(self) -> None:
        """Carry output until cancelled, or until every source has ended."""
        async with anyio.create_task_group() as group:
            if self._buffer is not None:
                group.start_soon(self._write_buffered, self._buffer)
            async with anyio.create_task_group() as readers:
                for source in self._sources:
                    readers.start_soon(self._carry, source)
            group.cancel_scope.cancel()

    def drain(self) -> None:
        """Carry what is still in the pipes. For after `run`."""
        if self._buffer is not None:
            self._write_all(self._buffer.take())
            self._buffer = None
        for source in self._sources:
            while data := _read(source.fd):
                self._keep(source.stream, data)

    def close(self) -> None:
        """Give the descriptors back."""
        for source in self._sources:
            os.close(source.fd)
        self._sources = ()
        self._writer.close()

    def put(self, stream: int, data: bytes) -> None:
        """Output that did not come through the pipes: a hook's."""
        self._write(stream, data)

    def notice(self, text: str) -> None:
        """A line of ours in the container's log."""
        self._write(STDERR, f"pycompose: {text}\n".encode(errors="surrogateescape"), notice=True)

    async def _carry(self, source: Source) -> None:
        while True:
            await anyio.wait_readable(source.fd)
            data = _read(source.fd)
            if data == b"":
                return
            self._keep(source.stream, data or b"")

    def _keep(self, stream: int, data: bytes) -> None:
        if self._buffer is not None:
            self._lost += self._buffer.put(stream, data)
        else:
            self._write(stream, data)

    def _write(self, stream: int, data: bytes, *, notice: bool = False) -> None:
        try:
            if self._lost and not notice:
                lost, self._lost = self._lost, 0
                self.notice(f"{lost} bytes of output were dropped")
            self._writer.write(stream, data, time_ns=time.time_ns(), notice=notice)
        except OSError as error:  # a full disk must not stop the container
            if not self._lost:
                self._log.warning("cannot write log", directory=self._writer.directory, why=str(error))
            self._lost += len(data)

    def _write_all(self, pieces: list[tuple[int, bytes]]) -> None:
        for stream, data in pieces:
            self._write(stream, data)

    async def _write_buffered(self, buffer: _Buffer) -> None:
        while True:
            await buffer.wait_filled()
            await anyio.to_thread.run_sync(self._write_all, buffer.take())


def _read(fd: int) -> bytes | None:
    """One piece; None where there is nothing now, b"" at the end."""
    try:
        return os.read(fd, _BLOCK)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EIO:  # the last process has closed the terminal
            return b""
        raise


class _Buffer:
    """Pieces of output on their way to a worker thread, bounded in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[tuple[int, bytes]] = []
        self._size = 0
        self._filled = anyio.Event()

    def put(self, stream: int, data: bytes) -> int:
        """Keep a piece; the number of bytes that were dropped instead."""
        if self._pieces and self._size + len(data) > self._limit:
            return len(data)
        self._pieces.append((stream, data))
        self._size += len(data)
        self._filled.set()
        return 0

    def take(self) -> list[tuple[int, bytes]]:
        """All pieces, in order."""
        pieces, self._pieces, self._size = self._pieces, [], 0
        self._filled = anyio.Event()
        return pieces

    async def wait_filled(self) -> None:
        await self._filled.wait()
