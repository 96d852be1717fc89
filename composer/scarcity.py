"""Memory that is not to be had, and how to say so without needing any."""

from __future__ import annotations

import errno
import os

_WORDS = b"pycompose: there is not enough memory for this command\n"
# what Python makes of it in places: an extension that cannot be mapped, an error that got lost, a thread
_SENTENCES = ("failed to map segment", "cannot allocate memory", "without exception set", "can't start new thread")


def is_reason(error: BaseException | None) -> bool:
    """Whether it comes of too little memory, however Python puts it."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, (ImportError, SystemError, RuntimeError)) and _sounds_so(str(error).lower()):
            return True
        error = error.__cause__ or error.__context__
    return False


def tell() -> None:
    """Say it to whoever called the command."""
    os.write(2, _WORDS)


def _sounds_so(text: str) -> bool:
    return any(sentence in text for sentence in _SENTENCES)
