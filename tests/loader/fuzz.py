"""Coverage-guided fuzzing of everything that reads what a user wrote: `make fuzz SECONDS=600 TARGET=compose`.

A target answers any bytes with a value or one of our own failures; whatever else comes out of it, an input that takes
more than ten seconds and one that takes too much memory end the run and are left as a file. Findings become tests in
test_loader_robust. atheris (libFuzzer) instruments the loader and the model only.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["composer.loader", "composer.model"]):
    from composer.errors import InvalidFile, PycomposeError
    from composer.loader.canonical import canonical
    from composer.loader.dotenv import BadEnvFile, parse_env, parse_raw_env
    from composer.loader.pipeline import load
    from composer.loader.request import LoadRequest
    from composer.loader.template import BadTemplate, parse_template, substitute
    from composer.model.choices import Restart, SecurityOption, User, read_cpuset
    from composer.model.devices import DeviceRule, Tmpfs
    from composer.model.ports import PortRange
    from composer.model.scalars import Duration, Unreadable, read_cpus, read_file_mode, read_microseconds, read_size
    from composer.model.signals import Signal

from tests.loader.golden import cases
from tests.loader.test_loader_robust import VALID, VOCABULARY

LONGEST = 4096  # bytes of an input; what a megabyte can do is in bombs.py
MEGABYTES = 512  # of the whole process, instrumented


def _unheard(_: object) -> None:
    """Warnings are no findings."""


def compose(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    request = LoadRequest(
        cwd="/nonexistent", files=("-",), stdin=io.StringIO(text), project_name="p", environment={"A": "1", "B": ""}
    )
    try:
        canonical(load(request).project)
    except InvalidFile as refusal:
        for problem in refusal.problems:
            str(problem)
    except PycomposeError:
        pass


def env(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        parse_raw_env(text, file="f", lookup={"A": "1"}.get)
        parse_env(text, file="f", lookup={"A": "1"}.get, warn=_unheard)
    except BadEnvFile as problem:
        str(problem)


def template(data: bytes) -> None:
    try:
        substitute(parse_template(data.decode("utf-8", "replace")), {"A": "1", "B": ""}.get, unset=_unheard)
    except BadTemplate as problem:
        str(problem)


_READERS: tuple[Callable[[str], object], ...] = (
    *(kind.parse for kind in (Duration, PortRange, Restart, User, SecurityOption, Signal, Tmpfs, DeviceRule)),
    *(read_size, read_cpus, read_file_mode, read_microseconds, read_cpuset),
)


def values(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in _READERS:
        try:
            str(read(text))
        except Unreadable as problem:
            str(problem)


TARGETS = {"compose": compose, "env": env, "template": template, "values": values}
_SEEDS = {
    "compose": [VALID, *(case.source for case in cases())],
    "env": ["A=1\nexport B='x y'\nC: \"$A\\n\"\nD # no\n"],
    "template": ["$A ${B:-${A}} ${C:?no} $$ ${A:+x}"],
    "values": ["1m30s", "8000-8010", "on-failure:3", "seccomp=x", "SIGRTMIN+3", "/run:size=1m", "c 1:3 r", "0-3,5"],
}


def _escaped(word: str) -> str:
    """As libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def main(target: str, seconds: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        words = Path(directory, "words")
        quoted = (f'"{_escaped(word)}"' for word in VOCABULARY.split(" ") if word)
        words.write_text("\n".join(quoted))
        corpus = Path(directory, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(_SEEDS[target]):
            (corpus / str(number)).write_text(seed)
        limits = (f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-rss_limit_mb={MEGABYTES}", "-timeout=10")
        atheris.Setup([sys.argv[0], *limits, f"-dict={words}", str(corpus)], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
