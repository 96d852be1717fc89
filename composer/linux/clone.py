"""clone3(2): a child born in its namespaces and its cgroup, with a pidfd from its first moment.

Beyond this module: what the child does. It runs on a copy of the caller's memory, as after fork(2), and returns
from the same call.

The raw system call goes past two layers that fork(2) goes through:
  * the C library's fork handlers: locks of malloc and stdio, the cached thread id;
  * CPython's `os.register_at_fork` hooks and its own after-fork work: the GIL, the import lock, the thread list,
    pending signals, the reseeding of `random`, the locks of `logging`.
All of them exist because another thread could hold a lock that nobody in the child will ever release. With one
thread no lock is held here, and there is nothing to repair: hence the refusal of any other case. The child must
treat what stays stale (the thread id, `random`, a signal that arrived just before) as not there: it is to run
straight to execve or os._exit, import nothing, and never return to the caller's main loop.

The call is made without letting go of the GIL (PyDLL), so the child owns it and need not take it.
"""

from __future__ import annotations

import ctypes
import os

from composer.linux.libc import call_failed, system_call_number

CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_CLEAR_SIGHAND = 0x1_00000000  # Linux 5.5: handled signals become default ones; ignored ones stay ignored
CLONE_INTO_CGROUP = 0x2_00000000  # Linux 5.7, cgroup v2 only

SIGCHLD = 17  # signal.SIGCHLD; `import signal` costs milliseconds


class clone_args(ctypes.Structure):
    """struct clone_args of <linux/sched.h>, CLONE_ARGS_SIZE_VER2."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


_SYS_clone3 = system_call_number("clone3")
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long, ctypes.POINTER(clone_args), ctypes.c_size_t)
_syscall.restype = ctypes.c_long


def clone3(flags: int, *, cgroup_fd: int | None = None, exit_signal: int = SIGCHLD) -> tuple[int, int]:
    """clone3(2), Linux 5.5: (pid, pidfd) in the caller, (0, -1) in the child.

    `flags` are CLONE_NEW* and their like; CLONE_PIDFD is always added, and its descriptor is close-on-exec.
    With `cgroup_fd`, a directory of cgroup v2, the child starts in that cgroup: it never runs outside its limits.
    Raises OSError: ENOSYS where a seccomp filter hides the call, EBUSY or EOPNOTSUPP for a cgroup that may hold
    no processes; RuntimeError when the caller has threads.
    """
    _require_single_thread()
    pidfd = ctypes.c_int(-1)
    arguments = clone_args(
        flags=flags | CLONE_PIDFD | (0 if cgroup_fd is None else CLONE_INTO_CGROUP),
        pidfd=ctypes.addressof(pidfd),
        exit_signal=exit_signal,
        cgroup=cgroup_fd or 0,
    )
    pid = _syscall(_SYS_clone3, arguments, ctypes.sizeof(arguments))
    if pid == -1:
        raise call_failed(ctypes.get_errno(), f"clone3({{flags={arguments.flags:#x}}})")
    return (pid, pidfd.value) if pid else (0, -1)


def _require_single_thread() -> None:
    threads = os.stat("/proc/self/task").st_nlink - 2
    if threads != 1:
        raise RuntimeError(f"clone3 in a process with {threads} threads: a lock held by another stays held")
