"""attendant.json: who lives in a project, for the attendants of other projects to read.

Projects meet on a network that they share: there they find each other's names.
"""

from __future__ import annotations

import os

from composer.frozen import frozen
from composer.hints import Collection, Iterator
from composer.linux.identity import start_time
from composer.runtime.attendant.zone import Resident
from composer.spec import codec

NAME = "attendant.json"


@frozen
class Board:
    """One project's."""

    project: str
    pid: int  # of the attendant
    residents: tuple[Resident, ...] = ()


def write(directory: str, board: Board) -> None:
    """Replace the project's board. Raises OSError."""
    path = f"{directory}/{NAME}"
    with open(f"{path}.new", "w", encoding="utf-8", opener=_private) as file:
        file.write(codec.dumps(board))
    os.rename(f"{path}.new", path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def read(directory: str) -> Board | None:
    """A project's board, None where there is none that can be read."""
    try:
        with open(f"{directory}/{NAME}", encoding="utf-8") as file:
            return codec.loads(Board, file.read())
    except (OSError, codec.DecodeError):
        return None


class Others:
    """The residents of all projects but one's own, read again when a file has changed."""

    def __init__(self, run: str, own: str) -> None:
        self._run = run  # the directory of all projects
        self._own = own
        self._known: dict[str, tuple[tuple[int, int], tuple[Resident, ...]]] = {}

    def residents(self, networks: Collection[str]) -> Iterator[Resident]:
        """Those on one of these networks that live."""
        for project in self._list():
            for resident in self._read(project):
                if any(place.network in networks for place in resident.places) and _lives(resident):
                    yield resident

    def _list(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._run) if name != self._own]
        except OSError:
            return []

    def _read(self, project: str) -> tuple[Resident, ...]:
        try:
            status = os.stat(f"{self._run}/{project}/{NAME}")
        except OSError:
            self._known.pop(project, None)
            return ()
        changed = status.st_mtime_ns, status.st_ino  # the clock of files is too coarse alone
        known = self._known.get(project)
        if known is None or known[0] != changed:
            board = read(f"{self._run}/{project}")
            self._known[project] = known = changed, board.residents if board is not None else ()
        return known[1]


def _lives(resident: Resident) -> bool:
    try:
        return start_time(resident.pid) == resident.start_time
    except (OSError, ValueError):
        return False
