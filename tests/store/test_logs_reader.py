"""The log's reader: tail, since, until, rotation, damage; and following."""

from __future__ import annotations

import os
import select
import shutil
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.spec.container import LogPolicy
from composer.store.logs.block import NOTICE, RECORD, STDERR, STDOUT, Block, encode
from composer.store.logs.follow import LogFollower
from composer.store.logs.reader import LogReader, Selection, merge, read
from composer.store.logs.writer import LogWriter


def write(directory: Path, *entries: tuple[int, int, bytes], policy: LogPolicy | None = None) -> None:
    writer = LogWriter.open(str(directory), policy or LogPolicy())
    for time_ns, stream, data in entries:
        writer.write(stream, data, time_ns=time_ns)
    writer.close()


def text(directory: Path, **selection: int | None) -> bytes:
    return b"".join(lines.data for lines in read(str(directory), selection=Selection(**selection)))


TEN = [(10 * n, STDOUT if n % 2 else STDERR, b"line %d\n" % n) for n in range(10)]


def lines_of(numbers: Iterator[int] | range | list[int]) -> bytes:
    return b"".join(b"line %d\n" % n for n in numbers)


@pytest.mark.parametrize("policy", [LogPolicy(), LogPolicy(max_size=14, max_file=9)], ids=["one file", "rotated"])
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, range(10)),
        ({"tail": 3}, [7, 8, 9]),
        ({"tail": 0}, []),
        ({"tail": 10}, range(10)),
        ({"tail": 99}, range(10)),
        ({"since_ns": 70}, [7, 8, 9]),
        ({"since_ns": 71}, [8, 9]),
        ({"since_ns": 91}, []),
        ({"since_ns": 0}, range(10)),
        ({"until_ns": 20}, [0, 1, 2]),
        ({"since_ns": 30, "until_ns": 50}, [3, 4, 5]),
        ({"tail": 5, "since_ns": 70}, [7, 8, 9]),
        ({"tail": 2, "since_ns": 30}, [8, 9]),
        ({"tail": 5, "until_ns": 60}, [5, 6]),
    ],
    ids=str,
)
def test_selection(tmp_path: Path, policy: LogPolicy, selection: dict[str, int], expected: list[int]) -> None:
    write(tmp_path, *TEN, policy=policy)
    assert text(tmp_path, **selection) == lines_of(expected)


@pytest.mark.parametrize(
    ("entries", "tail", "expected"),
    [
        ([(1, STDOUT, b"a\nb\nc\nd\n")], 2, b"c\nd\n"),
        ([(1, STDOUT, b"a\nb")], 1, b"b"),
        ([(1, STDOUT, b"a\nb")], 2, b"a\nb"),
        ([(1, STDOUT, b"a\no"), (2, STDERR, b"e")], 1, b"e"),
        ([(1, STDOUT, b"a\nb\nc"), (2, STDOUT, b"c\n"), (3, STDOUT, b"d\n")], 2, b"cc\nd\n"),
    ],
)
def test_tail_counts_lines_and_not_blocks(
    tmp_path: Path, entries: list[tuple[int, int, bytes]], tail: int, expected: bytes
) -> None:
    write(tmp_path, *entries)
    assert text(tmp_path, tail=tail) == expected


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert text(tmp_path / "nothing") == b""


def damage(directory: Path, record: int, **fields: int) -> None:
    names = ("time_ns", "offset", "length", "stream", "flags", "magic")
    with open(directory / "index", "r+b") as file:
        file.seek(record * RECORD.size)
        values = dict(zip(names, RECORD.unpack(file.read(RECORD.size)), strict=True)) | fields
        file.seek(record * RECORD.size)
        file.write(RECORD.pack(*(values[name] for name in names)))


@pytest.mark.parametrize("record", [0, 4, 9])
@pytest.mark.parametrize(
    "fields",
    [{"magic": 0}, {"offset": 1 << 60}, {"offset": 3}, {"length": 0xFFFFFFFF}, {"length": 20}, {"stream": 77}],
    ids=str,
)
def test_a_damaged_record_costs_no_byte_of_output(tmp_path: Path, record: int, fields: dict[str, int]) -> None:
    write(tmp_path, *[(time, STDOUT, data) for time, _, data in TEN])
    damage(tmp_path, record, **fields)
    write(tmp_path, (100, STDOUT, b"end\n"))  # opening for writing looks at the last record
    assert text(tmp_path) == lines_of(range(10)) + b"end\n"
    assert text(tmp_path, since_ns=100).endswith(b"end\n")
    assert text(tmp_path, tail=1) == b"end\n"


@pytest.mark.parametrize("length", [0, 1, 30, 60, 69])
def test_a_truncated_output_gives_what_is_left(tmp_path: Path, length: int) -> None:
    write(tmp_path, *TEN)
    os.truncate(tmp_path / "output", length)
    assert text(tmp_path) == lines_of(range(10))[:length]


def test_random_bytes_as_index_end_in_no_exception(tmp_path: Path) -> None:
    write(tmp_path, *TEN)
    (tmp_path / "index").write_bytes(struct.pack("<100I", *(n * 2654435761 % 2**32 for n in range(100))))
    assert text(tmp_path, tail=3, since_ns=5) == lines_of([7, 8, 9])
    write(tmp_path, (100, STDOUT, b"end\n"))
    assert text(tmp_path) == lines_of(range(10)) + b"end\n"


def test_a_large_log_is_not_loaded(tmp_path: Path) -> None:
    size = 64 << 20
    with open(tmp_path / "output", "wb") as output, open(tmp_path / "index", "wb") as index:
        for offset in range(0, size, 1 << 16):
            output.write((b"x" * 63 + b"\n") * 1024)
            index.write(encode(Block(offset + 1, offset, 1 << 16, STDOUT)))
    tracemalloc.start()
    total = sum(len(lines.data) for lines in read(str(tmp_path)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size
    assert peak < 8 << 20


def test_the_tail_of_a_large_log_reads_its_end_only(tmp_path: Path) -> None:
    size = 4 << 30
    with open(tmp_path / "output", "wb") as output:
        output.truncate(size)  # sparse
        output.seek(0, os.SEEK_END)
        output.write(b"\none\ntwo\n")
    before = b"".join(encode(Block(1, offset, 1 << 20, STDOUT)) for offset in range(0, size, 1 << 20))
    (tmp_path / "index").write_bytes(before + encode(Block(2, size, 9, STDOUT)))
    assert text(tmp_path, tail=1) == b"two\n"
    assert text(tmp_path, since_ns=2) == b"\none\ntwo\n"


def test_merge_is_in_order_of_time(tmp_path: Path) -> None:
    write(tmp_path / "a", (1, STDOUT, b"a1\n"), (4, STDOUT, b"a4\n"))
    write(tmp_path / "b", (2, STDOUT, b"b2\n"), (3, STDOUT, b"b3\n"), (5, STDOUT, b"b5\n"))
    merged = merge([(name, read(str(tmp_path / name))) for name in ("a", "b")])
    assert [(name, lines.data) for name, lines in merged] == [
        ("a", b"a1\n"),
        ("b", b"b2\n"),
        ("b", b"b3\n"),
        ("a", b"a4\n"),
        ("b", b"b5\n"),
    ]


def test_more_comes_over_any_number_of_rotations(tmp_path: Path) -> None:
    writer = LogWriter.open(str(tmp_path), LogPolicy(max_size=14, max_file=5))
    writer.write(STDOUT, b"line 0\n", time_ns=1)
    reader = LogReader.open(str(tmp_path))
    assert b"".join(lines.data for lines in reader.lines()) == b"line 0\n"
    for number in range(1, 9):
        writer.write(STDOUT, b"line %d\n" % number, time_ns=number)
    assert b"".join(lines.data for lines in reader.more()) == lines_of(range(1, 9))
    writer.write(STDOUT, b"line 9\n", time_ns=9)
    assert b"".join(lines.data for lines in reader.more()) == b"line 9\n"
    assert list(reader.more()) == []
    reader.close()
    writer.close()


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[LogFollower]:
    follower = LogFollower(str(tmp_path / "projects/shop"), selects=lambda name: name != "other")
    yield follower
    follower.close()


def wait_for(follower: LogFollower, expected: list[tuple[str, bytes]]) -> None:
    """Read on until as much has come as is expected, which it must equal."""
    found: list[tuple[str, bytes]] = []
    while len(found) < len(expected):
        readable, _, _ = select.select([follower], [], [], 10)
        assert readable, f"only {found} has come"
        found += [(name, lines.data) for name, lines in follower.read()]
    assert found == expected


def test_following_a_container_that_is_not_there_yet(tmp_path: Path, follower: LogFollower) -> None:
    log = tmp_path / "projects/shop/web/log"
    write(tmp_path / "projects/shop/other/log", (1, STDOUT, b"not mine\n"))
    write(log, (1, STDOUT, b"one\n"))
    wait_for(follower, [("web", b"one\n")])
    write(log, (2, STDERR, b"two\n"))
    wait_for(follower, [("web", b"two\n")])


def test_following_over_rotation(tmp_path: Path, follower: LogFollower) -> None:
    log = tmp_path / "projects/shop/web/log"
    writer = LogWriter.open(str(log), LogPolicy(max_size=4, max_file=3))
    for number in range(5):
        writer.write(STDOUT, b"%d...\n" % number, time_ns=number)
        wait_for(follower, [("web", b"%d...\n" % number)])
    writer.close()


def test_following_over_recreation(tmp_path: Path, follower: LogFollower) -> None:
    log = tmp_path / "projects/shop/web/log"
    write(log, (1, STDOUT, b"one\nunfinished"))
    wait_for(follower, [("web", b"one\n")])
    shutil.rmtree(tmp_path / "projects/shop/web")
    wait_for(follower, [("web", b"unfinished")])
    write(log, (1, STDOUT, b"two\n"))
    wait_for(follower, [("web", b"two\n")])


def test_recreation_between_two_looks_is_noticed(tmp_path: Path, follower: LogFollower) -> None:
    log = tmp_path / "projects/shop/web/log"
    write(log, (1, STDOUT, b"one\n"))
    wait_for(follower, [("web", b"one\n")])
    shutil.rmtree(tmp_path / "projects/shop/web")
    write(log, (1, STDOUT, b"two\n"))
    wait_for(follower, [("web", b"two\n")])
    write(log, (1, STDOUT, b"three\n"))
    wait_for(follower, [("web", b"three\n")])


def test_history_first_then_what_comes(tmp_path: Path) -> None:
    log = tmp_path / "projects/shop/web/log"
    write(log, *TEN)
    follower = LogFollower(str(tmp_path / "projects/shop"), selects=lambda _: True)
    history = list(follower.history(Selection(tail=2)))
    assert [lines.data for _, lines in history] == [b"line 8\n", b"line 9\n"]
    write(log, (200, STDOUT, b"new\nunfin"))
    wait_for(follower, [("web", b"new\n")])
    assert [lines.data for _, lines in follower.drain()] == [b"unfin"]
    follower.close()


def test_a_notice_is_told_apart(tmp_path: Path) -> None:
    writer = LogWriter.open(str(tmp_path), LogPolicy())
    writer.write(STDERR, b"pycompose: killed: out of memory\n", time_ns=1, notice=True)
    writer.close()
    assert [lines.notice for lines in read(str(tmp_path))] == [True]
    assert NOTICE == 1
