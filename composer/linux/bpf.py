"""The device filter of cgroup v2: a BPF program that is asked before a device is opened or made.

Beyond this module: which devices a container gets, and cgroup v1, whose devices.allow and devices.deny are files.

Programs of a cgroup and of all above it are asked, and all must agree (BPF_F_ALLOW_MULTI): a filter can only
take away. It lives as long as its cgroup.
"""

from __future__ import annotations

import ctypes
from struct import Struct

from composer.frozen import frozen
from composer.hints import Iterable
from composer.linux.libc import system_call

# <linux/bpf.h>
BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_DETACH = 9
BPF_PROG_GET_FD_BY_ID = 13
BPF_PROG_QUERY = 16
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2
BPF_F_REPLACE = 4

BPF_DEVCG_DEV = {"b": 1, "c": 2}
BPF_DEVCG_ACC = {"m": 1, "r": 2, "w": 4}

MOST_PROGRAMS = 64  # of one cgroup, BPF_CGROUP_MAX_PROGS
ATTEMPTS = 30  # the checker gives up with EAGAIN when a signal arrives


@frozen
class DeviceRule:
    """Allow or deny `access` ("r", "w", "m" and their combinations) to devices of `type` "a", "b" or "c".

    None for `major` or `minor` stands for all.
    """

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


_INSTRUCTION = Struct("=BBhi")  # struct bpf_insn: code, source register << 4 | destination, offset, immediate

_LOAD_WORD = 0x61  # BPF_LDX | BPF_MEM | BPF_W
_MOVE = 0xB7  # BPF_ALU64 | BPF_MOV | BPF_K
_MOVE_REGISTER = 0xBF  # BPF_ALU64 | BPF_MOV | BPF_X
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_SHIFT_RIGHT = 0x74  # BPF_ALU | BPF_RSH | BPF_K
_JUMP = 0x05  # BPF_JMP | BPF_JA
_JUMP_IF_BITS = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_JUMP_UNLESS_EQUAL = 0x55  # BPF_JMP | BPF_JNE | BPF_K
_EXIT = 0x95  # BPF_JMP | BPF_EXIT

_ANSWER, _CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR = range(6)  # registers


def device_program(rules: Iterable[DeviceRule]) -> bytes:
    """The program for `rules`, of which the last one that names an access to a device decides on it.

    What no rule names is denied. An open for reading and writing passes when both are allowed, be it by two
    rules. Raises ValueError for an unknown type or access.
    """
    # The context is struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor.
    program = (
        _instruction(_LOAD_WORD, _TYPE, source=_CONTEXT)
        + _instruction(_MOVE_REGISTER, _ACCESS, source=_TYPE)
        + _instruction(_AND, _TYPE, immediate=0xFFFF)
        + _instruction(_SHIFT_RIGHT, _ACCESS, immediate=16)
        + _instruction(_LOAD_WORD, _MAJOR, source=_CONTEXT, offset=4)
        + _instruction(_LOAD_WORD, _MINOR, source=_CONTEXT, offset=8)
    )
    for rule in reversed(list(rules)):
        program += _rule(rule)
    return program + _return(0)


def _rule(rule: DeviceRule) -> bytes:
    """Skip where the rule is about other devices; else strike the access it allows, or refuse what it denies."""
    piece = _allowing(_access_bits(rule)) if rule.allow else _denying(_access_bits(rule))
    if rule.minor is not None:
        piece = _if_equal(_MINOR, rule.minor, then=piece)
    if rule.major is not None:
        piece = _if_equal(_MAJOR, rule.major, then=piece)
    if rule.type == "a":
        return piece
    if rule.type not in BPF_DEVCG_DEV:
        raise ValueError(f"unknown device type {rule.type!r}: a, b or c")
    return _if_equal(_TYPE, BPF_DEVCG_DEV[rule.type], then=piece)


def _access_bits(rule: DeviceRule) -> int:
    if not rule.access or set(rule.access) - BPF_DEVCG_ACC.keys():
        raise ValueError(f"unknown device access {rule.access!r}: some of r, w and m")
    return sum(BPF_DEVCG_ACC[letter] for letter in set(rule.access))


def _allowing(bits: int) -> bytes:
    allowed = _return(1)
    return (
        _instruction(_AND, _ACCESS, immediate=~bits)
        + _instruction(_JUMP_UNLESS_EQUAL, _ACCESS, offset=_length(allowed), immediate=0)
        + allowed
    )


def _denying(bits: int) -> bytes:
    denied = _return(0)
    return (
        _instruction(_JUMP_IF_BITS, _ACCESS, offset=1, immediate=bits)
        + _instruction(_JUMP, offset=_length(denied))
        + denied
    )


def _if_equal(register: int, value: int, *, then: bytes) -> bytes:
    return _instruction(_JUMP_UNLESS_EQUAL, register, offset=_length(then), immediate=value) + then


def _return(answer: int) -> bytes:
    return _instruction(_MOVE, _ANSWER, immediate=answer) + _instruction(_EXIT)


def _instruction(code: int, destination: int = 0, *, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, source << 4 | destination, offset, immediate)


def _length(piece: bytes) -> int:
    return len(piece) // _INSTRUCTION.size


class bpf_attr_load(ctypes.Structure):
    """The part of union bpf_attr for BPF_PROG_LOAD, up to what Linux 4.15 knew."""

    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_char_p),
        ("license", ctypes.c_char_p),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_char_p),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
    )


class bpf_attr_attach(ctypes.Structure):
    """The part for BPF_PROG_ATTACH and BPF_PROG_DETACH."""

    _fields_ = (
        ("target_fd", ctypes.c_uint32),
        ("attach_bpf_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
        ("replace_bpf_fd", ctypes.c_uint32),
    )


class bpf_attr_query(ctypes.Structure):
    """The part for BPF_PROG_QUERY, whole: kernels from 6.17 on write `revision` without asking for the size."""

    _fields_ = (
        ("target_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("query_flags", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
        ("prog_ids", ctypes.c_void_p),
        ("prog_cnt", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("prog_attach_flags", ctypes.c_uint64),
        ("link_ids", ctypes.c_uint64),
        ("link_attach_flags", ctypes.c_uint64),
        ("revision", ctypes.c_uint64),
    )


class bpf_attr_get_fd(ctypes.Structure):
    """The part for BPF_PROG_GET_FD_BY_ID."""

    _fields_ = (("prog_id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


_bpf = system_call("bpf", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)


def load_device_program(program: bytes) -> int:
    """BPF_PROG_LOAD: a close-on-exec descriptor of the program.

    Raises OSError: EPERM without CAP_BPF or CAP_SYS_ADMIN, or (before Linux 5.11) where RLIMIT_MEMLOCK is too low
    to hold it; EINVAL for a kernel without CONFIG_CGROUP_BPF.
    """
    attr = bpf_attr_load(
        prog_type=BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt=_length(program),
        insns=program,
        license=b"Apache-2.0",
        prog_name=b"pycompose_dev",
    )
    for _ in range(ATTEMPTS - 1):
        try:
            return _call(BPF_PROG_LOAD, attr)
        except BlockingIOError:
            continue
    return _call(BPF_PROG_LOAD, attr)


def attach_device_program(cgroup_fd: int, program_fd: int, *, replaced_fd: int | None = None) -> None:
    """BPF_PROG_ATTACH beside the cgroup's other programs, or in the place of `replaced_fd` (Linux 5.6).

    Replacing is one step: there is no moment without a filter. Raises OSError: EPERM where an ancestor's program
    forbids others, ENOENT where `replaced_fd` is not attached, E2BIG at 64 programs.
    """
    attr = bpf_attr_attach(
        target_fd=cgroup_fd,
        attach_bpf_fd=program_fd,
        attach_type=BPF_CGROUP_DEVICE,
        attach_flags=BPF_F_ALLOW_MULTI | (0 if replaced_fd is None else BPF_F_REPLACE),
        replace_bpf_fd=replaced_fd or 0,
    )
    _call(BPF_PROG_ATTACH, attr)


def detach_device_program(cgroup_fd: int, program_fd: int) -> None:
    """BPF_PROG_DETACH. Raises OSError: ENOENT where it is not attached."""
    attr = bpf_attr_attach(target_fd=cgroup_fd, attach_bpf_fd=program_fd, attach_type=BPF_CGROUP_DEVICE)
    _call(BPF_PROG_DETACH, attr)


def device_programs(cgroup_fd: int) -> tuple[int, ...]:
    """BPF_PROG_QUERY: the ids of the programs attached to this cgroup itself, first to last."""
    ids = (ctypes.c_uint32 * MOST_PROGRAMS)()
    attr = bpf_attr_query(
        target_fd=cgroup_fd,
        attach_type=BPF_CGROUP_DEVICE,
        prog_ids=ctypes.addressof(ids),
        prog_cnt=MOST_PROGRAMS,
    )
    _call(BPF_PROG_QUERY, attr)
    return tuple(ids[: attr.prog_cnt])


def open_program(program_id: int) -> int:
    """BPF_PROG_GET_FD_BY_ID: a close-on-exec descriptor of a loaded program. Raises OSError: ENOENT."""
    return _call(BPF_PROG_GET_FD_BY_ID, bpf_attr_get_fd(prog_id=program_id))


def _call(command: int, attr: ctypes.Structure) -> int:
    return _bpf(command, ctypes.byref(attr), ctypes.sizeof(attr))
