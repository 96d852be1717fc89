"""An error at a system call of starting a container: the message says which step, and nothing is left.

strace(1) makes the Nth call of a kind fail, in the launcher and in the container's process on its way. Which calls
there are is found out from a start that goes well.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from composer.frozen import frozen
from composer.runtime import births
from composer.runtime.cgroup import kill
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.launcher.protocol import Exited, Failed, Forget, StartContainer, Started
from tests.runtime.containers import Machine
from tests.runtime.test_runtime_launcher import Desk

pytestmark = pytest.mark.root

# Calls that do not fail for want of anything, or whose failing leaves nobody to tell: waiting, ending, telling.
NOT_INJECTED = frozenset(
    (
        *("close", "munmap", "brk", "mmap", "mremap", "mprotect", "madvise", "lseek", "futex", "clock_gettime"),
        *("exit", "exit_group", "poll", "ppoll", "wait4", "waitid", "recvmsg", "sendmsg", "restart_syscall"),
        *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"),
        *("getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"),
    )
)
ERRORS = ("ENOMEM", "EMFILE", "EPERM", "ENOSPC", "EIO")
PATIENCE = 2.0  # seconds
_SENTENCE = re.compile(r"cannot start container \S+: [^:]+: |cannot read /\S+/launch\.json: ")
POINTS = int(os.environ.get("FAULTS", "40"))  # how many of all that there are are tried; 0 is all


@frozen
class Point:
    """The `nth` call of a kind: the launcher's, or that of the container's process, which has more of them."""

    call: str
    nth: int
    in_child: bool


def test_an_error_at_any_call_leaves_nothing_and_is_told(desk: Desk) -> None:
    points = _points(desk)
    random = Random(os.environ.get("SEED", "1"))
    chosen = random.sample(points, min(POINTS or len(points), len(points)))
    problems: list[str] = []
    failed = 0
    for number, point in enumerate(chosen):
        error = random.choice(ERRORS)
        answer, wrong = _try(desk, point, error, request=100 + number)
        problems += [f"{error} at {point}: {problem}" for problem in wrong]
        failed += isinstance(answer, Failed)
    assert not problems, "\n".join(problems)
    assert failed > len(chosen) // 4, "the errors were not noticed at all"


def _points(desk: Desk) -> list[Point]:
    """All that a start does."""
    trace = Path(desk.machine.paths.run) / "trace"
    with _traced(desk.hello.pid, "-f", "-o", str(trace)):
        started = _start(desk, request=2)
        assert isinstance(started, Started)
    _end(desk, started)
    counts: dict[int, Counter[str]] = {desk.hello.pid: Counter(), started.pid: Counter()}
    for line in trace.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+)\s+(\w+)\(", line)
        if found and int(found[1]) in counts and found[2] not in NOT_INJECTED:
            counts[int(found[1])][found[2]] += 1
    trace.unlink()
    ours, childs = counts.values()
    return [
        *(Point(call, nth, in_child=False) for call, count in sorted(ours.items()) for nth in range(1, count + 1)),
        # one fault at a time: strace counts for each process
        *(
            Point(call, nth, in_child=True)
            for call, count in sorted(childs.items())
            for nth in range(ours[call] + 1, count + 1)
        ),
    ]


def _try(desk: Desk, point: Point, error: str, *, request: int) -> tuple[Started | Failed, list[str]]:
    """The launcher's answer, and what is wrong with it or with what is left."""
    wrong: list[str] = []
    before = _state(desk)
    inject = f"inject={point.call}:error={error}:when={point.nth}"
    options = ("-e", f"trace={point.call}", "-e", inject, "-o", "/dev/null")
    with _traced(desk.hello.pid, *(("-f",) if point.in_child else ()), *options):
        answer = _start(desk, request=request)
    if isinstance(answer, Started):
        _end(desk, answer)
    elif not _SENTENCE.match(answer.message):
        wrong.append(f"told as {answer.message}")
    deadline = time.monotonic() + PATIENCE
    while (after := _state(desk)) != before and time.monotonic() < deadline:
        time.sleep(0.02)  # a process that was killed takes a moment to go
    told = answer.message if isinstance(answer, Failed) else "started"
    return answer, wrong + [f"{'left' if it in after else 'gone'}: {it} ({told})" for it in sorted(after ^ before)]


def _start(desk: Desk, *, request: int) -> Started | Failed:
    _, path = desk.write(desk.machine.spec("sleep", "600"))
    desk.send(StartContainer(request, path))
    while True:
        message = desk.receive().message
        if isinstance(message, Started | Failed):
            return message


def _end(desk: Desk, started: Started) -> None:
    kill.kill(Cgroup(started.cgroup))
    desk.expect(Exited)
    desk.send(Forget(started.container))
    births.forget(f"{os.path.dirname(desk.socket)}/containers/{started.container}")  # it stays until the next one


def _state(desk: Desk) -> set[str]:
    """Files, cgroups, descriptors and processes."""
    found = {
        f"process {pid}" for pid in Path(f"/proc/{desk.hello.pid}/task/{desk.hello.pid}/children").read_text().split()
    }
    for name in os.listdir(f"/proc/{desk.hello.pid}/fd"):
        try:
            target = os.readlink(f"/proc/{desk.hello.pid}/fd/{name}")
        except OSError:
            continue
        found.add(f"descriptor {name} {re.sub(r'[0-9]+', 'N', target)}")
    tops = [desk.machine.paths.run, desk.machine.paths.root, *(tree.project for tree in desk.machine.where.trees)]
    for top in tops:
        for above, below, files in os.walk(top):
            written_anew = above.endswith("/files") or "cgroup" in above
            found.update(os.path.join(above, name) for name in (*below, *(() if written_anew else files)))
    return found


@contextmanager
def _traced(pid: int, *options: str) -> Iterator[None]:
    with subprocess.Popen(["strace", "-qq", "-p", str(pid), *options], stderr=subprocess.DEVNULL) as strace:
        try:
            deadline = time.monotonic() + 10
            while f"TracerPid:\t{strace.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
                assert strace.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.001)  # strace has no word for "attached"
            yield
        finally:
            strace.send_signal(signal.SIGTERM)
            strace.wait(10)


@pytest.fixture
def desk(machine: Machine) -> Iterator[Desk]:
    desk = Desk(machine)
    yield desk
    desk.leave()
