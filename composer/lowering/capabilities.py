"""Which capabilities a container has: Docker's fourteen, and what `cap_add` and `cap_drop` make of them."""

from __future__ import annotations

from collections.abc import Iterable

from composer.model.capabilities import CAPABILITIES

ALL = "ALL"
DEFAULT = frozenset(
    (
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SYS_CHROOT",
        "MKNOD",
        "AUDIT_WRITE",
        "SETFCAP",
    )
)


def tweaked(*, add: Iterable[str] = (), drop: Iterable[str] = (), privileged: bool = False) -> tuple[str, ...]:
    """CAP_* names in the kernel's order.

    Docker's rules: privileged has all; adding ALL is all but those dropped; dropping ALL leaves those added; otherwise
    what is dropped goes before what is added comes.
    """
    added, dropped = _short(add), _short(drop)
    if privileged:
        kept = frozenset(CAPABILITIES)
    elif ALL in added:
        kept = frozenset(CAPABILITIES) - dropped
    elif ALL in dropped:
        kept = added
    else:
        kept = (DEFAULT - dropped) | added
    return tuple(f"CAP_{name}" for name in CAPABILITIES if name in kept)


def unknown(names: Iterable[str]) -> tuple[str, ...]:
    """Those that the kernel does not have, as they were written."""
    return tuple(name for name in names if not _short([name]) <= {*CAPABILITIES, ALL})


def _short(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.upper().removeprefix("CAP_") for name in names)
