"""The log's writer: what is in the files after writing, rotating, crashing."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from composer.spec.container import LogPolicy
from composer.store.logs.block import NOTICE, RECORD, RECOVERED, STDERR, STDOUT, Block, decode, encode
from composer.store.logs.reader import read
from composer.store.logs.writer import LogWriter


def blocks(directory: Path, suffix: str = "") -> list[Block]:
    size = (directory / f"output{suffix}").stat().st_size
    return list(decode((directory / f"index{suffix}").read_bytes(), size=size))


def text(directory: Path) -> bytes:
    return b"".join(lines.data for lines in read(str(directory)))


def open_log(directory: Path, policy: LogPolicy | None = None) -> LogWriter:
    return LogWriter.open(str(directory), policy or LogPolicy())


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LogWriter]:
    writer = open_log(tmp_path / "log")
    yield writer
    writer.close()


def test_output_is_the_bytes_as_they_came_and_the_index_says_whose(writer: LogWriter) -> None:
    writer.write(STDOUT, b"one\n", time_ns=5)
    writer.write(STDERR, b"\xff\x00two", time_ns=6)
    writer.write(STDERR, b"ours\n", time_ns=7, notice=True)
    directory = Path(writer.directory)
    assert (directory / "output").read_bytes() == b"one\n\xff\x00twoours\n"
    assert blocks(directory) == [
        Block(5, 0, 4, STDOUT),
        Block(6, 4, 5, STDERR),
        Block(7, 9, 5, STDERR, NOTICE),
    ]


def test_opening_again_appends(writer: LogWriter) -> None:
    writer.write(STDOUT, b"one\n", time_ns=5)
    writer.close()
    again = open_log(Path(writer.directory))
    again.write(STDOUT, b"two\n", time_ns=6)
    again.close()
    assert text(Path(writer.directory)) == b"one\ntwo\n"


def test_rotation_keeps_as_many_files_as_the_policy_says(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogPolicy(max_size=8, max_file=3))
    for number in range(6):
        log.write(STDOUT, b"line  %d\n" % number, time_ns=number + 1)
    log.close()
    assert sorted(os.listdir(tmp_path)) == ["index", "index.1", "index.2", "next", "output", "output.1", "output.2"]
    assert (tmp_path / "output").read_bytes() == b"line  5\n"
    assert (tmp_path / "output.2").read_bytes() == b"line  3\n"
    assert text(tmp_path) == b"line  3\nline  4\nline  5\n"


def test_a_single_file_begins_anew_when_it_is_full(tmp_path: Path) -> None:
    log = open_log(tmp_path, LogPolicy(max_size=8))
    for number in range(3):
        log.write(STDOUT, b"line  %d\n" % number, time_ns=number + 1)
    log.close()
    assert text(tmp_path) == b"line  2\n"


def test_nothing_is_kept_where_nothing_is_wanted(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", LogPolicy(discard=True))
    log.write(STDOUT, b"one\n", time_ns=5)
    log.close()
    assert not (tmp_path / "log").exists()


def test_a_full_disk_is_told_and_what_was_written_is_spoken_of(writer: LogWriter, tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer.output)
    os.close(full)
    with pytest.raises(OSError, match="No space left"):
        writer.write(STDOUT, b"one\n", time_ns=5)
    assert blocks(Path(writer.directory)) == []


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        pytest.param(b"", [Block(0, 0, 8, STDOUT, RECOVERED)], id="index lost"),
        pytest.param(
            encode(Block(5, 0, 4, STDERR)),
            [Block(5, 0, 4, STDERR), Block(5, 4, 4, STDOUT, RECOVERED)],
            id="crash between the two writes",
        ),
        pytest.param(
            encode(Block(5, 0, 4, STDERR)) + b"half",
            [Block(5, 0, 4, STDERR), Block(5, 4, 4, STDOUT, RECOVERED)],
            id="half a record",
        ),
        pytest.param(
            encode(Block(5, 0, 8, STDOUT)) + encode(Block(6, 8, 4, STDOUT)),
            [Block(5, 0, 8, STDOUT)],
            id="output shorter than the index says",
        ),
        pytest.param(
            encode(Block(5, 0, 8, STDOUT)) + bytes(RECORD.size),
            [Block(5, 0, 8, STDOUT)],
            id="zeros at the end, as a file system leaves them after a power cut",
        ),
    ],
)
def test_opening_makes_index_and_output_agree(tmp_path: Path, index: bytes, expected: list[Block]) -> None:
    (tmp_path / "output").write_bytes(b"one\ntwo\n")
    (tmp_path / "index").write_bytes(index)
    os.utime(tmp_path / "output", ns=(0, 0))
    open_log(tmp_path).close()
    assert blocks(tmp_path) == expected
    assert len((tmp_path / "index").read_bytes()) == RECORD.size * len(expected)
    assert text(tmp_path) == b"one\ntwo\n"


def test_what_is_in_a_pipe_is_moved_to_the_end(writer: LogWriter) -> None:
    reader, end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    writer.write(STDOUT, b"one\n", time_ns=5)
    os.write(end, b"two\n")
    assert writer.move(reader, STDERR, time_ns=6) == 4
    with pytest.raises(BlockingIOError):
        writer.move(reader, STDERR, time_ns=7)
    os.close(end)
    assert writer.move(reader, STDERR, time_ns=7) == 0
    os.close(reader)
    assert (Path(writer.directory) / "output").read_bytes() == b"one\ntwo\n"
    assert blocks(Path(writer.directory)) == [Block(5, 0, 4, STDOUT), Block(6, 4, 4, STDERR)]


def test_a_crash_before_the_record_leaves_stream_and_time_known(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.write(STDOUT, b"one\n", time_ns=5)
    log.write(STDERR, b"two\n", time_ns=6)
    log.close()
    os.truncate(tmp_path / "index", RECORD.size)
    open_log(tmp_path).close()
    assert blocks(tmp_path) == [Block(5, 0, 4, STDOUT), Block(6, 4, 4, STDERR)]


def test_a_line_of_ours_cut_short_by_a_crash_is_taken_out_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.write(STDOUT, b"one\n", time_ns=5)
    log.write(STDERR, b"pycompose: said\n", time_ns=6, notice=True)
    log.close()
    os.truncate(tmp_path / "index", RECORD.size)
    os.truncate(tmp_path / "output", 12)
    again = open_log(tmp_path)
    again.write(STDOUT, b"two\n", time_ns=7)
    again.close()
    assert text(tmp_path) == b"one\ntwo\n"


def test_a_byte_is_in_the_pipe_or_in_the_log_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    random = Random(7)
    reader, end = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 20)
    sent = b"".join(b"line %d\n" % number for number in range(60_000))
    feeding = threading.Thread(target=_feed, args=(end, sent))
    feeding.start()
    kills, status = 0, -1
    while status != 0:
        pid = os.fork()
        if pid == 0:
            _move_until_killed(tmp_path, reader)
        time.sleep(random.uniform(0.005, 0.02))  # the moment is the point
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        kills += status != 0
    feeding.join()
    os.close(reader)
    assert kills > 5
    open_log(tmp_path).close()
    assert text(tmp_path) == sent
    assert sum(block.length for block in blocks(tmp_path)) == len(sent)
    assert not any(block.flags & RECOVERED for block in blocks(tmp_path))


def _feed(end: int, data: bytes) -> None:
    for start in range(0, len(data), 1000):
        os.write(end, data[start : start + 1000])
        time.sleep(0.0005)  # so that there are many blocks
    os.close(end)


def _move_until_killed(directory: Path, reader: int) -> None:
    try:
        log = open_log(directory)
        amount = 1
        while amount:
            select.select([reader], [], [])
            amount = log.move(reader, STDOUT, time_ns=time.time_ns())
        os._exit(0)
    finally:
        os._exit(1)


def test_a_rotation_cut_short_is_finished(tmp_path: Path) -> None:
    (tmp_path / "output.1").write_bytes(b"one\n")
    (tmp_path / "index").write_bytes(encode(Block(5, 0, 4, STDERR)))
    log = open_log(tmp_path)
    log.write(STDOUT, b"two\n", time_ns=6)
    log.close()
    assert blocks(tmp_path, ".1") == [Block(5, 0, 4, STDERR)]
    assert blocks(tmp_path) == [Block(6, 0, 4, STDOUT)]
