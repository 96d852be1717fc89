"""docs/errors.md as data: for each code a project, and what is said about it; `python -m tests.loader.error_page` says
it anew.

In a section ```yaml is a file (compose.yaml, unless a comment on its first line names another), ```sh makes files, and
```text is what a person is shown; a line of … there stands for any lines.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from composer.loader.problems import Problem
from tests.loader.golden import answer

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
_SECTION = re.compile(r"^### (\S+)\n(.*?)(?=^##|\Z)", re.M | re.S)
_BLOCK = re.compile(r"```(yaml|sh|text)\n(.*?)```", re.S)
_NAMED = re.compile(r"# (\S+\.yaml)\n")


@dataclass(frozen=True, slots=True)
class Example:
    code: str
    files: dict[str, str]
    script: str
    shown: str

    def answer(self, directory: Path) -> tuple[str, tuple[Problem, ...]]:
        subprocess.run(["sh", "-c", self.script], cwd=directory, check=True)
        return answer(directory, self.files)

    def fits(self, shown: str) -> bool:
        parts = map(re.escape, self.shown.split("…\n"))
        return re.fullmatch(r"(?s:.*)".join(parts), shown) is not None


def examples() -> list[Example]:
    return [_example(*section) for section in _SECTION.findall(PAGE.read_text())]


def _example(code: str, text: str) -> Example:
    files: dict[str, str] = {}
    script = shown = ""
    for kind, content in _BLOCK.findall(text):
        if kind == "yaml":
            named = _NAMED.match(content)
            files[named[1] if named else "compose.yaml"] = content
        elif kind == "sh":
            script = content
        else:
            shown = content.rstrip("\n")
    return Example(code, files, script, shown)


def _rewritten(match: re.Match[str]) -> str:
    example = _example(match[1], match[2])
    with tempfile.TemporaryDirectory() as directory:
        shown, _ = example.answer(Path(directory))
    if example.fits(shown):
        return match[0]
    return re.sub(r"(?s)```text\n.*?```", lambda _: f"```text\n{shown}\n```", match[0])


if __name__ == "__main__":
    PAGE.write_text(_SECTION.sub(_rewritten, PAGE.read_text()))
