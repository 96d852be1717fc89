"""Interprets classic BPF as the kernel does for seccomp: what a filter answers to a call."""

from __future__ import annotations

import struct
from collections.abc import Callable

Instruction = tuple[int, int, int, int]

LD_WORD, AND_K, JA, RET_K = 0x20, 0x54, 0x05, 0x06
JUMPS: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}


def disassembled(program: bytes) -> list[Instruction]:
    return list(struct.iter_unpack("=HBBI", program))


def verdict(program: list[Instruction], *, arch: int, nr: int, args: tuple[int, ...] = ()) -> int:
    """The filter's return value; AssertionError for an instruction that these filters have no use for."""
    data = struct.pack("=IIQ6Q", nr, arch, 0, *(*args, *(0,) * 6)[:6])
    counter = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[counter]
        counter += 1
        if code in JUMPS:
            counter += if_true if JUMPS[code](accumulator, operand) else if_false
        elif code == LD_WORD:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == AND_K:
            accumulator &= operand
        elif code == JA:
            counter += operand
        else:
            assert code == RET_K, f"instruction {counter - 1} has code {code:#x}"
            return operand
