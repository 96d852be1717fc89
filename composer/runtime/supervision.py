"""Whether the launcher starts a dead supervisor again: unless <run>/<project>/unsupervised is there."""

from __future__ import annotations

import os
from contextlib import suppress


def want(directory: str, *, wanted: bool) -> None:
    """Have it so from now on, in a project's run directory. Raises OSError."""
    if not wanted:
        os.close(os.open(_path(directory), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        return
    with suppress(FileNotFoundError):
        os.unlink(_path(directory))


def is_wanted(directory: str) -> bool:
    """Whether a project's supervisor is to be started again."""
    return not os.path.lexists(_path(directory))


def _path(directory: str) -> str:
    return f"{directory}/unsupervised"
