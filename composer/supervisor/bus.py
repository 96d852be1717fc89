"""Where everything that happens goes: into events.jsonl, and to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from composer.log import Log
from composer.store.events import Event, EventLog, encode

Listener = Callable[[Event], None]


class Bus:
    """Events of one project."""

    def __init__(self, log: EventLog, *, complaints: Log) -> None:
        self._log = log
        self._complaints = complaints
        self._listeners: dict[object, Listener] = {}

    def publish(self, event: Event) -> None:
        """Something happened to a container."""
        try:
            self._log.append(event)
        except OSError as error:  # a full disk does not stop supervision
            self._complaints.warning("cannot append event", action=event.action, why=str(error))
        for listener in tuple(self._listeners.values()):
            listener(event)

    def position(self) -> int:
        """Where in the log the next event will be, or further on."""
        return self._log.size()

    def catch_up(self, story: tuple[Event, ...], *, since: int) -> None:
        """Publish what a supervisor before this one has put into a record, at `since`, and not lived to publish."""
        told = self._log.lines_from(since) if story else set()
        for event in story:
            if encode(event) not in told:
                self.publish(event)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call `listener` for each event while the body runs."""
        key = object()
        self._listeners[key] = listener
        try:
            yield
        finally:
            del self._listeners[key]
