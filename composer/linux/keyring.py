"""Session keyrings: keyctl(2).

Beyond this module: keys. A container gets a session keyring of its own so that it cannot read those of whoever
started it.
"""

from __future__ import annotations

import ctypes

from composer.linux.libc import c_string, system_call

KEYCTL_JOIN_SESSION_KEYRING = 1

_keyctl = system_call("keyctl", ctypes.c_int, ctypes.c_char_p)


def join_session_keyring(name: str | None = None) -> int:
    """Join the session keyring `name`, made where missing, or a new nameless one; its serial number.

    Raises OSError: ENOSYS for a kernel without keys, EDQUOT at the user's limit (/proc/sys/kernel/keys/maxkeys),
    EPERM where a seccomp filter forbids it.
    """
    return _keyctl(KEYCTL_JOIN_SESSION_KEYRING, None if name is None else c_string(name))
