"""Classic BPF as seccomp uses it: a program is a string of struct sock_filter, bpf(4).

Beyond this module: what the programs say. All pieces here are position-independent: a jump says how many
instructions it skips, and a piece either ends in a return or falls through to what follows.

The program reads struct seccomp_data: nr at 0, arch at 4, instruction pointer at 8, six 64-bit arguments from 16.
"""

from __future__ import annotations

from struct import Struct

_INSTRUCTION = Struct("=HBBI")  # code, jump if true, jump if false, operand
SIZE = _INSTRUCTION.size
LONGEST_PROGRAM = 4096  # instructions, BPF_MAXINSNS
FARTHEST_BRANCH = 255  # instructions; only an unconditional jump goes farther

LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP = 0x05  # BPF_JMP | BPF_JA
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
JUMP_GREATER_OR_EQUAL = 0x35  # BPF_JMP | BPF_JGE | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

OFFSET_OF_NR = 0
OFFSET_OF_ARCH = 4


def instruction(code: int, operand: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; a branch skips `if_true` or `if_false` of those that follow, at most 255."""
    return _INSTRUCTION.pack(code, if_true, if_false, operand)


def length(piece: bytes) -> int:
    """The number of instructions in a piece of program."""
    return len(piece) // SIZE


def offset_of_argument(index: int, *, high: bool) -> int:
    """Where half of argument `index` is; both architectures of ours are little-endian."""
    return 16 + 8 * index + (4 if high else 0)


def only_if_equal(operand: int, piece: bytes) -> bytes:
    """`piece`, skipped unless the accumulator equals `operand`."""
    skip = instruction(JUMP, length(piece))
    return instruction(JUMP_EQUAL, operand, if_true=1) + skip + piece


def branch_at(operand: int, *, below: bytes, from_there: bytes) -> bytes:
    """`below` where the accumulator is less than `operand`, else `from_there`; both end in returns."""
    distance = length(below)
    if distance <= FARTHEST_BRANCH:
        return instruction(JUMP_GREATER_OR_EQUAL, operand, if_true=distance) + below + from_there
    jump = instruction(JUMP_GREATER_OR_EQUAL, operand, if_false=1) + instruction(JUMP, distance)
    return jump + below + from_there


def search(ranges: list[tuple[int, bytes]]) -> bytes:
    """A binary search: `ranges` are (first number, piece) in order, the first of them at the lowest number.

    It takes log2(len(ranges)) branches to get to a piece, where a list of comparisons takes half of them.
    """
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    return branch_at(ranges[middle][0], below=search(ranges[:middle]), from_there=search(ranges[middle:]))
