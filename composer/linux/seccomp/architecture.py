"""The architectures that a filter tells apart, and the ranges of call numbers they use.

Beyond this module: the numbers themselves (`syscalls`).

One kernel runs programs of several architectures: an x86_64 kernel those of x86 and, where it is configured so,
x32; an aarch64 kernel those of arm. A call number means another call in each. The kernel tells a filter the
architecture (AUDIT_ARCH_*), but x32 has that of x86_64 and a bit of its own in the number.
"""

from __future__ import annotations

from composer.frozen import frozen

X32_BIT = 0x40000000
ARM_PRIVATE_BASE = 0x0F0000  # __ARM_NR_BASE
SKIPPED_CALL = 0xFFFFFFFF  # the number a tracer sets to have a call skipped


@frozen
class NumberRange:
    """Call numbers `first` to `last` of `audit_arch` belong to `architecture`; `column` is that of `syscalls`."""

    architecture: str
    audit_arch: int
    column: int
    first: int
    last: int


RANGES = (
    NumberRange("SCMP_ARCH_X86_64", 0xC000003E, 0, 0, X32_BIT - 1),
    NumberRange("SCMP_ARCH_X86", 0x40000003, 1, 0, SKIPPED_CALL),
    NumberRange("SCMP_ARCH_X32", 0xC000003E, 2, X32_BIT, SKIPPED_CALL - 1),
    NumberRange("SCMP_ARCH_AARCH64", 0xC00000B7, 3, 0, SKIPPED_CALL),
    NumberRange("SCMP_ARCH_ARM", 0x40000028, 4, 0, ARM_PRIVATE_BASE - 1),
    NumberRange("SCMP_ARCH_ARM", 0x40000028, 4, ARM_PRIVATE_BASE, SKIPPED_CALL),
)

NATIVE = {  # uname(2) machine: its architecture, and the name of it in `includes` and `excludes`
    "x86_64": ("SCMP_ARCH_X86_64", "amd64"),
    "aarch64": ("SCMP_ARCH_AARCH64", "arm64"),
}

_KNOWN = """
X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64
PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB
"""
KNOWN_ARCHITECTURES = frozenset("SCMP_ARCH_" + name for name in _KNOWN.split())
