"""How long to wait before what has died is started again."""

from __future__ import annotations

import time

FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0  # seconds
RAN_LONG_ENOUGH = 10.0  # seconds: after something has lasted so long, the first delay is next again


class Backoff:
    """Delays that double for as long as nothing lasts."""

    def __init__(self) -> None:
        self._delay = FIRST_DELAY
        self._began: float | None = None  # by the monotonic clock

    def began(self) -> None:
        """It runs again."""
        self._began = time.monotonic()

    def next(self) -> float:
        """It has died: how many seconds to wait."""
        if self._began is not None and time.monotonic() - self._began >= RAN_LONG_ENOUGH:
            self._delay = FIRST_DELAY
        self._began = None
        delay, self._delay = self._delay, min(self._delay * 2, LONGEST_DELAY)
        return delay
