"""What a container's keeper is told, by everything but people: their requests are the planner's."""

from __future__ import annotations

import anyio

from composer import errors
from composer.frozen import frozen
from composer.planner.life import Request
from composer.supervisor.prober import Probed
from composer.supervisor.run import End, Run


@frozen
class Began:
    """A launch has succeeded."""

    run: Run


@frozen
class CouldNotBegin:
    """A launch has failed."""

    error: errors.PycomposeError


@frozen
class Ended:
    """A run is over."""

    run: Run
    end: End


@frozen
class OutOfMemory:
    """The kernel has killed processes of a run, so many by now."""

    run: Run
    kills: int


@frozen
class Rang:
    """The alarm has rung, as it was set then."""

    setting: int


@frozen
class ProbeEnded:
    """A probe has ended that belongs to `scope`."""

    scope: anyio.CancelScope
    probed: Probed


@frozen
class HooksEnded:
    """The hooks that belong to `scope` have succeeded, or one of them has failed."""

    scope: anyio.CancelScope
    error: errors.PycomposeError | None = None


Fact = Request | Began | CouldNotBegin | Ended | OutOfMemory | Rang | ProbeEnded | HooksEnded
