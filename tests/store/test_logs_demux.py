"""Blocks to lines."""

from __future__ import annotations

import pytest

from composer.store.logs.block import NOTICE, STDERR, STDOUT, Block
from composer.store.logs.demux import MAX_LINE, Demultiplexer, Lines

CASES = {
    "a line": ([(1, STDOUT, b"a\n")], [Lines(1, STDOUT, b"a\n")], []),
    "lines of one block stay together": ([(1, STDOUT, b"a\nb\n")], [Lines(1, STDOUT, b"a\nb\n")], []),
    "a line in pieces has the time of its beginning": (
        [(1, STDOUT, b"a"), (2, STDOUT, b"b"), (3, STDOUT, b"c\nd\ne")],
        [Lines(1, STDOUT, b"abc\n"), Lines(3, STDOUT, b"d\n")],
        [Lines(3, STDOUT, b"e")],
    ),
    "streams do not mix within a line": (
        [(1, STDOUT, b"out"), (2, STDERR, b"err"), (3, STDERR, b"\n"), (4, STDOUT, b"\n")],
        [Lines(2, STDERR, b"err\n"), Lines(1, STDOUT, b"out\n")],
        [],
    ),
    "a notice does not end another's line": (
        [(1, STDOUT, b"out"), (2, STDERR, b"note\n", NOTICE), (3, STDOUT, b"\n")],
        [Lines(2, STDERR, b"note\n", True), Lines(1, STDOUT, b"out\n")],
        [],
    ),
    "bytes are bytes": ([(1, STDOUT, b"\xff\x00\r\n")], [Lines(1, STDOUT, b"\xff\x00\r\n")], []),
    "a line without end comes in pieces": (
        [(1, STDOUT, b"x" * MAX_LINE), (2, STDOUT, b"y\n")],
        [Lines(1, STDOUT, b"x" * MAX_LINE, continues=True), Lines(2, STDOUT, b"y\n")],
        [],
    ),
    "unfinished lines in order of their beginning": (
        [(1, STDERR, b"e"), (2, STDOUT, b"o")],
        [],
        [Lines(1, STDERR, b"e"), Lines(2, STDOUT, b"o")],
    ),
}


@pytest.mark.parametrize(("arrived", "lines", "rest"), CASES.values(), ids=CASES.keys())
def test_demultiplexer(arrived: list[tuple[int, int, bytes, int]], lines: list[Lines], rest: list[Lines]) -> None:
    demultiplexer = Demultiplexer()
    found = []
    for time_ns, stream, data, *flags in arrived:
        found += demultiplexer.feed(Block(time_ns, 0, len(data), stream, *flags), data)
    assert found == lines
    assert demultiplexer.flush() == rest
    assert demultiplexer.flush() == []


def test_the_last_lines_of_several() -> None:
    lines = Lines(1, STDOUT, b"a\nb\nc")
    assert lines.amount == 3
    assert lines.last(2).data == b"b\nc"
    assert lines.last(5) is lines


def test_a_carriage_return_ends_no_line() -> None:
    lines = Lines(1, STDOUT, b"10%\r20%\r\nb\n")
    assert lines.each() == [b"10%\r20%\r\n", b"b\n"]
    assert lines.last(1).data == b"b\n"


def test_a_line_that_comes_byte_by_byte_costs_no_more_than_its_length() -> None:
    demultiplexer = Demultiplexer()
    block = Block(1, 0, 1, STDOUT)
    for _ in range(MAX_LINE - 1):  # each time putting it together anew would take an hour
        assert demultiplexer.feed(block, b".") == []
    assert demultiplexer.feed(block, b"\n") == [Lines(1, STDOUT, b"." * (MAX_LINE - 1) + b"\n")]
