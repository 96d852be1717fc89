"""Compiled filters, interpreted: alone, and side by side with what libseccomp makes of the same profile."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from composer.linux.capability import ALL_KNOWN, DOCKER_DEFAULT, mask_of
from composer.linux.seccomp.architecture import RANGES
from composer.linux.seccomp.compile import Filter, compile_filter
from composer.linux.seccomp.default import DEFAULT_PROFILE
from composer.linux.seccomp.profile import ACTIONS, OPERATORS, Action, Argument, Conditions, Profile, Rule
from composer.linux.seccomp.syscalls import NUMBERS
from tests.linux import generate_syscalls
from tests.linux.bpf_machine import Instruction, disassembled, verdict

X86_64, X86, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X32_BIT = 0x40000000

ALLOW = ACTIONS["SCMP_ACT_ALLOW"]
KILL_PROCESS = ACTIONS["SCMP_ACT_KILL_PROCESS"]
ERRNO = ACTIONS["SCMP_ACT_ERRNO"]
EPERM, ENOSYS = ERRNO | 1, ERRNO | 38

TOP = 2**64 - 1
EDGES = (0, 1, 7, 0x20008, 2**31, 2**32 - 1, 2**32, 2**32 + 7, 2**63, TOP)


def compiled(profile: Profile, *, machine: str = "x86_64", bounding: int = DOCKER_DEFAULT) -> Filter:
    return compile_filter(profile, bounding=bounding, machine=machine, kernel=(6, 18))


def answer(profile: Profile, name: str, *args: int, bounding: int = DOCKER_DEFAULT) -> int:
    """What the x86_64 filter says to the call `name`."""
    program = disassembled(compiled(profile, bounding=bounding).program)
    number = NUMBERS[name][0]
    assert number is not None
    return verdict(program, arch=X86_64, nr=number, args=args)


def deny_all_but(*rules: Rule) -> Profile:
    return Profile(Action("SCMP_ACT_ERRNO"), rules)


def allow(*names: str, args: tuple[Argument, ...] = ()) -> Rule:
    return Rule(names, Action("SCMP_ACT_ALLOW"), args)


class TestNumbers:
    def test_the_table_holds_all_that_the_installed_headers_know(self) -> None:
        if not generate_syscalls.available():
            pytest.skip("no headers of all architectures: linux-libc-dev-{arm64,armhf}-cross are not installed")
        assert generate_syscalls.table() == NUMBERS

    def test_a_row_is_in_the_range_of_its_architecture(self) -> None:
        for number_range in RANGES:
            others = [r for r in RANGES if r.architecture == number_range.architecture]
            numbers = [row[number_range.column] for row in NUMBERS.values()]
            assert all(any(r.first <= n <= r.last for r in others) for n in numbers if n is not None)


HOLDS: dict[str, Callable[[int, int], bool]] = {
    "SCMP_CMP_EQ": lambda argument, value: argument == value,
    "SCMP_CMP_NE": lambda argument, value: argument != value,
    "SCMP_CMP_LT": lambda argument, value: argument < value,
    "SCMP_CMP_LE": lambda argument, value: argument <= value,
    "SCMP_CMP_GT": lambda argument, value: argument > value,
    "SCMP_CMP_GE": lambda argument, value: argument >= value,
}


class TestArguments:
    @pytest.mark.parametrize("operator", HOLDS)
    def test_all_64_bits_are_compared(self, operator: str) -> None:
        for index, value in itertools.product((0, 5), EDGES):
            rule = allow("read", args=(Argument(index, value, operator),))
            program = disassembled(compiled(deny_all_but(rule)).program)
            for argument in {edge + step & TOP for edge in EDGES for step in (-1, 0, 1)}:
                args = (*(0,) * index, argument)
                wanted = ALLOW if HOLDS[operator](argument, value) else EPERM
                assert verdict(program, arch=X86_64, nr=0, args=args) == wanted, (value, argument)

    @pytest.mark.parametrize("mask", [0, 1, 0x7E020000, 2**32, 2**63 | 1, TOP])
    def test_the_mask_is_in_the_first_value(self, mask: int) -> None:
        for wanted_under_mask in EDGES:
            rule = allow("read", args=(Argument(0, mask, "SCMP_CMP_MASKED_EQ", wanted_under_mask),))
            program = disassembled(compiled(deny_all_but(rule)).program)
            for argument in EDGES:
                holds = argument & mask == wanted_under_mask & mask
                assert (verdict(program, arch=X86_64, nr=0, args=(argument,)) == ALLOW) is holds

    def test_conditions_on_several_arguments_must_all_hold(self) -> None:
        rule = allow("read", args=(Argument(0, 1, "SCMP_CMP_EQ"), Argument(2, 5, "SCMP_CMP_GT")))
        profile = deny_all_but(rule)
        answers = [answer(profile, "read", *args) for args in ((1, 0, 6), (1, 0, 5), (2, 0, 6))]
        assert answers == [ALLOW, EPERM, EPERM]

    def test_conditions_on_one_argument_are_alternatives(self) -> None:
        rule = allow("read", args=(Argument(0, 1, "SCMP_CMP_EQ"), Argument(0, 5, "SCMP_CMP_EQ")))
        answers = [answer(deny_all_but(rule), "read", argument) for argument in (1, 5, 3)]
        assert answers == [ALLOW, ALLOW, EPERM]

    def test_the_first_rule_that_holds_answers(self) -> None:
        profile = deny_all_but(
            Rule(("read",), Action("SCMP_ACT_TRAP"), (Argument(0, 5, "SCMP_CMP_LT"),)),
            allow("read", args=(Argument(0, 9, "SCMP_CMP_LT"),)),
        )
        answers = [answer(profile, "read", argument) for argument in (4, 8, 9)]
        assert answers == [ACTIONS["SCMP_ACT_TRAP"], ALLOW, EPERM]

    def test_a_rule_without_conditions_replaces_those_with(self) -> None:
        trap = Rule(("read",), Action("SCMP_ACT_TRAP"), (Argument(0, 5, "SCMP_CMP_EQ"),))
        for rules in ((trap, allow("read")), (allow("read"), trap)):
            assert answer(deny_all_but(*rules), "read", 5) == ALLOW


class TestAnswers:
    @pytest.mark.parametrize("name", ACTIONS)
    def test_every_action(self, name: str) -> None:
        profile = Profile(Action("SCMP_ACT_ALLOW"), (Rule(("read",), Action(name, errno=33)),))
        low = 33 if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE") else 0
        assert answer(profile, "read") == ACTIONS[name] | low
        assert answer(profile, "write") == ALLOW

    def test_calls_younger_than_the_profile_do_not_exist(self) -> None:
        program = disassembled(compiled(deny_all_but(allow("read", "openat2"))).program)
        answers = [verdict(program, arch=X86_64, nr=nr) for nr in (0, 1, 436, 437, 438, X32_BIT - 1)]
        assert answers == [ALLOW, EPERM, EPERM, ALLOW, ENOSYS, ENOSYS]

    @pytest.mark.parametrize("default", ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"])
    def test_a_permissive_profile_lets_them_through(self, default: str) -> None:
        profile = Profile(Action(default), (Rule(("read",), Action("SCMP_ACT_ERRNO")),))
        program = disassembled(compiled(profile).program)
        assert verdict(program, arch=X86_64, nr=9999) == Action(default).value

    def test_a_profile_that_names_nothing_has_no_younger_calls(self) -> None:
        program = disassembled(compiled(Profile(Action("SCMP_ACT_KILL_PROCESS"))).program)
        assert verdict(program, arch=X86_64, nr=0) == verdict(program, arch=X86_64, nr=9999) == KILL_PROCESS

    def test_arms_own_calls_are_not_above_its_ordinary_ones(self) -> None:
        program = disassembled(compiled(DEFAULT_PROFILE, machine="aarch64").program)
        answers = [verdict(program, arch=ARM, nr=nr) for nr in (0xF0001, 0xF0005, 0xF0003, 0xF0006, 9999)]
        assert answers == [ALLOW, ALLOW, EPERM, ENOSYS, ENOSYS]

    def test_other_architectures_are_killed(self) -> None:
        program = disassembled(compiled(deny_all_but(allow("read"))).program)
        for arch, nr in ((X86, 3), (AARCH64, 63), (0, 0), (X86_64, X32_BIT), (X86_64, X32_BIT + 9999)):
            assert verdict(program, arch=arch, nr=nr) == KILL_PROCESS

    def test_a_call_that_a_tracer_skips_is_not_taken_for_one_of_x32(self) -> None:
        program = disassembled(compiled(deny_all_but(allow("read"))).program)
        assert verdict(program, arch=X86_64, nr=2**32 - 1) == EPERM

    def test_architectures_of_the_profile_are_added_to_the_native_one(self) -> None:
        profile = replace(deny_all_but(allow("read")), architectures=("SCMP_ARCH_X86", "SCMP_ARCH_MIPS"))
        program = disassembled(compiled(profile).program)
        numbers = [(X86, 3), (X86_64, 0), (X86_64, X32_BIT)]
        assert [verdict(program, arch=arch, nr=nr) for arch, nr in numbers] == [ALLOW, ALLOW, KILL_PROCESS]

    def test_every_return_is_the_kernels(self) -> None:
        for machine in ("x86_64", "aarch64"):
            program = disassembled(compiled(DEFAULT_PROFILE, machine=machine).program)
            assert {operand for code, _, _, operand in program if code == 6} == {
                ALLOW,
                EPERM,
                ENOSYS,
                KILL_PROCESS,
            }

    def test_names_that_no_architecture_has_are_reported(self) -> None:
        profile = deny_all_but(allow("read", "raed", "swapcontext", "arm_fadvise64_64"))
        assert compiled(profile).unknown_names == ("raed",)
        assert compiled(DEFAULT_PROFILE).unknown_names == ()

    def test_the_same_profile_gives_the_same_program(self) -> None:
        assert compiled(DEFAULT_PROFILE) == compiled(DEFAULT_PROFILE)

    def test_an_unknown_machine_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="cannot compile a seccomp profile for sparc: only for x86_64"):
            compiled(DEFAULT_PROFILE, machine="sparc")

    def test_a_profile_too_large_for_the_kernel_is_an_error(self) -> None:
        rules = tuple(allow("read", args=(Argument(0, n, "SCMP_CMP_EQ"),)) for n in range(1000))
        with pytest.raises(ValueError, match=r"needs 50\d\d instructions, the limit is 4096"):
            compiled(deny_all_but(*rules))

    def test_far_pieces_are_reached(self) -> None:
        rules = tuple(
            allow(name, args=(Argument(0, n, "SCMP_CMP_EQ"),)) for n in range(9) for name in sorted(NUMBERS)[::9]
        )
        program = disassembled(compiled(deny_all_but(*rules)).program)
        for name in sorted(NUMBERS)[::9]:
            if (number := NUMBERS[name][0]) is not None:
                args = [(8,), (9,)]
                assert [verdict(program, arch=X86_64, nr=number, args=a) for a in args] == [ALLOW, EPERM]


class TestConditions:
    """Which rules count: Docker's rules for includes and excludes."""

    @pytest.mark.parametrize(
        ("includes", "excludes", "counts"),
        [
            (Conditions(caps=mask_of(["CAP_CHOWN", "CAP_KILL"])), Conditions(), True),
            (Conditions(caps=mask_of(["CAP_CHOWN", "CAP_SYS_ADMIN"])), Conditions(), False),
            (Conditions(arches=("arm", "amd64")), Conditions(), True),
            (Conditions(arches=("x86", "x32", "arm64")), Conditions(), False),
            (Conditions(min_kernel=(6, 18)), Conditions(), True),
            (Conditions(min_kernel=(6, 19)), Conditions(), False),
            (Conditions(min_kernel=(4, 20)), Conditions(), True),
            (Conditions(), Conditions(caps=mask_of(["CAP_CHOWN", "CAP_SYS_ADMIN"])), False),
            (Conditions(), Conditions(caps=mask_of(["CAP_SYS_ADMIN"])), True),
            (Conditions(), Conditions(arches=("amd64",)), False),
            (Conditions(), Conditions(min_kernel=(4, 8)), False),
            (Conditions(), Conditions(min_kernel=(7, 0)), True),
        ],
    )
    def test_includes_and_excludes(self, includes: Conditions, excludes: Conditions, counts: bool) -> None:
        rule = replace(allow("read"), includes=includes, excludes=excludes)
        assert answer(deny_all_but(rule, allow("write")), "read") == (ALLOW if counts else EPERM)


class TestDefaultProfile:
    @pytest.mark.parametrize(
        ("name", "args", "wanted"),
        [
            ("read", (), ALLOW),
            ("mount", (), EPERM),
            ("unshare", (), EPERM),
            ("keyctl", (), EPERM),
            ("io_uring_setup", (), EPERM),
            ("pivot_root", (), EPERM),
            ("ptrace", (), ALLOW),
            ("chroot", (), ALLOW),
            ("reboot", (), EPERM),
            ("clone3", (), ENOSYS),
            ("clone", (0x01200011,), ALLOW),
            ("clone", (0x10000011,), EPERM),
            ("clone", (0x00020011,), EPERM),
            ("socket", (1,), ALLOW),
            ("socket", (37,), ALLOW),
            ("socket", (38,), EPERM),
            ("socket", (39,), ALLOW),
            ("socket", (40,), EPERM),
            ("socket", (44,), ALLOW),
            ("socket", (2**32 + 38,), EPERM),
            ("socket", (2**32 + 40,), EPERM),
            ("personality", (0x20008,), ALLOW),
            ("personality", (0x40000,), EPERM),
            ("personality", (0xFFFFFFFF,), ALLOW),
            ("arch_prctl", (), ALLOW),
        ],
    )
    def test_with_dockers_capabilities(self, name: str, args: tuple[int, ...], wanted: int) -> None:
        assert answer(DEFAULT_PROFILE, name, *args) == wanted

    @pytest.mark.parametrize(
        ("capability", "name"),
        [
            ("CAP_SYS_ADMIN", "mount"),
            ("CAP_SYS_ADMIN", "clone3"),
            ("CAP_SYS_ADMIN", "clone"),
            ("CAP_BPF", "bpf"),
            ("CAP_SYSLOG", "syslog"),
            ("CAP_SYS_TIME", "clock_settime"),
            ("CAP_SYS_NICE", "mbind"),
        ],
    )
    def test_a_capability_opens_its_calls(self, capability: str, name: str) -> None:
        without = answer(DEFAULT_PROFILE, name, TOP, bounding=ALL_KNOWN & ~mask_of([capability, "CAP_SYS_ADMIN"]))
        bounding = DOCKER_DEFAULT | mask_of([capability])
        assert without in (EPERM, ENOSYS)
        assert answer(DEFAULT_PROFILE, name, TOP, bounding=bounding) == ALLOW

    def test_it_names_as_many_calls_as_dockers(self) -> None:
        """Of Docker's 426 names, 5 are in groups for machines that we compile no filter for."""
        assert len(DEFAULT_PROFILE.rules[0].names) == 361
        assert len({name for rule in DEFAULT_PROFILE.rules for name in rule.names}) == 426 - 5

    def test_the_kernel_must_hold_ptrace_to_the_filter(self) -> None:
        old = compile_filter(DEFAULT_PROFILE, bounding=DOCKER_DEFAULT, machine="x86_64", kernel=(4, 7))
        assert verdict(disassembled(old.program), arch=X86_64, nr=101) == EPERM


BOUNDING = {"docker": DOCKER_DEFAULT, "privileged": ALL_KNOWN, "none": 0}
ARCHITECTURES = {"x86_64": ("X86", "X32"), "aarch64": ("ARM",)}


class TestAgainstLibseccomp:
    """The same rules through libseccomp, then every call number of every architecture through both filters."""

    @pytest.mark.parametrize("bounding", BOUNDING.values(), ids=BOUNDING)
    @pytest.mark.parametrize("machine", ARCHITECTURES)
    def test_the_default_profile(self, machine: str, bounding: int) -> None:
        self.compare(DEFAULT_PROFILE, machine=machine, bounding=bounding)

    @pytest.mark.parametrize("operator", OPERATORS)
    def test_operators(self, operator: str) -> None:
        arguments = (Argument(0, 0x20008, operator, 0x20000), Argument(2, 2**32 + 7, operator, 2**32 + 7))
        rules = (
            allow("read", "openat2", args=arguments),
            Rule(("write",), Action("SCMP_ACT_ERRNO", 99), arguments[:1]),
        )
        self.compare(Profile(Action("SCMP_ACT_TRAP"), rules), machine="x86_64", bounding=0)

    def compare(self, profile: Profile, *, machine: str, bounding: int) -> None:
        pyseccomp = pytest.importorskip("pyseccomp", reason="libseccomp is not installed")
        rules = tuple(self.known_to_libseccomp(pyseccomp, self.counting(profile, machine, bounding)))
        profile = replace(profile, rules=rules)
        ours = disassembled(compiled(profile, machine=machine, bounding=bounding).program)
        theirs = self.libseccomp_program(pyseccomp, profile, machine)
        values = {a.value for rule in rules for a in rule.args} | {a.value_two for rule in rules for a in rule.args}
        conditional = {name for rule in rules if rule.args for name in rule.names}
        architectures = (f"SCMP_ARCH_{machine.upper()}", *profile.arch_map.get(f"SCMP_ARCH_{machine.upper()}", ()))
        different = []
        for number_range in (r for r in RANGES if r.architecture in architectures):
            with_conditions = {NUMBERS[name][number_range.column] for name in conditional}
            for nr in range(number_range.first, number_range.first + 600):
                for args in self.arguments(values if nr in with_conditions else (), number_range.architecture):
                    call = {"arch": number_range.audit_arch, "nr": nr, "args": args}
                    mine, peers = verdict(ours, **call), verdict(theirs, **call)  # type: ignore[arg-type]
                    if mine != peers and (mine, peers) != (ENOSYS, profile.default_action.value):
                        different.append((number_range.architecture, nr, args, hex(mine), hex(peers)))
        assert different == []

    @staticmethod
    def counting(profile: Profile, machine: str, bounding: int) -> Iterable[Rule]:
        """The rules in force, by their conditions; and so without any."""
        arch = {"x86_64": "amd64", "aarch64": "arm64"}[machine]
        for rule in profile.rules:
            included = rule.includes.caps & ~bounding == 0 and (
                not rule.includes.arches or arch in rule.includes.arches
            )
            if included and not rule.excludes.caps & bounding:
                yield replace(rule, includes=Conditions(), excludes=Conditions())

    @staticmethod
    def known_to_libseccomp(pyseccomp: object, rules: Iterable[Rule]) -> Iterable[Rule]:
        for rule in rules:
            names = tuple(name for name in rule.names if _resolves(pyseccomp, name))
            if names:
                yield replace(rule, names=names)

    @staticmethod
    def arguments(values: Iterable[int], architecture: str) -> Iterable[tuple[int, ...]]:
        """Argument tuples around `values`; those of a 32-bit program have no upper half.

        For x32, whose registers do have one, libseccomp ignores it, and a filter of ours does not.
        """
        yield (0,) * 6
        width = 2**64 if architecture in ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64") else 2**32
        around = {value + step for value in values for step in (-1, 0, 1)} | {2**32 + v for v in values}
        for value in sorted(v for v in around if 0 <= v < width):
            yield (value,) * 6

    @staticmethod
    def libseccomp_program(pyseccomp: object, profile: Profile, machine: str) -> list[Instruction]:
        peer = pyseccomp.SyscallFilter(profile.default_action.value)  # type: ignore[attr-defined]
        native = getattr(pyseccomp.Arch, machine.upper())  # type: ignore[attr-defined]
        others = ARCHITECTURES[machine] if profile.arch_map else ()
        for name in others:
            peer.add_arch(getattr(pyseccomp.Arch, name))  # type: ignore[attr-defined]
        if not peer.exist_arch(native):
            peer.add_arch(native)
            peer.remove_arch(pyseccomp.Arch.NATIVE)  # type: ignore[attr-defined]
        for rule in profile.rules:
            for name in rule.names:
                conditions = (
                    pyseccomp.Arg(a.index, getattr(pyseccomp, a.operator[9:]), a.value, a.value_two)  # type: ignore[attr-defined]
                    for a in rule.args
                )
                peer.add_rule(rule.action.value, name, *conditions)
        with tempfile.TemporaryFile() as file:
            peer.export_bpf(file)
            file.seek(0)
            return disassembled(file.read())


def _resolves(pyseccomp: object, name: str) -> bool:
    try:
        number: int = pyseccomp.resolve_syscall(pyseccomp.Arch.X86_64, name)  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return False
    return number != -1
