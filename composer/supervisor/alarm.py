"""One timer that can be set, brought forward and forgotten. The monotonic clock decides."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

_NS = 1_000_000_000


class Alarm:
    """Calls `ring` with the current `setting` when the time has come.

    Whoever takes the ring up later compares: a ring of an earlier setting means nothing any more.
    """

    def __init__(self, group: TaskGroup, ring: Callable[[int], None]) -> None:
        self.setting = 0
        self._group = group
        self._ring = ring
        self._scope: anyio.CancelScope | None = None
        self._due = 0.0

    def arm(self, delay_ns: int) -> None:
        """Ring after this delay; replaces what was set before."""
        self.disarm()
        self._due = anyio.current_time() + delay_ns / _NS
        self._scope = anyio.CancelScope()
        self._group.start_soon(self._sleep, self._scope)

    def hasten(self, delay_ns: int) -> None:
        """Ring no later than after this delay."""
        if self._scope is None or anyio.current_time() + delay_ns / _NS < self._due:
            self.arm(delay_ns)

    def disarm(self) -> None:
        """Forget what was set."""
        self.setting += 1
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None

    async def _sleep(self, scope: anyio.CancelScope) -> None:
        setting = self.setting
        with scope:
            await anyio.sleep_until(self._due)
            self._ring(setting)
