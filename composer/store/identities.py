"""Identities of contents: the same for the same content on this host, and worth nothing to whoever guesses.

A plain hash of a short secret is as good as the secret itself. These are keyed hashes; the key is made once, is
readable by root alone, and leaves the host with no record, event or inspection.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from composer.store import atomic
from composer.store.paths import Paths

_KEY_BYTES = 32


def key(paths: Paths) -> bytes:
    """This host's key, made where it is missing. Raises OSError."""
    try:
        return _read(paths.key)
    except FileNotFoundError:
        pass
    os.makedirs(paths.root, mode=0o711, exist_ok=True)
    mine = f"{paths.key}.{os.urandom(8).hex()}"
    atomic.replace(mine, os.urandom(_KEY_BYTES), durable=True)
    try:
        os.link(mine, paths.key)  # who is first decides
    except FileExistsError:
        pass
    finally:
        os.unlink(mine)
    return _read(paths.key)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def of_bytes(content: bytes, *, key: bytes) -> str:
    """The identity of a content, hexadecimal."""
    return hmac.digest(key, content, "sha256").hex()


def of_file(path: str, *, key: bytes) -> str:
    """The identity of a file's content. Raises OSError."""
    with open(path, "rb") as file:
        digest = hmac.new(key, digestmod=hashlib.sha256)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
