"""docs/errors.md is true: it has every code, and what it says of each is what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.loader.codes import Code
from tests.loader.error_page import Example, examples


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.code)
def test_the_page_shows_what_is_said(tmp_path: Path, example: Example) -> None:
    shown, problems = example.answer(tmp_path)
    assert example.fits(shown), shown
    assert example.code in [problem.code for problem in problems]


def test_the_page_has_every_code_once() -> None:
    assert sorted(example.code for example in examples()) == sorted(code.value for code in Code)
