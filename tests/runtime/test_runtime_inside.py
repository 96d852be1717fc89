"""Processes that join a container, the init, and terminals."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from composer.errors import CommandNotExecutable, CommandNotFound, HostError
from composer.linux.capability import capget
from composer.linux.pidfd import pidfd_send_signal
from composer.runtime import join
from composer.runtime.container import Started
from composer.runtime.join import JoinedProcess
from composer.runtime.launch import Stdio
from composer.spec.container import Host, Namespaces
from composer.spec.process import Process
from tests.runtime.containers import CAPABILITIES, Machine, read_line, wait_joined

pytestmark = pytest.mark.root

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def process(*argv: str, **settings: Any) -> Process:
    return Process(argv=argv, **{"capabilities": CAPABILITIES, **settings})


class Inside:
    """Runs processes in a sleeping container."""

    def __init__(self, machine: Machine, **settings: Any) -> None:
        self.machine = machine
        self.started: Started = machine.start("sleep", "600", **settings)
        self.target = machine.target(self.started, **settings)

    def __call__(self, *argv: str, privileged: bool = False, **settings: Any) -> tuple[int, list[str]]:
        reader, writer = os.pipe()
        with open("/dev/null") as null, open(reader) as output:
            with open(writer, "w"):
                joined = self.start(*argv, streams=(null.fileno(), writer, writer), privileged=privileged, **settings)
            lines = output.read().splitlines()
        return wait_joined(joined), lines

    def start(
        self, *argv: str, streams: tuple[int, ...] = (), privileged: bool = False, **settings: Any
    ) -> JoinedProcess:
        return join.start_process(self.target, process(*argv, **settings), streams=streams, privileged=privileged)


@pytest.fixture
def inside(machine: Machine) -> Inside:
    return Inside(machine)


def test_a_joined_process_is_in_all_the_containers_namespaces(inside: Inside) -> None:
    joined = inside.start("sleep", "600")
    theirs, container = (
        {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS} for pid in (joined.pid, inside.started.pid)
    )
    own = os.readlink("/proc/self/ns/pid_for_children")
    join.kill(joined)
    assert wait_joined(joined) == 137
    assert theirs == container
    assert own == os.readlink("/proc/self/ns/pid")


def test_it_sees_what_the_container_sees(inside: Inside) -> None:
    code, lines = inside("sh", "-c", "hostname; cat /etc/hostname; cat /proc/1/cmdline | tr '\\0' ' '; exit 5")
    assert (code, lines) == (5, ["box", "box", "sleep 600 "])


def test_it_has_the_containers_privileges(inside: Inside) -> None:
    fields = {}
    for pid in ("self", "1"):
        _, lines = inside("grep", "-E", "^(Cap|Seccomp:|NoNewPrivs|SigIgn|SigBlk)", f"/proc/{pid}/status")
        fields[pid] = lines
    assert fields["self"] == fields["1"]


def test_no_descriptor_of_the_host_comes_along(inside: Inside) -> None:
    leak = os.open("/", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        _, lines = inside("sh", "-c", "ls /proc/$$/fd; true")
    finally:
        os.close(leak)
    assert lines == ["0", "1", "2"]


@pytest.mark.cgroup
def test_it_counts_as_the_containers(inside: Inside) -> None:
    joined = inside.start("sleep", "600")
    for name, directory in inside.started.cgroup.directories:
        places = (Path(directory), *Path(directory).glob("exec-*"))
        assert any(str(joined.pid) in (place / "cgroup.procs").read_text().split() for place in places), name
    join.kill(joined)
    wait_joined(joined)


def test_it_runs_as_another_user_in_another_place(inside: Inside) -> None:
    code, lines = inside("sh", "-c", "id -u; pwd; echo $A", user="app", cwd="/tmp", env=(("A", "b"),))
    assert (code, lines) == (0, ["1000", "/tmp", "b"])


def test_a_privileged_one_has_all_capabilities_and_no_filter(inside: Inside) -> None:
    _, lines = inside("grep", "-E", "^(CapEff|Seccomp:)", "/proc/self/status", privileged=True)
    assert lines == [f"CapEff:\t{capget().permitted:016x}", "Seccomp:\t0"]


def test_a_missing_command_is_127_and_one_that_cannot_run_126(inside: Inside) -> None:
    with pytest.raises(
        CommandNotFound, match=r'cannot run a command in container .*: command "nope" not found'
    ) as caught:
        inside("nope")
    assert caught.value.exit_status == 127
    with pytest.raises(CommandNotExecutable) as refused:
        inside("/etc/passwd")
    assert refused.value.exit_status == 126
    places = [Path(directory) for _, directory in inside.started.cgroup.directories]
    assert [branch for place in places for branch in place.glob("exec-*")] == []


def test_a_missing_directory_is_an_error(inside: Inside) -> None:
    with pytest.raises(HostError, match="cannot enter its working directory /nope: No such file or directory"):
        inside("true", cwd="/nope")


def test_a_working_directory_outside_is_refused(inside: Inside) -> None:
    """CVE-2024-21626: the directory behind a descriptor that the runtime forgot to close."""
    for number in range(3, 30):
        with pytest.raises(HostError, match=f"cannot enter its working directory /proc/self/fd/{number}:"):
            inside("true", cwd=f"/proc/self/fd/{number}")


def test_a_container_that_has_ended_cannot_be_joined(inside: Inside) -> None:
    inside.target = replace(inside.target, start_time=inside.target.start_time + 1)
    with pytest.raises(HostError, match=r"cannot join process .*: it has ended"):
        inside("true")


def test_kill_ends_what_has_gone_into_sessions_of_its_own(inside: Inside) -> None:
    script = "setsid sh -c 'setsid sleep 600 & setsid sleep 600' & echo there; exec sleep 600"
    reader, writer = os.pipe()
    joined = inside.start("sh", "-c", script, streams=(0, writer, writer))
    os.close(writer)
    assert read_line(reader) == "there"
    os.close(reader)
    join.kill(joined)
    assert wait_joined(joined) == 137
    # PID 1 reaps nobody, so the dead may still lie there.
    _, lines = inside("sh", "-c", "grep -L '^State:.Z' $(grep -l '^Name:.sleep' /proc/[0-9]*/status)")
    assert lines == ["/proc/1/status"]


def test_what_it_leaves_running_runs_on(inside: Inside) -> None:
    code, _ = inside("sh", "-c", "setsid sleep 599 > /dev/null 2>&1 &")
    assert code == 0
    _, lines = inside("sh", "-c", "grep -l 599 /proc/[0-9]*/cmdline | grep -v $$ | wc -l")
    assert int(lines[0]) >= 1


def test_the_hosts_pid_namespace_can_be_joined(machine: Machine) -> None:
    inside = Inside(machine, namespaces=Namespaces(pid=Host()))
    code, lines = inside("sh", "-c", "readlink /proc/self/ns/pid")
    assert (code, lines) == (0, [os.readlink("/proc/self/ns/pid")])


class TestTerminals:
    def test_a_container_has_a_controlling_terminal(self, machine: Machine) -> None:
        script = "tty; stat -c '%t,%T' /dev/console; echo $TERM; test -t 1 && echo yes; : < /dev/tty && echo controls"
        started = machine.start("sh", "-c", script, stdio=Stdio.PTY, tty=True)
        assert started.pty_master is not None
        lines = [read_line(started.pty_master) for _ in range(5)]
        assert lines == ["/dev/pts/0", "88,0", "xterm", "yes", "controls"]
        machine.wait(started)

    def test_its_user_owns_it(self, machine: Machine) -> None:
        started = machine.start(
            "sh", "-c", "stat -c %u /dev/pts/0; echo > /dev/pts/0", stdio=Stdio.PTY, tty=True, user="app"
        )
        assert started.pty_master is not None
        assert read_line(started.pty_master) == "1000"
        assert machine.wait(started) == 0

    def test_an_interrupt_goes_to_the_program_below_an_init(self, machine: Machine) -> None:
        script = "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.01; done"
        started = machine.start("sh", "-c", script, stdio=Stdio.PTY, tty=True, init=True)
        assert started.pty_master is not None
        assert read_line(started.pty_master) == "ready"
        os.write(started.pty_master, b"\x03")
        assert read_line(started.pty_master).endswith("caught")
        assert machine.wait(started) == 4

    def test_a_joined_process_gets_one_of_the_containers(self, inside: Inside) -> None:
        joined = inside.start("sh", "-c", "tty; id -u; : < /dev/tty && echo controls", tty=True, user="app")
        assert joined.pty_master is not None
        assert [read_line(joined.pty_master) for _ in range(3)] == ["/dev/pts/0", "1000", "controls"]
        assert wait_joined(joined) == 0


class TestInit:
    def start(self, machine: Machine, script: str) -> Started:
        return machine.start("sh", "-c", script, init=True)

    def test_the_program_is_pid_2_and_its_exit_code_counts(self, machine: Machine) -> None:
        ended = machine.sh("echo $$; cat /proc/1/comm; exit 7", init=True)
        assert (ended.exit_code, ended.lines) == (7, ["2", "init"])

    def test_an_end_by_signal_counts_as_a_shell_says_it(self, machine: Machine) -> None:
        assert machine.sh("kill -TERM $$", init=True).exit_code == 143

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT, 34 + 8])
    def test_signals_are_forwarded(self, machine: Machine, number: int) -> None:
        started = self.start(machine, f"trap 'exit 9' {int(number)}; echo ready; while :; do sleep 0.01; done")
        assert read_line(started.kept[0]) == "ready"
        pidfd_send_signal(started.pidfd, number)
        assert machine.wait(started) == 9

    def test_a_signal_that_is_not_handled_ends_the_program(self, machine: Machine) -> None:
        """As PID 1 it would not: the kernel keeps signals without a handler from PID 1."""
        started = machine.start("sleep", "600", init=True)
        pidfd_send_signal(started.pidfd, signal.SIGTERM)
        assert machine.wait(started) == 143

    def test_orphans_are_reaped(self, machine: Machine) -> None:
        script = (
            "sh -c 'sleep 0.05 & exec true' ; while grep -sq '^State:.Z' /proc/[0-9]*/status; do :; done; sleep 0.2;"
        )
        ended = machine.sh(
            script + "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l; ls -d /proc/[0-9]* | wc -l", init=True
        )
        assert ended.lines == ["0", "4"]  # init, and sh, ls, wc

    def test_it_is_confined_like_the_program_and_closed_to_it(self, machine: Machine) -> None:
        script = "grep -E '^(Cap|Uid|Seccomp:)' /proc/1/status; grep -E '^(Cap|Uid|Seccomp:)' /proc/self/status;"
        ended = machine.sh(script + "ls /proc/1/fd | wc -l; readlink /proc/1/exe || echo closed", init=True)
        half = len(ended.lines[:-2]) // 2
        assert ended.lines[:half] == ended.lines[half:-2]
        assert ended.lines[-2:] == ["0", "closed"]

    def test_nothing_of_its_own_command_line_shows(self, machine: Machine) -> None:
        assert machine.sh("tr '\\0' ' ' < /proc/1/cmdline", init=True).stdout.strip() == "init"

    def test_a_failed_execve_is_reported_through_it(self, machine: Machine) -> None:
        with pytest.raises(CommandNotFound):
            machine.run("nonesuch", init=True)


def test_a_pidfd_tells_of_the_end(inside: Inside) -> None:
    joined = inside.start("true")
    poll = select.poll()
    poll.register(joined.pidfd, select.POLLIN)
    assert poll.poll(10_000)
    wait_joined(joined)
