"""Each mistake by its message: what was found, where, and the way out.

`messages.golden` holds Compose files and what a person is shown about each. The first are the mistakes that docker
compose explains badly or takes silently.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loader.golden import Case, answer, cases


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_mistakes_are_told(tmp_path: Path, case: Case) -> None:
    assert answer(tmp_path, case.files)[0] == case.shown


def test_there_are_cases() -> None:
    assert len(cases()) > 150
    assert len({case.name for case in cases()}) == len(cases())
