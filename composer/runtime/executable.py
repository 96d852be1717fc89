"""Why a file that is there cannot be executed: read from its first bytes.

execve(2) says ENOENT for a script whose interpreter is missing and ENOEXEC for a program of another processor; both
leave people looking at a file that is plainly there.
"""

from __future__ import annotations

import os
import struct

HEAD_SIZE = 4096  # bytes; the program headers follow the ELF header
PT_INTERP = 3
MACHINES = {  # e_machine of elf(5), by what uname(2) calls it
    3: "i386",
    8: "mips",
    21: "ppc64le",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_ELF_MACHINE = struct.Struct("<H")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr


def reason(path: str) -> str:
    """What is wrong with the file at `path`, "" where that cannot be seen."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        head = os.read(fd, HEAD_SIZE)
    except OSError:
        return ""
    finally:
        os.close(fd)
    return reason_in(head)


def reason_in(head: bytes) -> str:
    """The same for a file that begins with `head`."""
    if head.startswith(b"#!"):
        return _script(head)
    if head.startswith(b"\x7fELF"):
        return _program(head)
    if not head:
        return "the file is empty"
    return "it is neither a program nor a script with a #! line"


def _script(head: bytes) -> str:
    line = head[2:].split(b"\n", 1)[0]
    if line.endswith(b"\r"):
        return "its #! line ends in a carriage return: the file has Windows line endings"
    words = line.split()
    if not words:
        return "its #! line names no interpreter"
    interpreter = os.fsdecode(words[0])
    if not os.path.exists(interpreter):
        return f"its interpreter {interpreter} is not in the root file system"
    return f"its interpreter {interpreter} cannot be executed"


def _program(head: bytes) -> str:
    if len(head) < 64:
        return "the program is cut short"
    number = _ELF_MACHINE.unpack_from(head, 18)[0]
    machine, here = MACHINES.get(number, f"processor type {number}"), os.uname().machine
    if machine != here:
        return f"it is a program for {machine}, and this is {here}"
    loader = _loader(head)
    return f"its loader {loader} is not in the root file system" if loader and not os.path.exists(loader) else ""


def _loader(head: bytes) -> str:
    """The PT_INTERP of a 64-bit little-endian program, "" where it has none in sight."""
    offset, (size, count) = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<HH", head, 54)
    for index in range(count):
        start = offset + index * size
        if start + _PROGRAM_HEADER.size > len(head):
            break
        kind, _, position, _, _, length, *_ = _PROGRAM_HEADER.unpack_from(head, start)
        if kind == PT_INTERP:
            return os.fsdecode(head[position : position + length].split(b"\0")[0])
    return ""
