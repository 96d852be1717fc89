"""Rotated pairs compressed: found again from any place, over crashes, beside readers and followers."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from composer.spec.container import LogPolicy
from composer.store.logs import files, packing, seekable
from composer.store.logs.block import RECORD, STDOUT
from composer.store.logs.reader import LogReader, Selection, read
from composer.store.logs.seekable import SeekableFile
from composer.store.logs.writer import LogWriter


def write(directory: Path, numbers: range, policy: LogPolicy) -> None:
    writer = LogWriter.open(str(directory), policy)
    for number in numbers:
        writer.write(STDOUT, b"line %d\n" % number, time_ns=10 * number)
    writer.close()


def text(directory: Path, **selection: int | None) -> bytes:
    return b"".join(lines.data for lines in read(str(directory), selection=Selection(**selection)))


def lines_of(numbers: range) -> bytes:
    return b"".join(b"line %d\n" % number for number in numbers)


FIVE_OF_TWO = LogPolicy(max_size=14, max_file=5, compress=True)


def test_what_is_compressed_is_read_from_any_place(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    content = os.urandom(1000) * 3000 + b"end"
    plain.write_bytes(content)
    source, target = os.open(plain, os.O_RDONLY), os.open(packed, os.O_RDWR | os.O_CREAT)
    seekable.compress(source, target, owner=(1, 2))
    os.close(source)
    file = SeekableFile(target)
    assert (file.size(), file.owner()) == (len(content), (1, 2))
    for offset in (0, 1, seekable.FRAME - 1, seekable.FRAME, 2 * seekable.FRAME + 5, len(content) - 3, len(content)):
        for length in (0, 1, 10, 2 * seekable.FRAME):
            assert file.pread(length, offset) == content[offset : offset + length]
    file.close()
    assert packed.stat().st_size < len(content) / 10


def test_other_programs_read_it_too(tmp_path: Path) -> None:
    write(tmp_path, range(10), FIVE_OF_TWO)
    packing.compress_rotated(str(tmp_path))
    if shutil.which("zstdcat") is None:
        pytest.skip("needs zstdcat")
    done = subprocess.run(["zstdcat", tmp_path / "output.1.zst"], capture_output=True, check=True)
    assert done.stdout == lines_of(range(6, 8))


@pytest.mark.parametrize("length", [0, 1, 40, 60, -1, -9])
def test_a_truncated_compressed_file_is_told_and_hides_no_other(tmp_path: Path, length: int) -> None:
    write(tmp_path, range(10), FIVE_OF_TWO)
    packing.compress_rotated(str(tmp_path))
    path = tmp_path / "output.2.zst"
    os.truncate(path, length if length >= 0 else path.stat().st_size + length)
    for selection in ({}, {"tail": 8}, {"until_ns": 1 << 62}):
        before, told, after = text(tmp_path, **selection).partition(b"pycompose: cannot read output.2.zst: it")
        assert (before[-7:], bool(told), after.partition(b"\n")[2]) == (b"line 3\n", True, lines_of(range(6, 10)))


def test_a_damaged_byte_of_a_compressed_file_is_told_and_hides_no_other_file(tmp_path: Path) -> None:
    write(tmp_path, range(10), FIVE_OF_TWO)
    packing.compress_rotated(str(tmp_path))
    with open(tmp_path / "output.2.zst", "r+b") as file:
        file.seek(40)
        file.write(b"?")
    assert text(tmp_path, tail=8).endswith(lines_of(range(6, 10)))
    assert b"pycompose: its compressed data is damaged" in text(tmp_path)
    assert text(tmp_path).endswith(lines_of(range(6, 10)))


def test_a_log_reads_the_same_compressed(tmp_path: Path) -> None:
    write(tmp_path, range(10), FIVE_OF_TWO)
    selections: list[dict[str, int]] = [
        {},
        {"tail": 3},
        {"since_ns": 30},
        {"until_ns": 50},
        {"since_ns": 15, "tail": 7},
    ]
    before = [text(tmp_path, **selection) for selection in selections]
    assert before[0] == lines_of(range(10))
    packing.compress_rotated(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["output", "index", "next", *(f"{name}.{number}.zst" for name in ("output", "index") for number in range(1, 5))]
    )
    assert [text(tmp_path, **selection) for selection in selections] == before


def test_compressed_pairs_are_rotated_on_and_away(tmp_path: Path) -> None:
    for start in range(0, 20, 2):
        write(tmp_path, range(start, start + 2), FIVE_OF_TWO)
        packing.compress_rotated(str(tmp_path))
    assert text(tmp_path) == lines_of(range(10, 20))
    assert len(os.listdir(tmp_path)) == 11


def test_a_follower_knows_what_it_has_read_when_it_is_compressed(tmp_path: Path) -> None:
    write(tmp_path, range(1), FIVE_OF_TWO)
    reader = LogReader.open(str(tmp_path), follows=True)
    assert b"".join(lines.data for lines in reader.lines()) == lines_of(range(1))
    write(tmp_path, range(1, 8), FIVE_OF_TWO)
    packing.compress_rotated(str(tmp_path))
    assert not (tmp_path / "output.3.zst").exists(), "it holds this one"
    assert (tmp_path / "output.1.zst").exists()
    assert b"".join(lines.data for lines in reader.more()) == lines_of(range(1, 8))
    write(tmp_path, range(8, 10), FIVE_OF_TWO)
    packing.compress_rotated(str(tmp_path))
    assert b"".join(lines.data for lines in reader.more()) == lines_of(range(8, 10))
    reader.close()


def test_readers_see_every_line_once_while_pairs_are_rotated_and_compressed(tmp_path: Path) -> None:
    policy = LogPolicy(max_size=1000, max_file=1000, compress=True)
    write(tmp_path, range(1), policy)
    done = threading.Event()

    def rotate() -> None:
        write(tmp_path, range(1, 3000), policy)
        done.set()

    def compress() -> None:
        while not done.is_set():
            packing.compress_rotated(str(tmp_path))
        packing.compress_rotated(str(tmp_path))

    follower = LogReader.open(str(tmp_path), follows=True)
    followed = b"".join(lines.data for lines in follower.lines())
    threads = [threading.Thread(target=work) for work in (rotate, compress)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen = text(tmp_path)
        assert seen == lines_of(range(seen.count(b"\n")))
        followed += b"".join(lines.data for lines in follower.more())
    followed += b"".join(lines.data for lines in follower.more())
    follower.close()
    assert followed == lines_of(range(3000))
    assert text(tmp_path) == followed


@pytest.mark.parametrize("done", range(5))
def test_compression_cut_short_is_done_again_or_finished(tmp_path: Path, done: int) -> None:
    policy = LogPolicy(max_size=14, max_file=2, compress=True)
    write(tmp_path, range(4), policy)
    made = tmp_path / "made"
    shutil.copytree(tmp_path, made)
    packing.compress_rotated(str(made))
    steps: list[Callable[[], object]] = [
        lambda: (tmp_path / "packing.1.output").write_bytes(b"half"),
        lambda: shutil.copy(made / "output.1.zst", tmp_path),
        lambda: shutil.copy(made / "index.1.zst", tmp_path),
        lambda: (tmp_path / "index.1").unlink(),
    ]
    for step in steps[:done]:
        step()
    shutil.rmtree(made)
    assert text(tmp_path) == lines_of(range(4)), "whoever reads meanwhile"
    LogWriter.open(str(tmp_path), policy).close()
    assert text(tmp_path) == lines_of(range(4))
    packing.compress_rotated(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["index", "index.1.zst", "next", "output", "output.1.zst"]
    assert text(tmp_path) == lines_of(range(4))


@pytest.mark.parametrize("renames", range(9))
def test_a_rotation_cut_short_anywhere_loses_nothing(
    tmp_path: Path, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 between any two renames, and once more while the next supervisor rotates."""
    policy = LogPolicy(max_size=14, max_file=6)
    write(tmp_path, range(8), policy)

    class Killed(BaseException):
        pass

    left = renames

    def rename(source: str, target: str) -> None:
        nonlocal left
        if not left:
            raise Killed
        real(source, target)
        left -= 1

    real = os.rename
    monkeypatch.setattr(os, "rename", rename)
    writer = LogWriter.open(str(tmp_path), policy)
    try:
        writer.write(STDOUT, b"line 8\n", time_ns=80)
        written = 9
    except Killed:
        written = 8
    writer.close()
    monkeypatch.undo()
    assert text(tmp_path) == lines_of(range(written)), "whoever reads before it is mended"
    write(tmp_path, range(written, 12), policy)
    assert text(tmp_path) == lines_of(range(12))
    assert len((tmp_path / "index").read_bytes()) % RECORD.size == 0
    assert files.numbers(str(tmp_path))[0] == 0
