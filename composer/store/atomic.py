"""Files that are whole or not there: written beside under a temporary name, then renamed."""

from __future__ import annotations

import os

_BLOCK = 1 << 15  # bytes: most of what is read is a tenth of it


def read(path: str) -> bytes:
    """The content. Raises OSError. For who reads hundreds: a file object costs twice of what this does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, _BLOCK)
        while block := os.read(descriptor, _BLOCK):
            content += block
        return content
    finally:
        os.close(descriptor)


def replace(path: str, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Give `path` the content `data` in one step. `durable` also waits for the disk. Raises OSError."""
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]
            if durable:
                os.fsync(descriptor)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
