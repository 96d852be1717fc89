"""Resource limits of a process, as far as this host can give them: setrlimit(2).

A hard limit above our own needs CAP_SYS_RESOURCE, and descriptors are bounded even then (fs.nr_open). What cannot be
given is cut, and the user is told: a service that asks for a million descriptors mostly runs with twenty thousand.

Beyond this module: the moment. The child sets them as its last act with privileges: a limit of three descriptors
or of a few megabytes of address space would else stop its own work.
"""

from __future__ import annotations

import resource

from composer.errors import HostError
from composer.frozen import frozen
from composer.linux.capability import CAPABILITIES, capget
from composer.runtime.road import about
from composer.spec.process import Rlimit

UNLIMITED = -1
CAP_SYS_RESOURCE = 1 << CAPABILITIES.index("CAP_SYS_RESOURCE")

KERNEL_NAMES = [name for name in dir(resource) if name.startswith("RLIMIT_")]
NUMBERS: dict[str, int] = {name.removeprefix("RLIMIT_").lower(): getattr(resource, name) for name in KERNEL_NAMES}


@frozen
class Limits:
    """(name, number, soft, hard) to be set, and what could not be given in full."""

    values: tuple[tuple[str, int, int, int], ...] = ()
    warnings: tuple[str, ...] = ()


def prepare(rlimits: tuple[Rlimit, ...]) -> Limits:
    """What of `rlimits` can be set here. Raises HostError for a name the kernel does not have."""
    if not rlimits:
        return Limits()
    free = bool(capget().effective & CAP_SYS_RESOURCE)
    values, warnings = [], []
    for limit in rlimits:
        number = _number(limit)
        ceiling = _ceiling(number) if free else resource.getrlimit(number)[1]
        soft, hard = _cut(limit.soft, ceiling), _cut(limit.hard, ceiling)
        values.append((limit.name, number, soft, hard))
        if (soft, hard) != (limit.soft, limit.hard):
            warnings.append(
                f"ulimit {limit.name} {_text(limit.hard)}: cut to {_text(hard)}, the most that this host lets"
                f" pycompose set ({'fs.nr_open' if free else 'it lacks CAP_SYS_RESOURCE'})"
            )
    return Limits(tuple(values), tuple(warnings))


def _ceiling(number: int) -> int:
    """The most that even CAP_SYS_RESOURCE can give: descriptors are bounded by a sysctl."""
    if number != resource.RLIMIT_NOFILE:
        return UNLIMITED
    with open("/proc/sys/fs/nr_open", "rb") as file:
        return int(file.read())


def _number(limit: Rlimit) -> int:
    try:
        return NUMBERS[limit.name]
    except KeyError:
        raise HostError(f"cannot set ulimit {limit.name}: there is no such resource limit") from None


def _cut(value: int, ceiling: int) -> int:
    if ceiling == UNLIMITED:
        return value
    return ceiling if value == UNLIMITED else min(value, ceiling)


def _text(value: int) -> str:
    return "unlimited" if value == UNLIMITED else str(value)


def apply(values: tuple[tuple[str, int, int, int], ...]) -> None:
    """Set them for the caller. Raises OSError about the limit; EINVAL for a soft limit above the hard one."""
    for name, number, soft, hard in values:
        with about(name):
            _set(number, soft, hard)


def _set(number: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(number, (soft, hard))
    except ValueError as error:  # Python's word for EINVAL and EPERM alike
        raise PermissionError(1, str(error)) from error
