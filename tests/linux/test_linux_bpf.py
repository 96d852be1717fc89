"""The device filter: its program interpreted, and in force on a real cgroup."""

from __future__ import annotations

import errno
import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.linux.bpf import (
    BPF_DEVCG_ACC,
    BPF_DEVCG_DEV,
    DeviceRule,
    attach_device_program,
    detach_device_program,
    device_program,
    device_programs,
    load_device_program,
    open_program,
)
from composer.linux.clone import clone3
from composer.linux.statfs import CGROUP2_SUPER_MAGIC, filesystem_magic
from tests.linux.forked import errno_of

DENY_ALL = DeviceRule(allow=False)
NULL = DeviceRule(allow=True, type="c", major=1, minor=3)
ZERO = DeviceRule(allow=True, type="c", major=1, minor=5)


def allowed(program: bytes, *, type: str, major: int, minor: int, access: str) -> bool:
    """What the program answers, by the rules of <linux/bpf.h> for the instructions it may use."""
    bits = sum(BPF_DEVCG_ACC[letter] for letter in access)
    context = struct.pack("=III", bits << 16 | BPF_DEVCG_DEV[type], major, minor)
    registers = [0] * 10
    instructions = list(struct.iter_unpack("=BBhi", program))
    counter = 0
    while True:
        code, both, offset, immediate = instructions[counter]
        destination, source = both & 15, both >> 4
        counter += 1
        match code:
            case 0x61:
                (registers[destination],) = struct.unpack_from("=I", context, offset)
            case 0xB7:
                registers[destination] = immediate
            case 0xBF:
                registers[destination] = registers[source]
            case 0x54:
                registers[destination] &= immediate & 0xFFFFFFFF
            case 0x74:
                registers[destination] >>= immediate
            case 0x05:
                counter += offset
            case 0x45:
                counter += offset if registers[destination] & immediate else 0
            case 0x55:
                counter += offset if registers[destination] != immediate else 0
            case 0x95:
                return registers[0] == 1
            case _:
                raise AssertionError(f"instruction {counter - 1} has code {code:#x}")


def by_the_rules(rules: list[DeviceRule], *, type: str, major: int, minor: int, access: str) -> bool:
    """The same answer, letter by letter: the last rule that names it decides."""

    def decision(letter: str) -> bool:
        for rule in reversed(rules):
            device = rule.type in ("a", type) and rule.major in (None, major) and rule.minor in (None, minor)
            if device and letter in rule.access:
                return rule.allow
        return False

    return all(map(decision, access))


TABLES = {
    "nothing": [],
    "all": [DeviceRule(allow=True)],
    "all but one": [DeviceRule(allow=True), DeviceRule(False, "c", 1, 3, "w")],
    "some": [DENY_ALL, NULL, DeviceRule(True, "c", 136), DeviceRule(True, "b", None, None, "m")],
    "in two parts": [DeviceRule(True, "c", 1, 3, "r"), DeviceRule(True, "c", 1, None, "w")],
    "taken back": [NULL, ZERO, DeviceRule(False, "a", None, None, "m"), DeviceRule(False, "c", 1, 5)],
    "given again": [DENY_ALL, NULL, DENY_ALL, ZERO],
    "by minor": [DeviceRule(True, "a", None, 3, "rw")],
}
ACCESSES = ["".join(letters) for n in (1, 2, 3) for letters in itertools.combinations("rwm", n)]


@pytest.mark.parametrize("rules", TABLES.values(), ids=TABLES)
def test_the_last_rule_that_names_an_access_decides(rules: list[DeviceRule]) -> None:
    program = device_program(rules)
    for device in itertools.product("bc", (1, 8, 136), (0, 3, 5), ACCESSES):
        asked = dict(zip(("type", "major", "minor", "access"), device, strict=True))
        assert allowed(program, **asked) == by_the_rules(rules, **asked), device  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", [DeviceRule(True, "x"), DeviceRule(True, access="rx"), DeviceRule(True, access="")])
def test_an_unknown_letter_is_an_error(rule: DeviceRule) -> None:
    with pytest.raises(ValueError, match="unknown device"):
        device_program([rule])


@pytest.fixture
def cgroup() -> Iterator[int]:
    """A new cgroup of version 2, which may have no controllers: devices need none."""
    roots = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
    root = next((r for r in roots if r.exists() and filesystem_magic(r) == CGROUP2_SUPER_MAGIC), None)
    if root is None:
        pytest.skip("no cgroup v2 hierarchy is mounted")
    path = root / f"pycompose-test-bpf-{os.getpid()}"
    path.mkdir()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)
    path.rmdir()


def opened_inside(cgroup: int, path: str) -> int:
    """The errno of opening `path` in a process of `cgroup`, 0 where it works."""
    _, pidfd = clone3(0, cgroup_fd=cgroup)
    if pidfd == -1:
        os._exit(errno_of(lambda: os.close(os.open(path, os.O_RDWR))))
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)
    assert result is not None
    return result.si_status


@pytest.mark.root
@pytest.mark.cgroup
class TestInForce:
    def test_a_filter_holds_in_its_cgroup_and_not_outside(self, cgroup: int) -> None:
        program = load_device_program(device_program([DENY_ALL, NULL]))
        attach_device_program(cgroup, program)
        os.close(program)
        answers = [opened_inside(cgroup, path) for path in ("/dev/null", "/dev/zero")]
        assert answers == [0, errno.EPERM]
        assert errno_of(lambda: os.close(os.open("/dev/zero", os.O_RDWR))) == 0

    def test_a_filter_is_replaced_and_detached(self, cgroup: int) -> None:
        first, second = (load_device_program(device_program([DENY_ALL, rule])) for rule in (NULL, ZERO))
        attach_device_program(cgroup, first)
        (attached,) = device_programs(cgroup)
        found = open_program(attached)
        attach_device_program(cgroup, second, replaced_fd=found)
        (now,) = device_programs(cgroup)
        answers = [opened_inside(cgroup, path) for path in ("/dev/null", "/dev/zero")]
        detach_device_program(cgroup, second)
        for fd in (first, second, found):
            os.close(fd)
        assert answers == [errno.EPERM, 0]
        assert now != attached
        assert device_programs(cgroup) == ()
        assert opened_inside(cgroup, "/dev/null") == 0

    def test_two_filters_must_both_agree(self, cgroup: int) -> None:
        programs = [load_device_program(device_program([DENY_ALL, rule])) for rule in (NULL, ZERO)]
        for program in programs:
            attach_device_program(cgroup, program)
            os.close(program)
        assert len(device_programs(cgroup)) == 2
        assert opened_inside(cgroup, "/dev/null") == errno.EPERM

    def test_a_directory_that_is_no_cgroup_is_refused(self, tmp_path: Path) -> None:
        program = load_device_program(device_program([]))
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises(OSError, match="Bad file descriptor") as caught:
                attach_device_program(fd, program)
        finally:
            os.close(fd)
            os.close(program)
        assert caught.value.__notes__ == ["bpf(8, {...}, 20)"]

    def test_a_program_that_the_checker_refuses(self) -> None:
        assert errno_of(lambda: load_device_program(b"\x00" * 8)) == errno.EINVAL
