"""Where everything that happens goes: into events.jsonl, and to whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from composer.log import Log
from composer.store.events import Event, EventLog
from composer.store.records import ContainerRecord

Listener = Callable[[Event], None]


class Bus:
    """Events of one project."""

    def __init__(self, log: EventLog, *, complaints: Log) -> None:
        self._log = log
        self._complaints = complaints
        self._listeners: dict[object, Listener] = {}

    def publish(self, record: ContainerRecord, action: str, **attributes: str) -> None:
        """Something happened to a container."""
        named = {"name": record.spec.name, **attributes}
        event = Event(time.time_ns(), action, record.id, record.spec.service, tuple(named.items()))
        try:
            self._log.append(event)
        except OSError as error:  # a full disk does not stop supervision
            self._complaints.warning("cannot append event", action=action, why=str(error))
        for listener in tuple(self._listeners.values()):
            listener(event)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call `listener` for each event while the body runs."""
        key = object()
        self._listeners[key] = listener
        try:
            yield
        finally:
            del self._listeners[key]
