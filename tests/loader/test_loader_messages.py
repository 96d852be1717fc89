"""Each mistake by its message: what was found, where, and the way out.

`messages.golden` holds Compose files and, below a line of dashes, all that is told about each; a line there stands
behind `compose.yaml:`. The first are the mistakes that docker compose explains badly or takes silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.loader.loading import told

GOLDEN = Path(__file__).with_name("messages.golden")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    text: str
    lines: tuple[str, ...]


def cases() -> list[Case]:
    blocks = ("\n" + GOLDEN.read_text()).split("\n==== ")[1:]
    return [_case(block) for block in blocks]


def _case(block: str) -> Case:
    name, _, rest = block.partition("\n")
    text, _, told_lines = rest.partition("----\n")
    return Case(name, text, tuple(f"compose.yaml:{line}" for line in told_lines.splitlines() if line))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_mistakes_are_told(tmp_path: Path, case: Case) -> None:
    assert tuple(told(tmp_path, case.text)) == case.lines


def test_there_are_cases() -> None:
    assert len(cases()) > 90
