"""Carries a container's output from its FIFOs, or its terminal, into its log.

The launcher keeps the FIFOs open: what a container wrote while no supervisor ran, and its last words, wait there.
From a FIFO to the log bytes are moved by the kernel, so that none is in this process alone when it is killed. A
terminal is no pipe: its output is read and written. Both in the event loop, in large pieces; where the policy says
non-blocking, a worker thread writes and what does not fit into the buffer meanwhile is dropped and counted, the
newest first (as Docker does).
Rotated files are compressed in a thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from typing import NamedTuple

import anyio
import anyio.to_thread

from composer.frozen import frozen
from composer.log import Log
from composer.spec.container import LogMode, LogPolicy
from composer.store.logs.block import STDERR, STDOUT
from composer.store.logs.packing import compress_rotated
from composer.store.logs.writer import LogWriter

_BLOCK = 256 * 1024
_PAUSE = 0.01  # seconds
_PATIENCE = 20  # reads of little that are done at once before there are pauses


@frozen
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


class Piece(NamedTuple):
    """What arrived together."""

    stream: int
    data: bytes
    time_ns: int
    notice: bool = False


class Pump:
    """The output of one run of a container. Owns the sources' descriptors."""

    def __init__(
        self, directory: str, policy: LogPolicy, *, sources: tuple[Source, ...], log: Log, insists: bool = True
    ) -> None:
        """Raises OSError where the log cannot be opened and `insists`; else it is opened as soon as that can be."""
        self._sources = sources
        self._moved = {source.fd for source in sources if _is_pipe(source.fd)}
        self._log = log
        self._writer = self._open(directory, policy, insists=insists)
        self._lost = _Loss()
        self._pace = _Pace()
        self._rotated = anyio.Event()
        self._rotations = 0
        buffered = policy.mode is LogMode.NON_BLOCKING and not policy.discard
        self._buffer = _Buffer(policy.max_buffer_size) if buffered else None
        if buffered or policy.discard:
            self._moved.clear()

    async def run(self) -> None:
        """Carry output until cancelled, or until every source has ended."""
        policy = self._writer.policy
        async with anyio.create_task_group() as group:
            if self._buffer is not None:
                group.start_soon(self._write_buffered, self._buffer)
            if policy.compress and policy.max_size is not None and policy.max_file > 1:
                group.start_soon(self._compress)
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
            while self._pass_on(source):
                pass
        self._tell_loss()

    def close(self) -> None:
        """Give the descriptors back."""
        for source in self._sources:
            os.close(source.fd)
        self._sources = ()
        self._writer.close()

    def put(self, stream: int, data: bytes) -> None:
        """Output that did not come through the pipes: a hook's."""
        self._keep(Piece(stream, data, time.time_ns()))

    def notice(self, text: str) -> None:
        """A line of ours in the container's log."""
        self._keep(_notice(text))

    def _open(self, directory: str, policy: LogPolicy, *, insists: bool) -> LogWriter:
        try:
            return LogWriter.open(directory, policy)
        except OSError as error:
            if insists:
                raise
            self._log.warning("cannot open log", directory=directory, why=str(error))
            return LogWriter(directory, policy, output=-1, index=-1, size=0)

    async def _carry(self, source: Source) -> None:
        enough = _worth_a_read(source.fd)
        while True:
            await anyio.wait_readable(source.fd)
            amount = self._pass_on(source)
            if amount == 0:
                return
            pause = self._pace.pause((amount or 0) / enough, now=anyio.current_time())
            if pause:
                await anyio.sleep(pause)

    def _pass_on(self, source: Source) -> int | None:
        """Carry what is there now: how many bytes, 0 at the end, None where there is nothing."""
        if source.fd in self._moved:
            try:
                return self._move(source)
            except BlockingIOError:
                return None
            except OSError as error:  # EINVAL: the file system cannot. Else the disk is full: read and lost
                if error.errno == errno.EINVAL:
                    self._moved.discard(source.fd)
        data = _read(source.fd)
        if data:
            self._keep(Piece(source.stream, data, time.time_ns()))
        return None if data is None else len(data)

    def _move(self, source: Source) -> int:
        self._tell_loss()
        moved = self._writer.move(source.fd, source.stream, time_ns=time.time_ns())
        self._note_rotation()
        return moved

    def _keep(self, piece: Piece) -> None:
        if self._buffer is not None:
            self._buffer.put(piece)
        else:
            self._write(piece)
            self._note_rotation()

    def _write(self, piece: Piece) -> None:
        self._tell_loss()
        try:
            rest = self._writer.write(piece.stream, piece.data, time_ns=piece.time_ns, notice=piece.notice)
        except OSError as error:  # a full disk must not stop the container
            self._lose(len(piece.data), error)
        else:
            if rest:
                self._lose(rest, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _lose(self, amount: int, error: OSError) -> None:
        if not self._lost.amount:
            self._log.warning("cannot write log", directory=self._writer.directory, why=str(error))
        self._lost = _Loss(self._lost.amount + amount, error.strerror or str(error))

    def _tell_loss(self) -> None:
        """Say in the log what is missing in it, as soon as there is room for that."""
        if not self._lost.amount:
            return
        said = _notice(f"{self._lost.amount} bytes of output could not be kept: {self._lost.why}")
        try:
            rest = self._writer.write(said.stream, said.data, time_ns=said.time_ns, notice=True)
        except OSError:
            return
        if not rest:
            self._lost = _Loss()

    def _write_all(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            self._write(piece)

    async def _write_buffered(self, buffer: _Buffer) -> None:
        while True:
            await buffer.wait_filled()
            await anyio.to_thread.run_sync(self._write_all, buffer.take())
            self._note_rotation()

    def _note_rotation(self) -> None:
        obstacle, self._writer.obstacle = self._writer.obstacle, None
        if obstacle is not None:
            self._log.warning("cannot rotate log", directory=self._writer.directory, why=str(obstacle))
        if self._writer.rotations != self._rotations:
            self._rotations = self._writer.rotations
            self._rotated.set()

    async def _compress(self) -> None:
        """Compress what was rotated, now and in the past. The thread is left to itself when the container ends."""
        while True:
            self._rotated = anyio.Event()
            try:
                await anyio.to_thread.run_sync(compress_rotated, self._writer.directory, abandon_on_cancel=True)
            except (OSError, ImportError) as error:  # the pairs stay as they are
                self._log.warning("cannot compress log", directory=self._writer.directory, why=str(error))
            await self._rotated.wait()


class _Loss(NamedTuple):
    """Bytes that could not be written since the log last said so."""

    amount: int = 0
    why: str = ""


class _Pace:
    """Has a container that writes often and little be read seldom: it is the number of reads that costs.

    As long as there are few, each is done at once, so that streams are told apart as finely as can be. Afterwards
    output gathers in the pipe, which is large enough for it. Reading much earns the next read.
    """

    def __init__(self) -> None:
        self._credit = float(_PATIENCE)
        self._before = 0.0

    def pause(self, worth: float, *, now: float) -> float:
        """Seconds to leave the pipes alone after a read that was worth so many."""
        earned = (now - self._before) / _PAUSE + worth
        self._credit = min(_PATIENCE, self._credit + earned - 1)
        self._before = now
        if self._credit >= 0:
            return 0.0
        self._credit = 0.0
        return _PAUSE


def _is_pipe(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


def _worth_a_read(fd: int) -> int:
    """How many bytes are so many that reading them should not be put off: a quarter of a pipe."""
    try:
        return min(_BLOCK, fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) // 4)
    except OSError:  # a terminal, which gives 4095 bytes at most
        return 1024


def _notice(text: str) -> Piece:
    return Piece(STDERR, f"pycompose: {text}\n".encode(errors="surrogateescape"), time.time_ns(), notice=True)


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
    """Pieces of output on their way to a worker thread, bounded in bytes. Says what it has dropped, and where."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[Piece] = []
        self._size = 0
        self._dropped = 0  # bytes
        self._filled = anyio.Event()

    def put(self, piece: Piece) -> None:
        """Keep a piece if there is room for it. For lines of ours there always is."""
        if self._pieces and not piece.notice and self._size + len(piece.data) > self._limit:
            self._dropped += len(piece.data)
            return
        self._tell_dropped()
        self._pieces.append(piece)
        self._size += len(piece.data)
        self._filled.set()

    def take(self) -> list[Piece]:
        """All pieces, in order."""
        self._tell_dropped()
        pieces, self._pieces, self._size = self._pieces, [], 0
        self._filled = anyio.Event()
        return pieces

    async def wait_filled(self) -> None:
        await self._filled.wait()

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._pieces.append(_notice(f"{self._dropped} bytes of output were dropped: the log is slower than it"))
            self._dropped = 0
