"""Capability sets as bit masks: capget(2), capset(2), the bounding and the ambient set.

Beyond this module: which capabilities a container gets. Bit n is capability n of <linux/capability.h>.
"""

from __future__ import annotations

import ctypes

from composer.frozen import frozen
from composer.hints import Iterable
from composer.linux.libc import system_call
from composer.linux.prctl import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    prctl,
)

CAPABILITIES = (  # by number
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
DOCKER_DEFAULT = 0xA80425FB  # the fourteen of Docker, as a mask
ALL_KNOWN = (1 << len(CAPABILITIES)) - 1

_LINUX_CAPABILITY_VERSION_3 = 0x20080522


@frozen
class CapabilitySets:
    """The three sets of capget(2) as masks."""

    effective: int
    permitted: int
    inheritable: int


class cap_user_header(ctypes.Structure):
    """struct __user_cap_header_struct of <linux/capability.h>."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class cap_user_data(ctypes.Structure):
    """struct __user_cap_data_struct: one half, 32 capabilities, of the three sets."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_capget = system_call("capget", ctypes.POINTER(cap_user_header), ctypes.POINTER(cap_user_data))
_capset = system_call("capset", ctypes.POINTER(cap_user_header), ctypes.POINTER(cap_user_data))


def mask_of(names: Iterable[str]) -> int:
    """The mask of capabilities by name. Raises ValueError for an unknown one."""
    mask = 0
    for name in names:
        if name not in CAPABILITIES:
            raise ValueError(f"unknown capability {name}")
        mask |= 1 << CAPABILITIES.index(name)
    return mask


def names_of(mask: int) -> tuple[str, ...]:
    """The names of a mask's known capabilities, in the order of their numbers."""
    return tuple(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)


def last_cap() -> int:
    """The highest capability this kernel knows; it may know fewer or more than this module."""
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:
        return int(file.read())


def capget(pid: int = 0) -> CapabilitySets:
    """capget(2) of process `pid`, 0 for the caller. Raises OSError: ESRCH."""
    header = cap_user_header(_LINUX_CAPABILITY_VERSION_3, pid)
    halves = (cap_user_data * 2)()
    _capget(header, halves)
    low, high = halves
    return CapabilitySets(
        effective=low.effective | high.effective << 32,
        permitted=low.permitted | high.permitted << 32,
        inheritable=low.inheritable | high.inheritable << 32,
    )


def capset(sets: CapabilitySets) -> None:
    """capset(2) of the calling thread. Raises OSError: EPERM for a permitted set larger than before."""
    header = cap_user_header(_LINUX_CAPABILITY_VERSION_3, 0)
    halves = (cap_user_data * 2)()
    for half, shift in zip(halves, (0, 32), strict=True):
        half.effective = sets.effective >> shift & 0xFFFFFFFF
        half.permitted = sets.permitted >> shift & 0xFFFFFFFF
        half.inheritable = sets.inheritable >> shift & 0xFFFFFFFF
    _capset(header, halves)


def bounding_set(last: int) -> int:
    """The caller's bounding set; `last` is `last_cap()`."""
    return sum(prctl(PR_CAPBSET_READ, number) << number for number in range(last + 1))


def limit_bounding_set(keep: int, *, last: int) -> None:
    """Drop from the bounding set all that is not in `keep`; `last` is `last_cap()`, read while /proc is there.

    Needs CAP_SETPCAP, which must therefore leave the effective set later. Raises OSError: EPERM.
    """
    for number in range(last + 1):
        if not keep >> number & 1:
            prctl(PR_CAPBSET_DROP, number)


def clear_ambient_set() -> None:
    """Empty the ambient set, which would else survive an execve without file capabilities."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def raise_ambient(mask: int) -> None:
    """Add `mask` to the ambient set. Raises OSError: EPERM for what is not both permitted and inheritable."""
    for number in range(mask.bit_length()):
        if mask >> number & 1:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)
