"""The C library with its calls typed and checked, and the kernel's calls that it has no function for.

A declared call raises OSError on -1; the error's first note is the call as strace would show it, so that a
message can say which of a hundred mounts failed. Beyond this module: what any single call means.

ctypes guesses `int` for undeclared arguments, which cuts flags and pointers to 32 bits: nothing in this room is
called without its argument types.
"""

from __future__ import annotations

import ctypes
import errno
import os

from composer.hints import Callable

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

_COLUMNS = {"x86_64": 0, "aarch64": 1, "riscv64": 1}  # by machine: its own numbers, or those of the generic table
_NUMBERS = {
    "bpf": (321, 280),
    "capget": (125, 90),
    "capset": (126, 91),
    "keyctl": (250, 219),
    "pivot_root": (155, 41),
    "rt_sigaction": (13, 134),
    "seccomp": (317, 277),
    # From 424 on, all architectures share one table (Linux 5.1).
    "pidfd_send_signal": (424, 424),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "close_range": (436, 436),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
}

libc = ctypes.CDLL(None, use_errno=True)


def libc_function(name: str, *argument_types: type) -> Callable[..., int]:
    """The C library's function `name`, returning int and raising OSError where it returns -1."""
    function = libc[name]
    function.argtypes = argument_types
    function.restype = ctypes.c_int
    function.errcheck = _checked(name, skip=0)  # type: ignore[assignment]  # typeshed knows no int here
    return function


def system_call(name: str, *argument_types: type) -> Callable[..., int]:
    """The system call `name` through syscall(2), raising OSError where it returns -1."""
    number = system_call_number(name)
    function = libc["syscall"]  # subscription makes a new function object, so the argument types are our own
    function.argtypes = (ctypes.c_long, *argument_types)
    function.restype = ctypes.c_long
    function.errcheck = _checked(name, skip=1)  # type: ignore[assignment]  # typeshed knows no int here

    def call(*arguments: object) -> int:
        result: int = function(number, *arguments)
        return result

    return call


def system_call_number(name: str) -> int:
    """The number of system call `name` on this machine. Raises OSError ENOSYS for an architecture not known."""
    machine = os.uname().machine
    if machine not in _COLUMNS:
        raise call_failed(errno.ENOSYS, f"{name}: no number for {machine}")
    return _NUMBERS[name][_COLUMNS[machine]]


def _checked(name: str, *, skip: int) -> Callable[..., int]:
    def check(result: int, _function: object, arguments: tuple[object, ...]) -> int:
        if result == -1:
            shown = ", ".join(map(_as_in_strace, arguments[skip:]))
            raise call_failed(ctypes.get_errno(), f"{name}({shown})")
        return result

    return check


def _as_in_strace(argument: object) -> str:
    match argument:
        case None:
            return "NULL"
        case int():
            return str(argument) if -4096 < argument < 4096 else hex(argument)
        case bytes() if len(argument) > 100:
            return f'"{os.fsdecode(argument[:100])}"...'
        case bytes():
            return f'"{os.fsdecode(argument)}"'
    return "{...}"  # a structure: what matters in it, the caller notes


def call_failed(number: int, call: str) -> OSError:
    """The OSError of errno `number` with `call` as its note."""
    error = OSError(number, os.strerror(number))
    error.add_note(call)
    return error


def c_string(text: str | bytes | os.PathLike[str]) -> bytes:
    """`text` as C sees it. Raises ValueError for a NUL within: C would silently take the part before it."""
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError(f"embedded null byte in {text!r}")
    return encoded
