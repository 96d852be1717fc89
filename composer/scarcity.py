"""Memory that is not to be had, and how to say so without needing any."""

from __future__ import annotations

import errno
import os

from composer.hints import NoReturn

OUT_OF_MEMORY = 1  # exit status
LITTLE = 16_000_000  # bytes of address space: a command that fails with less than that left has failed for want of it
_WORDS = b"pycompose: there is not enough memory for this command\n"
# what Python makes of it in places: an extension that cannot be mapped, an error that got lost, a thread
_SENTENCES = ("failed to map segment", "cannot allocate memory", "without exception set", "can't start new thread")


def is_reason(error: BaseException) -> bool:
    """Whether it comes of too little memory, however Python puts it: as anything at all where an error got lost."""
    return is_told(error) or not _is_room()


def is_told(error: BaseException | None) -> bool:
    """Whether it says itself, or one that it came of, that memory was not to be had."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, (ImportError, SystemError, RuntimeError)) and _sounds_so(str(error).lower()):
            return True
        error = error.__cause__ or error.__context__
    return False


def leave() -> NoReturn:
    """Say it to whoever called the command and end, as Python may lack the memory to leave by itself."""
    os.write(2, _WORDS)
    os._exit(OUT_OF_MEMORY)


def _is_room() -> bool:
    """Of address space: none of it is touched."""
    try:
        bytearray(LITTLE)
    except MemoryError:
        return False
    return True


def _sounds_so(text: str) -> bool:
    return any(sentence in text for sentence in _SENTENCES)
