"""Which pycompose runs a project, and in which form it keeps what it keeps: <run>/<project>/form.json.

A form is a promise about everything that outlives a process and is read by another: records, desired state, events,
what launcher, holder and supervisor say to each other. Whoever changes one of them so that an older version cannot read
it raises FORM; whoever changes the protocol of the launcher raises its own number too. What is written here is for all
versions to come: two fields, others ignored.
"""

from __future__ import annotations

import os

from composer import __version__, jsontext
from composer.errors import HostError
from composer.frozen import frozen
from composer.store import atomic
from composer.store.paths import ProjectPaths

FORM = 3


@frozen
class Keeper:
    """The pycompose that runs a project."""

    form: int
    version: str

    @property
    def is_older(self) -> bool:
        """Whether this version should take over from it."""
        return self.form < FORM or _order(self.version) < _order(__version__)


def read(places: ProjectPaths) -> Keeper | None:
    """Who runs the project; None where nobody has said so. Raises HostError: a version that this one cannot follow."""
    try:
        with open(places.form, "rb") as file:
            tree = jsontext.loads(file.read())
        keeper = Keeper(int(tree["form"]), str(tree["pycompose"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(f"cannot read {places.form}: {error}") from error
    if keeper.form > FORM:
        raise HostError(
            f"cannot use project {os.path.basename(places.run)}: pycompose {keeper.version} runs it, "
            f"in a form ({keeper.form}) that {__version__} does not know (up to {FORM})",
            hint=f"use pycompose {keeper.version} or newer, or take the project down with it first",
        )
    return keeper


def write(places: ProjectPaths) -> None:
    """This version runs the project from now on. Raises OSError."""
    if read(places) != Keeper(FORM, __version__):
        atomic.replace(
            places.form, jsontext.dumps({"form": FORM, "pycompose": __version__}).encode() + b"\n", mode=0o644
        )


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, "".join(it if it.isdecimal() else " " for it in version).split()))
