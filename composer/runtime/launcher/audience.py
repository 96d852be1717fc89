"""Who is told what the launcher does."""

from __future__ import annotations

from composer.errors import PycomposeError
from composer.hints import Protocol
from composer.runtime.launcher import protocol
from composer.runtime.launcher.protocol import Message


class Audience(Protocol):
    """Who is told what happens. `fds` are copied."""

    def tell(self, message: Message, fds: tuple[int, ...] = ()) -> None: ...


class Everybody(Audience, Protocol):
    """All who want to know which containers there are, and the launcher's log."""

    def log(self, text: str) -> None: ...


def failed(request: int, error: PycomposeError) -> protocol.Failed:
    """An error as a message."""
    return protocol.Failed(request, type(error).__name__, error.message, error.hint, error.exit_status)
