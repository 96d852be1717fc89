"""Reading files: once each, as bytes, remembered for the excerpts that problems show."""

from __future__ import annotations

import os
from typing import TextIO

from composer.errors import FileNotFound, HostError
from composer.frozen import field, mutable, replace
from composer.loader.codes import Code
from composer.loader.problems import Fatal, Place, Problem
from composer.loader.request import STDIN

MAX_BYTES = 16 * 1024 * 1024


@mutable
class Files:
    """The files of one load. `shown` is how a path is written in messages: relative where that is shorter."""

    cwd: str
    stdin: TextIO | None = None
    contents: dict[str, bytes] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)  # of the contents, which are by what is shown
    absent: set[str] = field(default_factory=set)  # what was looked for in vain

    def shown(self, path: str) -> str:
        if path == STDIN:
            return "<stdin>"
        relative = os.path.relpath(path, self.cwd)
        return path if relative.startswith("..") else relative

    def read(self, path: str, *, what: str) -> bytes:
        """The bytes of `path`. Raises FileNotFound or HostError; `what` says which kind of file could not be read."""
        shown = self.shown(path)
        if shown not in self.contents:
            self.contents[shown] = self._read(path, what)
            self.paths[shown] = path
        return self.contents[shown]

    def _read(self, path: str, what: str) -> bytes:
        if path == STDIN:
            return self.stdin.read().encode() if self.stdin else b""
        try:
            with open(path, "rb") as file:
                return file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFound(f"cannot read {what} {self.shown(path)}: there is no such file") from None
        except IsADirectoryError:
            raise FileNotFound(f"cannot read {what} {self.shown(path)}: it is a directory") from None
        except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
            why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
            raise HostError(f"cannot read {what} {self.shown(path)}: {why}") from None

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file, or a link to one."""
        if os.path.isfile(path):
            return True
        self.absent.add(path)
        return False

    def text(self, path: str, *, what: str) -> str:
        """The text of a UTF-8 file. Raises Fatal where it is none."""
        content = self.read(path, what=what)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            message = f"the byte {content[error.start]:#04x} is not UTF-8"
            place = Place(self.shown(path), line, 1, line, 2)
            raise Fatal(Problem(Code.BAD_ENCODING, message, place, hint="save it as UTF-8 text")) from None

    def with_excerpt(self, problem: Problem) -> Problem:
        """The problem together with the line it stands on."""
        place = problem.place
        if place is None or place.file not in self.contents:
            return problem
        lines = self.contents[place.file].decode("utf-8-sig", "replace").split("\n")
        if not 0 < place.line <= len(lines):
            return problem
        line = lines[place.line - 1].rstrip("\r")
        return replace(problem, source="".join(letter if letter.isprintable() else _shown(letter) for letter in line))


def _shown(letter: str) -> str:
    """A tab as it is; what could steer a terminal as one character of the same width."""
    return letter if letter == "\t" else "�"
