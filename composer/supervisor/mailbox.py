"""Letters under keys, for tasks that each wait for one of them. Nobody else is woken."""

from __future__ import annotations

from typing import Generic, TypeVar

import anyio

K = TypeVar("K")
V = TypeVar("V")


class Closed(Exception):
    """No letter will come any more."""


class Mailbox(Generic[K, V]):
    """A letter may arrive before or after somebody begins to wait for it."""

    def __init__(self) -> None:
        self._letters: dict[K, V] = {}
        self._awaited: dict[K, anyio.Event] = {}
        self._is_closed = False

    def put(self, key: K, letter: V) -> None:
        """Deliver. One that nobody waits for stays until it is taken or dropped."""
        self._letters[key] = letter
        if event := self._awaited.pop(key, None):
            event.set()

    def peek(self, key: K) -> V | None:
        """The letter if it is there."""
        return self._letters.get(key)

    def drop(self, key: K) -> None:
        """Forget a letter."""
        self._letters.pop(key, None)

    async def wait(self, key: K) -> V:
        """The letter, once it is there; it stays. Raises Closed."""
        while (letter := self._letters.get(key)) is None:
            if self._is_closed:
                raise Closed
            await self._awaited.setdefault(key, anyio.Event()).wait()
        return letter

    async def take(self, key: K) -> V:
        """The letter, once it is there. Raises Closed."""
        letter = await self.wait(key)
        self.drop(key)
        return letter

    def close(self) -> None:
        """Wake everybody who waits for what will not come."""
        self._is_closed = True
        awaited, self._awaited = self._awaited, {}
        for event in awaited.values():
            event.set()
