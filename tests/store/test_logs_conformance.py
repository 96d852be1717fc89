"""What a log must give back whatever happens to it: damage, clocks, full and read-only disks, followers that lag."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from composer.spec.container import LogPolicy
from composer.store.logs import files
from composer.store.logs.block import RECORD, STDERR, STDOUT
from composer.store.logs.follow import LogFollower
from composer.store.logs.reader import LogReader, Selection, read
from composer.store.logs.writer import LogWriter

HOUR = 3600


def write(directory: Path, *entries: tuple[int, int, bytes], policy: LogPolicy | None = None) -> None:
    writer = LogWriter.open(str(directory), policy or LogPolicy())
    for time_ns, stream, data in entries:
        writer.write(stream, data, time_ns=time_ns)
    writer.close()


def text(directory: Path, **selection: int | None) -> bytes:
    return b"".join(lines.data for lines in read(str(directory), selection=Selection(**selection)))


def numbered(numbers: range) -> list[tuple[int, int, bytes]]:
    return [(10 * n, STDOUT if n % 2 else STDERR, b"line %d\n" % n) for n in numbers]


def lines_of(numbers: range | list[int]) -> bytes:
    return b"".join(b"line %d\n" % n for n in numbers)


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(RECORD.size + 1))
def test_a_crash_at_any_byte_of_the_last_record_hides_nothing(tmp_path: Path, cut: int) -> None:
    write(tmp_path, *numbered(range(4)))
    os.truncate(tmp_path / "index", 4 * RECORD.size - cut)
    assert text(tmp_path) == lines_of(range(4))
    assert text(tmp_path, tail=1) == lines_of([3])
    write(tmp_path, *numbered(range(4, 6)))
    assert text(tmp_path) == lines_of(range(6))
    assert len((tmp_path / "index").read_bytes()) == 6 * RECORD.size


@pytest.mark.parametrize("damage", ["emptied", "removed"])
def test_text_without_an_index_is_shown_with_the_time_of_the_file(tmp_path: Path, damage: str) -> None:
    write(tmp_path, *numbered(range(4)))
    os.truncate(tmp_path / "index", 0) if damage == "emptied" else os.unlink(tmp_path / "index")
    os.utime(tmp_path / "output", ns=(0, 77))
    found = list(read(str(tmp_path)))
    assert b"".join(lines.data for lines in found) == lines_of(range(4))
    assert {lines.time_ns for lines in found} == {77}
    assert text(tmp_path, tail=2) == lines_of([2, 3])
    assert text(tmp_path, since_ns=78) == b""
    assert text(tmp_path, since_ns=77, until_ns=77) == lines_of(range(4))


def test_an_index_without_output_is_an_empty_log(tmp_path: Path) -> None:
    write(tmp_path, *numbered(range(4)))
    os.unlink(tmp_path / "output")
    assert text(tmp_path) == b""
    write(tmp_path, *numbered(range(4, 5)))
    assert text(tmp_path) == lines_of([4])


@pytest.mark.parametrize("file", ["index", "output"])
def test_who_empties_a_file_by_hand_empties_the_log_at_most(tmp_path: Path, file: str) -> None:
    """`: > output` is what people do when a disk is full."""
    writer = LogWriter.open(str(tmp_path), LogPolicy())
    reader = LogReader.open(str(tmp_path), follows=True)
    followed = b"".join(lines.data for lines in reader.lines())
    for number in range(6):
        if number == 3:
            os.truncate(tmp_path / file, 0)
        writer.write(STDERR, b"line %d\n" % number, time_ns=number)
        followed += b"".join(lines.data for lines in reader.more())
    writer.close()
    reader.close()
    assert followed == lines_of(range(6))
    assert text(tmp_path) == lines_of(range(6) if file == "index" else range(3, 6))
    assert [lines.time_ns for lines in read(str(tmp_path))][-1] == 5


def test_a_log_removed_by_hand_begins_anew_and_its_follower_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "projects/shop/web/log"
    writer = LogWriter.open(str(log), LogPolicy())
    follower = LogFollower(str(tmp_path / "projects/shop"), selects=lambda _: True)
    assert list(follower.history(Selection())) == []
    followed = b""
    for number, remove in enumerate((None, log / "output", log)):
        if remove is log:
            shutil.rmtree(log)
        elif remove is not None:
            os.unlink(remove)
        writer.write(STDOUT, b"line %d\n" % number, time_ns=number)
        while followed != lines_of(range(number + 1)):
            assert select.select([follower], [], [], 10)[0], followed
            followed += b"".join(lines.data for _, lines in follower.read())
    follower.close()
    writer.close()


def test_any_bytes_and_any_length_of_line(tmp_path: Path) -> None:
    everything = bytes(range(256)) * 20_000
    write(tmp_path, (1, STDOUT, everything), (2, STDERR, b"\0" * 3_000_000), (3, STDOUT, b"\n\n"), (4, STDERR, b"end"))
    found = list(read(str(tmp_path)))
    for stream, expected in ((STDOUT, everything + b"\n\n"), (STDERR, b"\0" * 3_000_000 + b"end")):
        assert b"".join(lines.data for lines in found if lines.stream == stream) == expected


# ---- clocks ---------------------------------------------------------------------------------------------------------

JUMPS = [0, 1, 2, HOUR, HOUR + 1, 3, 4, 5 - HOUR, 6 - HOUR, 7, 8]  # forth and back, further back, forth


@pytest.mark.parametrize("policy", [LogPolicy(), LogPolicy(max_size=21, max_file=9)], ids=["one file", "rotated"])
def test_a_clock_that_jumps_breaks_neither_order_nor_search(tmp_path: Path, policy: LogPolicy) -> None:
    times = [2 * HOUR + second for second in JUMPS]
    write(tmp_path, *((time, STDOUT, b"line %d\n" % n) for n, time in enumerate(times)), policy=policy)
    assert text(tmp_path) == lines_of(range(len(times)))
    for low in sorted({*times, 0, 9 * HOUR}):
        for high in sorted({*times, 0, 9 * HOUR}):
            within = [n for n, time in enumerate(times) if low <= time <= high]
            assert text(tmp_path, since_ns=low, until_ns=high) == lines_of(within), (low, high)


def test_a_clock_that_never_stops_jumping_is_searched_all_the_same(tmp_path: Path) -> None:
    times = [1000 - n if n % 3 else 1000 + n for n in range(100)]
    write(tmp_path, *((time, STDOUT, b"line %d\n" % n) for n, time in enumerate(times)))
    for low, high in ((950, 1050), (0, 940), (1090, 2000)):
        within = [n for n, time in enumerate(times) if low <= time <= high]
        assert text(tmp_path, since_ns=low, until_ns=high) == lines_of(within)


def test_what_comes_while_the_last_lines_are_looked_for_is_not_among_them(tmp_path: Path) -> None:
    policy = LogPolicy(max_size=14, max_file=9)
    write(tmp_path, *numbered(range(5)), policy=policy)
    reader = LogReader.open(str(tmp_path), follows=True)
    log = reader.lines(Selection(tail=3))
    first = next(log)
    write(tmp_path, *numbered(range(5, 7)), policy=policy)
    assert first.data + b"".join(lines.data for lines in log) == lines_of([2, 3, 4])
    assert b"".join(lines.data for lines in reader.more()) == lines_of([5, 6])
    reader.close()


# ---- seeking --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million blocks: 24 MB of index, and a sparse output of a gigabyte."""
    directory = tmp_path_factory.mktemp("large")
    count, size = 1_000_000, 1000
    records = bytearray()
    for number in range(count):
        records += RECORD.pack(number, number * size, size, STDOUT, 0, 0xC10C)
    (directory / "index").write_bytes(records)
    with open(directory / "output", "wb") as output:
        output.truncate(count * size)
        output.seek(-5000, os.SEEK_END)
        output.write((b"x" * 999 + b"\n") * 5)
    return directory


@pytest.mark.parametrize("selection", [{"since_ns": 999_998}, {"tail": 2}, {"since_ns": 500_000, "until_ns": 500_002}])
def test_a_gigabyte_is_sought_in_and_not_read(
    large: Path, monkeypatch: pytest.MonkeyPatch, selection: dict[str, int]
) -> None:
    read_bytes = 0

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        nonlocal read_bytes
        data = real(descriptor, length, offset)
        read_bytes += len(data)
        return data

    real = os.pread
    monkeypatch.setattr(os, "pread", pread)
    assert sum(len(lines.data) for lines in read(str(large), selection=Selection(**selection))) in (2000, 3000)
    assert read_bytes < 4 << 20


def test_a_gigabyte_begins_at_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        nonlocal calls
        calls += 1
        return real(descriptor, length, offset)

    real = os.pread
    monkeypatch.setattr(os, "pread", pread)
    write(large / "small", (1, STDOUT, b"first\n"))
    log = read(str(large / "small"))
    assert next(iter(log)).data == b"first\n"
    calls = 0
    reader = LogReader.open(str(large))
    next(generation.blocks() for generation in reader.generations).__next__()
    reader.close()
    assert calls < 5
    list(log)


# ---- disks ----------------------------------------------------------------------------------------------------------


@pytest.mark.root
def test_a_full_disk_tears_no_record_and_is_got_over(small_disk: Path) -> None:
    writer = LogWriter.open(str(small_disk / "log"), LogPolicy())
    kept = []
    for number in range(4000):  # records and output both come to the end of the disk, at bytes of their own
        try:
            rest = writer.write(STDERR, b"line %d\n" % number, time_ns=number)
        except OSError:
            continue
        assert not rest or rest < 10
        if not rest:
            kept.append(number)
    assert 500 < len(kept) < 4000
    subprocess.run(["mount", "-o", "remount,size=256k", small_disk], check=True)
    assert writer.write(STDERR, b"\n", time_ns=3999) == 0  # ends the line that may have been cut short
    for number in range(4000, 4100):
        assert writer.write(STDERR, b"line %d\n" % number, time_ns=number) == 0
    writer.close()
    assert os.path.getsize(small_disk / "log/index") % RECORD.size == 0
    found = [line for lines in read(str(small_disk / "log")) for line in lines.each()]
    expected = [b"line %d\n" % number for number in (*kept, *range(4000, 4100))]
    assert [line for line in found if line in set(expected)] == expected
    assert text(small_disk / "log", since_ns=4000) == lines_of(range(4000, 4100))
    assert {lines.stream for lines in read(str(small_disk / "log"))} == {STDERR}


@pytest.mark.root
def test_a_read_only_disk_is_told_and_got_over(small_disk: Path) -> None:
    policy = LogPolicy(max_size=14, max_file=3)
    writer = LogWriter.open(str(small_disk / "log"), policy)
    writer.write(STDOUT, b"line 0\n", time_ns=0)
    writer.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert text(small_disk / "log") == lines_of([0])
    later = LogWriter(str(small_disk / "log"), policy, output=-1, index=-1, size=0)
    with pytest.raises(OSError, match="Read-only"):
        later.write(STDOUT, b"line 1\n", time_ns=1)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    for number in range(2, 6):
        later.write(STDOUT, b"line %d\n" % number, time_ns=number)
    later.close()
    assert text(small_disk / "log") == lines_of([0, *range(2, 6)])


@pytest.mark.root
def test_a_log_that_cannot_be_rotated_grows_on(small_disk: Path) -> None:
    log = small_disk / "log"
    writer = LogWriter.open(str(log), LogPolicy(max_size=14, max_file=30))
    filler = 0
    while True:  # no more inodes
        try:
            (small_disk / f"filler{filler}").touch()
        except OSError:
            break
        filler += 1
    for number in range(5):
        writer.write(STDOUT, b"line %d\n" % number, time_ns=number)
    assert writer.obstacle is not None
    assert text(log) == lines_of(range(5))
    for number in range(filler):
        (small_disk / f"filler{number}").unlink()
    for number in range(5, 8):
        writer.write(STDOUT, b"line %d\n" % number, time_ns=number)
    assert writer.rotations > 0
    writer.close()
    assert text(log) == lines_of(range(8))


# ---- followers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_file", [1, 3])
def test_rotation_keeps_what_a_follower_has_not_read(tmp_path: Path, max_file: int) -> None:
    policy = LogPolicy(max_size=14, max_file=max_file)
    write(tmp_path, *numbered(range(2)), policy=policy)
    reader = LogReader.open(str(tmp_path), follows=True)
    assert b"".join(lines.data for lines in reader.lines()) == lines_of(range(2))
    write(tmp_path, *numbered(range(2, 20)), policy=policy)
    assert b"".join(lines.data for lines in reader.more()) == lines_of(range(2, 20))
    write(tmp_path, *numbered(range(20, 26)), policy=policy)
    reader.close()
    write(tmp_path, *numbered(range(26, 30)), policy=policy)
    assert len(files.numbers(str(tmp_path))) == max_file, "nobody needs more any longer"


def test_a_follower_that_lags_too_far_is_told(tmp_path: Path) -> None:
    policy = LogPolicy(max_size=7)
    write(tmp_path, *numbered(range(1)), policy=policy)
    reader = LogReader.open(str(tmp_path), follows=True)
    list(reader.lines())
    write(tmp_path, *numbered(range(1, 100)), policy=policy)
    assert len(files.numbers(str(tmp_path))) < 20
    told, *rest = reader.more()
    assert told.notice
    assert b"rotated away before it could be read" in told.data
    assert b"".join(lines.data for lines in rest) == lines_of(range(84, 100))
    write(tmp_path, *numbered(range(100, 103)), policy=policy)
    assert b"".join(lines.data for lines in reader.more()) == lines_of(range(100, 103))
    reader.close()
