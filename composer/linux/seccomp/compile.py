"""A profile for one machine, kernel and set of capabilities, as a filter program.

Beyond this module: what the profile is and where the program goes. Nothing here touches the kernel.

The program looks at the architecture, then finds the call number by binary search among ranges of numbers with
the same answer (a profile allows most calls, so there are few ranges), then looks at arguments where a rule does.

How the rules of one call combine:
  * a rule without conditions on arguments replaces all others of that call; of several the last one counts;
  * else the rules are tried in the profile's order, and where none holds the default action is taken;
  * a rule that names one argument twice holds when any of its conditions does, as runc has it: libseccomp could
    not express "both", and profiles were written to that;
  * a rule whose action is the default one says nothing.

Numbers above the largest that the profile names get ENOSYS and not the default EPERM, as with runc: they are
calls younger than the profile, and C libraries fall back to older calls on ENOSYS only.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.hints import Iterable, Mapping
from composer.linux.seccomp.architecture import NATIVE, RANGES, SKIPPED_CALL, NumberRange
from composer.linux.seccomp.instructions import (
    AND,
    JUMP_EQUAL,
    JUMP_GREATER,
    JUMP_GREATER_OR_EQUAL,
    LOAD_WORD,
    LONGEST_PROGRAM,
    OFFSET_OF_ARCH,
    OFFSET_OF_NR,
    RETURN,
    instruction,
    length,
    offset_of_argument,
    only_if_equal,
    search,
)
from composer.linux.seccomp.profile import ACTIONS, PERMISSIVE, Action, Argument, Profile, Rule
from composer.linux.seccomp.syscalls import NUMBERS

ENOSYS = 38

# Of architectures that have no column in `syscalls`: known, and of no effect here.
_CALLS_ELSEWHERE = """
multiplexer pciconfig_iobase pciconfig_read pciconfig_write riscv_flush_icache riscv_hwprobe rtas
s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi spu_create spu_run
subpage_prot swapcontext switch_endian sysmips
"""
_CALLS_OF_OTHER_ARCHITECTURES = frozenset(_CALLS_ELSEWHERE.split())

# For programs of an architecture that the profile leaves out. The whole process: a thread that dies alone leaves
# the others waiting for it.
_KILL = instruction(RETURN, ACTIONS["SCMP_ACT_KILL_PROCESS"])


@frozen
class Filter:
    """A compiled filter: `program` for `load`, and the names in the profile that no architecture has."""

    program: bytes
    unknown_names: tuple[str, ...]


def compile_filter(profile: Profile, *, bounding: int, machine: str, kernel: tuple[int, int]) -> Filter:
    """Compile `profile` for a process with the `bounding` capabilities (a mask) on this `machine` and `kernel`.

    `machine` is that of uname(2), `kernel` its release as (major, minor). Raises ValueError for a machine whose
    call numbers are not known and for a profile that needs more than the kernel's 4096 instructions.
    """
    if machine not in NATIVE:
        raise ValueError(f"cannot compile a seccomp profile for {machine}: only for {', '.join(NATIVE)}")
    native, docker_name = NATIVE[machine]
    rules = [rule for rule in profile.rules if _counts(rule, bounding=bounding, arch=docker_name, kernel=kernel)]
    pieces = _pieces_by_name(rules, profile.default_action)
    program = _program(profile, native=native, pieces=pieces, named=_names(rules))
    if length(program) > LONGEST_PROGRAM:
        raise ValueError(f"the seccomp profile needs {length(program)} instructions, the limit is {LONGEST_PROGRAM}")
    return Filter(program, unknown_names=_unknown(_names(profile.rules)))


def _counts(rule: Rule, *, bounding: int, arch: str, kernel: tuple[int, int]) -> bool:
    """Whether the rule is in force, as Docker decides it: any exclusion drops it, all inclusions must hold."""
    includes, excludes = rule.includes, rule.excludes
    if arch in excludes.arches or excludes.caps & bounding:
        return False
    if excludes.min_kernel != (0, 0) and kernel >= excludes.min_kernel:
        return False
    if includes.arches and arch not in includes.arches:
        return False
    return includes.caps & bounding == includes.caps and kernel >= includes.min_kernel


def _names(rules: Iterable[Rule]) -> tuple[str, ...]:
    """All names once, in an order that does not depend on the interpreter's hash seed."""
    return tuple(dict.fromkeys(name for rule in rules for name in rule.names))


def _unknown(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in NUMBERS and name not in _CALLS_OF_OTHER_ARCHITECTURES)


def _pieces_by_name(rules: list[Rule], default: Action) -> dict[str, bytes]:
    """What the program does with each call that the rules give another answer than the default."""
    conditional: dict[str, list[Rule]] = {}
    pieces: dict[str, bytes] = {}
    for rule in rules:
        if rule.action.value == default.value:
            continue
        for name in rule.names:
            if rule.args:
                conditional.setdefault(name, []).append(rule)
            else:
                pieces[name] = _answer(rule.action)
    for name, several in conditional.items():
        pieces.setdefault(name, b"".join(map(_conditional_answer, several)) + _answer(default))
    return pieces


def _answer(action: Action) -> bytes:
    return instruction(RETURN, action.value)


def _conditional_answer(rule: Rule) -> bytes:
    """The rule's answer where its conditions hold; else what follows."""
    indexes = [argument.index for argument in rule.args]
    if len(set(indexes)) < len(indexes):
        return b"".join(_all_of((argument,), rule.action) for argument in rule.args)
    return _all_of(rule.args, rule.action)


def _all_of(arguments: tuple[Argument, ...], action: Action) -> bytes:
    piece = _answer(action)
    for argument in reversed(arguments):
        piece = _comparison(argument, to_the_end=length(piece)) + piece
    return piece


_NEXT, _HOLDS, _FAILS = range(3)
_HIGH, _LOW = True, False

# A 64-bit comparison as branches on 32-bit halves: (branch, half, if true, if false).
_COMPARISONS = {
    "SCMP_CMP_EQ": ((JUMP_EQUAL, _HIGH, _NEXT, _FAILS), (JUMP_EQUAL, _LOW, _HOLDS, _FAILS)),
    "SCMP_CMP_NE": ((JUMP_EQUAL, _HIGH, _NEXT, _HOLDS), (JUMP_EQUAL, _LOW, _FAILS, _HOLDS)),
    "SCMP_CMP_LT": (
        (JUMP_GREATER, _HIGH, _FAILS, _NEXT),
        (JUMP_EQUAL, _HIGH, _NEXT, _HOLDS),
        (JUMP_GREATER_OR_EQUAL, _LOW, _FAILS, _HOLDS),
    ),
    "SCMP_CMP_LE": (
        (JUMP_GREATER, _HIGH, _FAILS, _NEXT),
        (JUMP_EQUAL, _HIGH, _NEXT, _HOLDS),
        (JUMP_GREATER, _LOW, _FAILS, _HOLDS),
    ),
    "SCMP_CMP_GE": (
        (JUMP_GREATER, _HIGH, _HOLDS, _NEXT),
        (JUMP_EQUAL, _HIGH, _NEXT, _FAILS),
        (JUMP_GREATER_OR_EQUAL, _LOW, _HOLDS, _FAILS),
    ),
    "SCMP_CMP_GT": (
        (JUMP_GREATER, _HIGH, _HOLDS, _NEXT),
        (JUMP_EQUAL, _HIGH, _NEXT, _FAILS),
        (JUMP_GREATER, _LOW, _HOLDS, _FAILS),
    ),
    "SCMP_CMP_MASKED_EQ": ((JUMP_EQUAL, _HIGH, _NEXT, _FAILS), (JUMP_EQUAL, _LOW, _HOLDS, _FAILS)),
}


def _comparison(argument: Argument, *, to_the_end: int) -> bytes:
    """Fall through where the condition holds, else skip `to_the_end` instructions behind this piece as well."""
    masked = argument.operator == "SCMP_CMP_MASKED_EQ"
    mask = argument.value if masked else 2**64 - 1
    wanted = argument.value_two & mask if masked else argument.value
    steps = _COMPARISONS[argument.operator]
    instructions_per_step = 3 if masked else 2
    piece = b""
    for number, (branch, half, if_true, if_false) in enumerate(steps, start=1):
        behind = (len(steps) - number) * instructions_per_step
        distance = {_NEXT: 0, _HOLDS: behind, _FAILS: behind + to_the_end}
        shift = 32 if half is _HIGH else 0
        piece += instruction(LOAD_WORD, offset_of_argument(argument.index, high=half is _HIGH))
        if masked:
            piece += instruction(AND, mask >> shift & 0xFFFFFFFF)
        operand = wanted >> shift & 0xFFFFFFFF
        piece += instruction(branch, operand, if_true=distance[if_true], if_false=distance[if_false])
    return piece


def _program(profile: Profile, *, native: str, pieces: Mapping[str, bytes], named: Iterable[str]) -> bytes:
    architectures = {native, *profile.architectures, *profile.arch_map.get(native, ())}
    ranges = [number_range for number_range in RANGES if number_range.architecture in architectures]
    program = instruction(LOAD_WORD, OFFSET_OF_ARCH)
    for audit_arch in dict.fromkeys(number_range.audit_arch for number_range in ranges):
        answers = _answers_of(
            [number_range for number_range in ranges if number_range.audit_arch == audit_arch],
            pieces=pieces,
            named=named,
            default=profile.default_action,
        )
        load_nr = instruction(LOAD_WORD, OFFSET_OF_NR)
        program += only_if_equal(audit_arch, load_nr + search(_merged(answers)))
    return program + _KILL


def _answers_of(
    ranges: list[NumberRange], *, pieces: Mapping[str, bytes], named: Iterable[str], default: Action
) -> list[tuple[int, bytes]]:
    """(first number, piece) in order, over all call numbers of one kernel architecture."""
    otherwise = _answer(default)
    too_new = otherwise if default.name in PERMISSIVE else _answer(Action("SCMP_ACT_ERRNO", ENOSYS))
    answers = {0: _KILL}
    for number_range in ranges:
        numbers = _numbers_in(number_range, named)
        if number_range.last < SKIPPED_CALL:
            answers[number_range.last + 1] = _KILL  # unless the next range begins there
        answers[number_range.first] = otherwise
        answers |= {number + 1: otherwise for number in numbers}
        if numbers:
            answers[max(numbers) + 1] = too_new
        answers |= {number: pieces.get(name, otherwise) for number, name in numbers.items()}
    answers[SKIPPED_CALL] = otherwise
    return sorted(answers.items())


def _numbers_in(number_range: NumberRange, named: Iterable[str]) -> dict[int, str]:
    rows = ((NUMBERS[name][number_range.column], name) for name in named if name in NUMBERS)
    return {
        number: name
        for number, name in rows
        if number is not None and number_range.first <= number <= number_range.last
    }


def _merged(answers: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """`answers` without those that repeat the one before."""
    return [answer for before, answer in zip([(-1, b""), *answers], answers, strict=False) if answer[1] != before[1]]
