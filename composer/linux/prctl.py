"""The process attributes of prctl(2) that a container's start needs.

Beyond this module: the bounding and ambient capability sets, which prctl also holds (`capability`).
"""

from __future__ import annotations

import ctypes

from composer.linux.libc import c_string, libc_function

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47

PR_CAP_AMBIENT_IS_SET = 1
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_LOWER = 3
PR_CAP_AMBIENT_CLEAR_ALL = 4

_prctl = libc_function("prctl", ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def prctl(option: int, *arguments: int) -> int:
    """prctl(2) with up to four numbers; those left out are 0, as most options demand. Raises OSError."""
    return _prctl(option, *arguments, *(0,) * (4 - len(arguments)))


def set_no_new_privs() -> None:
    """From here on no execve gives privileges, neither set-user-id nor file capabilities. Cannot be undone."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether others of the same user may ptrace this process and open its /proc/self/fd. execve resets it.

    A process that is not dumpable belongs to root in /proc: its id maps can then be written by root only.
    """
    prctl(PR_SET_DUMPABLE, int(dumpable))


def set_keepcaps(keep: bool) -> None:
    """Whether the permitted set survives a setuid(2) from root to another user. execve resets it."""
    prctl(PR_SET_KEEPCAPS, int(keep))


def set_pdeathsig(signal_number: int) -> None:
    """The signal that this process gets when the thread that made it ends; 0 for none.

    Cleared by a set-user-id execve and by a change of user: set it after that, then compare os.getppid(), since
    the parent may have ended before the call.
    """
    prctl(PR_SET_PDEATHSIG, signal_number)


def set_child_subreaper(subreaper: bool) -> None:
    """Whether orphans below this process become its children. Not inherited by children."""
    prctl(PR_SET_CHILD_SUBREAPER, int(subreaper))


def set_name(name: str) -> None:
    """The name of the calling thread as ps shows it (comm), cut to 15 bytes."""
    buffer = ctypes.create_string_buffer(c_string(name)[:15])
    prctl(PR_SET_NAME, ctypes.addressof(buffer))
