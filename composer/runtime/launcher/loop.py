"""An event loop of the plainest kind: poll(2), a callback per descriptor, timers."""

from __future__ import annotations

import select
import time

from composer.hints import Callable

POLLIN = select.POLLIN
POLLOUT = select.POLLOUT


class Loop:
    """Calls back when descriptors are ready or times have come, until `stop`."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._stopped = False

    def watch(self, fd: int, callback: Callable[[], None], *, events: int = POLLIN) -> None:
        """Call back whenever `fd` is ready, hung up included. A second call changes what was said before."""
        self._poll.register(fd, events)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        """Before `fd` is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once."""
        self._timers.append((time.monotonic() + seconds, callback))
        self._timers.sort(key=lambda timer: timer[0])

    def stop(self) -> None:
        """Let `run` return after the callback that calls this."""
        self._stopped = True

    def run(self) -> None:
        """Serve. A callback may watch and unwatch as it likes."""
        while not self._stopped:
            ready = [(fd, self._callbacks[fd]) for fd, _ in self._poll.poll(self._milliseconds())]
            for fd, callback in ready:
                # An earlier callback of this round may have closed it, and another file may have its number now.
                if self._callbacks.get(fd) is callback and not self._stopped:
                    callback()
            self._call_timers()

    def _milliseconds(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic()) * 1000 + 1  # poll(2) cuts fractions off

    def _call_timers(self) -> None:
        while self._timers and not self._stopped and self._timers[0][0] <= time.monotonic():
            _, callback = self._timers.pop(0)
            callback()
