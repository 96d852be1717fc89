"""Whose operation changes the project now: one at a time, in the order of asking.

Whoever wants the project stopped need not wait until it has started: such an operation ends one that brings up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from composer import errors


class Turn:
    """A lock with a name on it."""

    def __init__(self) -> None:
        self.holder = ""  # "pycompose up (pid 812)", "" while nobody has the turn
        self._lock = anyio.Lock()
        self._interruptible: anyio.CancelScope | None = None  # the holder's, if it may be ended
        self._interrupter = ""

    @asynccontextmanager
    async def to_bring_up(self, client: str, *, queued: Callable[[str], None]) -> AsyncIterator[None]:
        """Have the turn while the body runs. `queued` is told who has it if it is taken.

        Raises Conflict where somebody who wants to stop has ended the body.
        """
        async with self._held_by(client, queued):
            with anyio.CancelScope() as scope:
                self._interruptible = scope
                try:
                    yield
                finally:
                    self._interruptible = None
            if scope.cancelled_caught:
                raise errors.Conflict(f"cannot go on: {self._interrupter} has taken over")

    @asynccontextmanager
    async def to_take_down(self, client: str, *, queued: Callable[[str], None]) -> AsyncIterator[None]:
        """The same for a body that stops things. It ends one that brings up."""
        if self._interruptible is not None:
            self._interrupter = client
            self._interruptible.cancel()
        async with self._held_by(client, queued):
            yield

    @asynccontextmanager
    async def _held_by(self, client: str, queued: Callable[[str], None]) -> AsyncIterator[None]:
        if self._lock.locked():
            queued(self.holder)
        async with self._lock:
            self.holder = client
            try:
                yield
            finally:
                self.holder = ""
