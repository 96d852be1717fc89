"""Waiting for somebody else's state to become what one needs: no polling, no missed change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


class Changes:
    """Told at each change of some state by its owner; others wait until a question about it has an answer."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def tell(self) -> None:
        """The state has changed."""
        self._event.set()
        self._event = anyio.Event()

    async def wait_for(self, question: Callable[[], T | None]) -> T:
        """The first answer that is not None, asked now and after each change."""
        while (answer := question()) is None:
            await self._event.wait()
        return answer
