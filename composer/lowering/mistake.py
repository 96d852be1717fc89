"""What is wrong with a service, network or volume and shows only when it becomes containers and interfaces.

Where it stands in a file is the loader's knowledge: a mistake names the path that is to blame, and whoever has both
rooms at hand tells it in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from composer.errors import InvalidFile
from composer.frozen import frozen, mutable

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = Callable[[Path], str]  # where a path stands, as spec.place has it


def nowhere(_: Path) -> str:
    """The place of what comes from no file."""
    return ""


@frozen
class Mistake:
    """`path` leads to the value to blame, or to the service or network that lacks it; `code` is one of the loader's."""

    code: str
    message: str
    path: Path
    hint: str | None = None

    @property
    def kind(self) -> str:
        """`service`, `network` or `volume`."""
        return str(self.path[0]).removesuffix("s")


@mutable
class Misfit(Exception):
    """What is wrong with a network, or with a service's place in it, for whoever knows the key above `path`."""

    code: str
    message: str
    path: Path = ()
    hint: str | None = None


def refused(code: str, message: str, *path: str | int, hint: str | None = None) -> InvalidFile:
    """A refusal that says "service web" before the message, for those who cannot show its place.

    `path` begins with "services", "networks" or "volumes", and a key of it.
    """
    mistake = Mistake(code, message, path, hint)
    return InvalidFile(f"{mistake.kind} {path[1]} {message}", problems=(mistake,), hint=hint)


def together(refusals: list[InvalidFile]) -> InvalidFile:
    """One refusal with the mistakes of all."""
    if len(refusals) == 1:
        return refusals[0]
    message = "\n".join(refusal.message for refusal in refusals)
    hint = next((refusal.hint for refusal in refusals if refusal.hint), None)
    return InvalidFile(message, problems=tuple(it for refusal in refusals for it in refusal.problems), hint=hint)
