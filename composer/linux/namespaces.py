"""Namespaces: unshare(2), setns(2), and the two names that a UTS namespace holds.

Beyond this module: making a process in new namespaces (`clone`), id maps (files of /proc/PID), and the order in
which namespaces must be joined: a user namespace first where it is to give the right over the others.
"""

from __future__ import annotations

import ctypes

from composer.linux.libc import c_string, libc_function

CLONE_NEWTIME = 0x00000080  # Linux 5.6
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NAMESPACE_FLAGS = {  # by the names of /proc/PID/ns
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mnt": CLONE_NEWNS,
    "net": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "time": CLONE_NEWTIME,
    "user": CLONE_NEWUSER,
    "uts": CLONE_NEWUTS,
}

_unshare = libc_function("unshare", ctypes.c_int)
_setns = libc_function("setns", ctypes.c_int, ctypes.c_int)
_sethostname = libc_function("sethostname", ctypes.c_char_p, ctypes.c_size_t)
_setdomainname = libc_function("setdomainname", ctypes.c_char_p, ctypes.c_size_t)


def unshare(flags: int) -> None:
    """unshare(2): new CLONE_NEW* namespaces for the caller; of pid and time, for its next children only.

    Raises OSError: EINVAL for CLONE_NEWUSER in a process with threads, ENOSPC at the limit of
    /proc/sys/user/max_*_namespaces.
    """
    _unshare(flags)


def setns(fd: int, flags: int = 0) -> None:
    """setns(2): join the namespace of an nsfs `fd`, or with a pidfd those of CLONE_NEW* `flags` all at once.

    With a pidfd (Linux 5.8) it is all or nothing. A pid namespace holds for the next children only. Raises
    OSError: EINVAL for the user namespace one is in already, EPERM, ESRCH when the pidfd's process is gone.
    """
    _setns(fd, flags)


def sethostname(name: str) -> None:
    """sethostname(2), at most 64 bytes. Raises OSError."""
    encoded = c_string(name)
    _sethostname(encoded, len(encoded))


def setdomainname(name: str) -> None:
    """setdomainname(2), at most 64 bytes. Raises OSError."""
    encoded = c_string(name)
    _setdomainname(encoded, len(encoded))
