"""Which lines pass --grep and --level."""

from __future__ import annotations

import pytest

from composer.cli.sieve import LEVELS, Sieve, level_of, sieve, sifted
from composer.errors import UsageError
from composer.store.logs.block import STDERR, STDOUT
from composer.store.logs.demux import Lines

OUT, ERR = STDOUT, STDERR


@pytest.mark.parametrize(
    ("line", "stream", "level"),
    [
        (b'{"level":"warn","msg":"x"}\n', OUT, "warn"),
        (b'  {"Level": 1, "severity": "CRITICAL"}', OUT, "fatal"),
        (b'{"level":30}', ERR, "info"),
        (b'{"level":60}', OUT, "fatal"),
        (b'{"version":"1.1","level":3}', OUT, "error"),
        (b'{"level":7}', OUT, "debug"),
        (b'{"log":{"level":"DEBUG"}}', ERR, "debug"),
        (b'{"log.level":"Warning"}', OUT, "warn"),
        (b'{"levelname":"ERROR"}', OUT, "error"),
        (b'time=1 level=debug msg="level=error"', ERR, "debug"),
        (b'lvl="eror"', OUT, "error"),
        (b"plain", OUT, "info"),
        (b"Traceback", ERR, "error"),
        (b"{broken", ERR, "error"),
        (b'{"level":true}', OUT, "info"),
        (b'{"level":"audit"}', OUT, "info"),
        (b'{"level":-3}', ERR, "error"),
        (b'["level"]', OUT, "info"),
        (b"{" * 100_000, OUT, "info"),
        (b'{"level":' + b"[" * 100_000, OUT, "info"),
        (b"", OUT, "info"),
    ],
)
def test_levels(line: bytes, stream: int, level: str) -> None:
    assert LEVELS[level_of(line, stream=stream)] == level


def test_what_passes() -> None:
    lines = Lines(1, OUT, b'one ERR\n{"level":"error","m":"two"}\nthree\xff\n\nplain')
    by = {
        "": lines.data,
        "ERR": b"one ERR\n",
        "e$": b"",
        "(?i)err": b'one ERR\n{"level":"error","m":"two"}\n',
        "^$": b"\n",
        "^plain$": b"plain",
        "three.$": b"three\xff\n",
    }
    for pattern, expected in by.items():
        found = sieve(grep=pattern, level=None).sift(lines)
        assert (found.data if found else b"") == expected, pattern
    found = sieve(grep=None, level="warn").sift(lines)
    assert found is not None
    assert found.data == b'{"level":"error","m":"two"}\n'
    assert sieve(grep="one", level="warn").sift(lines) is None


def test_what_we_say_ourselves_passes_always() -> None:
    ours = Lines(1, ERR, b"pycompose: killed: out of memory\n", notice=True)
    assert sieve(grep="x", level="fatal").sift(ours) is ours


def test_the_last_lines_that_match() -> None:
    log = [Lines(n, OUT, b"a %d\nb %d\n" % (n, n)) for n in range(5)]
    by = Sieve(sieve(grep="a", level=None).pattern)
    for count, expected in (
        (0, []),
        (1, [b"a 4\n"]),
        (3, [b"a 2\n", b"a 3\n", b"a 4\n"]),
        (99, [b"a %d\n" % n for n in range(5)]),
    ):
        assert [lines.data for lines in sifted(log, by, tail=count)] == expected
    everything = b"".join(lines.data for lines in sifted(log, Sieve(), tail=3))
    assert everything == b"b 3\na 4\nb 4\n"


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(UsageError, match=r'--grep cannot be "a\("'):
        sieve(grep="a(", level=None)
