"""Compose files and what is told about them, side by side in one text; `python -m tests.loader.golden` writes it anew.

==== name of the case
the text of compose.yaml
-- other.yaml --
the text of another file
----
what a person is shown
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.cli.facts import host_facts
from composer.cli.loading import located
from composer.cli.render.problems import of_file, render
from composer.errors import InvalidFile, PycomposeError
from composer.loader.pipeline import load
from composer.loader.problems import Problem
from composer.lowering import rootfs
from composer.lowering.desired import LoweringOptions, lower
from tests.loader.loading import write

GOLDEN = Path(__file__).with_name("messages.golden")
_OTHER_FILE = re.compile(r"^-- (\S+) --\n", re.M)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    source: str
    shown: str

    @property
    def files(self) -> dict[str, str]:
        first, *others = _OTHER_FILE.split(self.source)
        return {"compose.yaml": first, **dict(zip(others[::2], others[1::2], strict=True))}


def cases() -> list[Case]:
    return [_case(block) for block in ("\n" + GOLDEN.read_text()).split("\n==== ")[1:]]


def _case(block: str) -> Case:
    name, _, rest = block.partition("\n")
    source, _, shown = rest.partition("----\n")
    return Case(name, source, shown.strip("\n"))


def answer(directory: Path, files: Mapping[str, str]) -> tuple[str, tuple[Problem, ...]]:
    """What a person is shown who brings these files up, and the problems themselves."""
    request = write(directory, files)
    try:
        found = load(request)
        with located(found.origin):
            lower(found.project, host=host_facts(rootfs.paths(found.project)), options=LoweringOptions())
        problems = found.warnings
    except InvalidFile as refusal:
        problems = tuple(problem for problem in refusal.problems if isinstance(problem, Problem))
    except PycomposeError as error:
        return render(error, colour=False).replace(str(directory), "<DIR>"), ()
    shown = "\n".join(of_file(problem, colour=False) for problem in problems)
    return shown.replace(str(directory), "<DIR>"), problems


def _rewritten(case: Case) -> str:
    with tempfile.TemporaryDirectory() as directory:
        shown, _ = answer(Path(directory), case.files)
    return f"==== {case.name}\n{case.source}----\n" + (f"{shown}\n" if shown else "") + "\n"


if __name__ == "__main__":
    GOLDEN.write_text("".join(map(_rewritten, cases())))
