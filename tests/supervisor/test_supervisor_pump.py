"""Output on its way from pipes into a log."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from composer import log
from composer.spec.container import LogMode, LogPolicy
from composer.store.logs.block import STDERR, STDOUT
from composer.supervisor.pump import Pump, Source

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    yield reader, writer
    os.close(writer)


def pump(directory: Path, policy: LogPolicy, *sources: Source) -> Pump:
    return Pump(str(directory), policy, sources=sources, log=log.to_stream(io.StringIO()))


def test_output_is_carried_while_it_runs_and_the_rest_at_the_end(tmp_path: Path, pipe: Pipe) -> None:
    reader, writer = pipe

    async def main() -> None:
        carrying = pump(tmp_path, LogPolicy(), Source(reader, STDOUT))
        async with anyio.create_task_group() as group:
            group.start_soon(carrying.run)
            os.write(writer, b"one\n")
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        os.write(writer, b"two\n")
        carrying.drain()
        carrying.notice("three")
        carrying.close()

    anyio.run(main)
    assert (tmp_path / "output").read_bytes() == b"one\ntwo\npycompose: three\n"


def test_non_blocking_drops_the_newest_when_the_disk_is_slow_and_says_so(tmp_path: Path, pipe: Pipe) -> None:
    """A FIFO in the place of the log file is a disk that does not take any more until it is read."""
    reader, writer = pipe
    os.mkfifo(tmp_path / "output")
    policy = LogPolicy(mode=LogMode.NON_BLOCKING, max_buffer_size=100_000)
    block = b"x" * 60_000

    async def main() -> bytes:
        carrying = pump(tmp_path, policy, Source(reader, STDERR))
        disk = os.open(tmp_path / "output", os.O_RDONLY | os.O_NONBLOCK)
        async with anyio.create_task_group() as group:
            group.start_soon(carrying.run)
            for _ in range(6):
                os.write(writer, block)
                await anyio.sleep(0.02)  # lets the pump take it; whether the worker has begun does not matter
            taken = b""
            while b"dropped" not in taken:
                try:
                    taken += os.read(disk, 1 << 20)
                except BlockingIOError:
                    os.write(writer, b"y")
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        carrying.drain()
        carrying.close()
        os.close(disk)
        return taken

    taken = anyio.run(main)
    assert b"bytes of output were dropped" in taken
    assert taken.count(b"x") < 6 * len(block)


def test_what_nobody_wants_is_read_all_the_same(tmp_path: Path, pipe: Pipe) -> None:
    reader, writer = pipe
    carrying = pump(tmp_path / "log", LogPolicy(discard=True), Source(reader, STDOUT))
    os.write(writer, b"nothing")
    carrying.drain()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    carrying.close()
    assert not (tmp_path / "log").exists()
