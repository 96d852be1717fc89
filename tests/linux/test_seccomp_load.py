"""Filters in force: what the running kernel does with them."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from composer.linux.capability import DOCKER_DEFAULT, CapabilitySets, capset
from composer.linux.libc import call_failed
from composer.linux.prctl import set_no_new_privs
from composer.linux.seccomp.compile import compile_filter
from composer.linux.seccomp.default import DEFAULT_PROFILE
from composer.linux.seccomp.load import load
from composer.linux.seccomp.profile import Action, Profile, Rule
from composer.linux.seccomp.syscalls import NUMBERS
from tests.linux.forked import errno_of, run_in_child

MACHINE = os.uname().machine
COLUMN = {"x86_64": 0, "aarch64": 3}[MACHINE]
UNKNOWN_CALL = 9999

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long,) * 7
_syscall.restype = ctypes.c_long


def call(name_or_number: str | int, *arguments: int) -> None:
    """A system call with arguments as they are. Raises OSError."""
    number = name_or_number if isinstance(name_or_number, int) else NUMBERS[name_or_number][COLUMN]
    assert number is not None
    if _syscall(number, *arguments, *(0,) * (6 - len(arguments))) == -1:
        raise call_failed(ctypes.get_errno(), str(name_or_number))


def program(profile: Profile = DEFAULT_PROFILE) -> bytes:
    return compile_filter(profile, bounding=DOCKER_DEFAULT, machine=MACHINE, kernel=(6, 18)).program


def status_field(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


@pytest.mark.root
@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("mount", (), errno.EPERM),
        ("unshare", (0x20000000,), errno.EPERM),
        ("keyctl", (1,), errno.EPERM),
        ("clone3", (), errno.ENOSYS),
        ("clone", (0x10000011,), errno.EPERM),
        ("socket", (38, 5, 0), errno.EPERM),
        ("socket", (40, 1, 0), errno.EPERM),
        ("socket", (2**32 + 38, 5, 0), errno.EPERM),
        ("io_uring_setup", (1, 0), errno.EPERM),
        ("pivot_root", (), errno.EPERM),
        (UNKNOWN_CALL, (), errno.ENOSYS),
        ("close", (2**31 - 1,), errno.EBADF),
        ("personality", (0xFFFFFFFF,), 0),
        ("personality", (0x0040000,), errno.EPERM),
    ],
)
def test_calls_under_the_default_profile(name: str | int, arguments: tuple[int, ...], wanted: int) -> None:
    def work() -> object:
        load(program())
        return errno_of(lambda: call(name, *arguments))

    assert run_in_child(work) == wanted


@pytest.mark.root
def test_ordinary_programs_work_under_the_default_profile(tmp_path: Path) -> None:
    def work() -> object:
        load(program())
        thread = threading.Thread(target=(tmp_path / "file").touch)
        thread.start()
        thread.join()
        os.chown(tmp_path / "file", 1, 1)
        words = subprocess.run(["sh", "-c", "ls | cat"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return words.stdout

    assert run_in_child(work) == "file\n"


@pytest.mark.root
def test_loading_leaves_no_new_privs_alone() -> None:
    def work() -> object:
        before = status_field("Seccomp")
        load(program())
        return before, status_field("Seccomp"), status_field("NoNewPrivs")

    assert run_in_child(work) == ["0", "2", "0"]


@pytest.mark.root
def test_without_privilege_the_kernel_asks_for_no_new_privs() -> None:
    def work() -> object:
        capset(CapabilitySets(0, 0, 0))
        refused = errno_of(lambda: load(program()))
        set_no_new_privs()
        load(program())
        return refused, status_field("Seccomp")

    assert run_in_child(work) == [errno.EACCES, "2"]


@pytest.mark.root
def test_a_killed_process_is_killed_by_sigsys() -> None:
    profile = Profile(Action("SCMP_ACT_ALLOW"), (Rule(("getpriority",), Action("SCMP_ACT_KILL_PROCESS")),))
    blob = program(profile)
    pid = os.fork()
    if pid == 0:
        load(blob)
        os.getpriority(os.PRIO_PROCESS, 0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSYS


@pytest.mark.root
def test_a_broken_program_is_refused_and_noted() -> None:
    with pytest.raises(OSError, match="Invalid argument") as caught:
        load(b"\xff" * 8)
    assert caught.value.__notes__ == ["seccomp(1, 0, {...})"]
