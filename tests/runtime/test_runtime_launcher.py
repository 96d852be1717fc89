"""The launcher as a process: what it starts outlives whoever asked, and no end is lost."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from composer.errors import CommandNotFound, HostError
from composer.linux.pidfd import pidfd_open
from composer.runtime import exits
from composer.runtime.cgroup import control, kill
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.launch import Launch, Stdio
from composer.runtime.launcher import ahead, client, packets, protocol, spawn
from composer.runtime.launcher.protocol import (
    Adopt,
    Adopted,
    Containers,
    Exited,
    Failed,
    Forget,
    Hello,
    KillProcess,
    ListContainers,
    OpenTerminal,
    ProcessExited,
    ProcessStarted,
    Request,
    RunningContainer,
    Shutdown,
    StartContainer,
    Started,
    StartProcess,
    Terminal,
)
from composer.spec import codec
from composer.spec.cgroup import Resources
from composer.spec.container import ContainerSpec
from composer.spec.process import Process
from tests.chaos import host
from tests.runtime.containers import CAPABILITIES, Machine, read_all, read_line

pytestmark = pytest.mark.root

T = TypeVar("T")


class Desk:
    """A launcher and one connection to it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        project = machine.paths.project(machine.where.project)
        os.makedirs(project.run, exist_ok=True)
        self.socket = project.launcher_socket
        self.log = project.launcher_log
        self.started: list[Started] = []
        self.ensure()
        self.connect()

    def ensure(self, *supervisor: str) -> None:
        """Under the project's lock: the holder may be about to start one as well."""
        with open(f"{os.path.dirname(self.socket)}/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            spawn.ensure(self.machine.where.project, socket_path=self.socket, log_path=self.log, supervisor=supervisor)

    def connect(self) -> None:
        self.sock = client.connect(self.socket)
        self.sock.settimeout(20)
        self.hello = self.expect(Hello)
        self.running = self.list_containers()

    def list_containers(self) -> tuple[RunningContainer, ...]:
        self.send(ListContainers(0))
        running: tuple[RunningContainer, ...] = ()
        while (containers := self.expect(Containers)).more:
            running += containers.running
        return running + containers.running

    def disconnect(self) -> None:
        self.sock.close()

    def receive(self) -> client.Received:
        received = client.receive(self.sock)
        assert received is not None, Path(self.log).read_text()
        return received

    def expect(self, kind: type[T]) -> T:
        message, _ = self.expect_with(kind)
        return message

    def expect_with(self, kind: type[T]) -> tuple[T, tuple[int, ...]]:
        received = self.receive()
        assert isinstance(received.message, kind), received.message
        return received.message, received.fds

    def send(self, request: Request, fds: tuple[int, ...] = ()) -> None:
        client.send(self.sock, request, fds)

    def write(self, spec: ContainerSpec, *, stdio: Stdio = Stdio.FIFO) -> tuple[Launch, str]:
        launch = self.machine.launch(spec, stdio=stdio)
        os.makedirs(launch.state, exist_ok=True)
        path = f"{launch.state}/launch.json"
        Path(path).write_text(codec.dumps(launch))
        return launch, path

    def start(self, *argv: str, request: int = 1, stdio: Stdio = Stdio.FIFO, **settings: Any) -> tuple[Launch, Started]:
        launch, path = self.write(self.machine.spec(*argv, **settings), stdio=stdio)
        self.send(StartContainer(request, path))
        started, fds = self.expect_with(Started)
        packets.close_all(fds)
        self.started.append(started)
        return launch, started

    def run_inside(self, container: str, *argv: str, request: int = 7) -> None:
        with open("/dev/null", "r+") as null:
            process = Process(argv, capabilities=CAPABILITIES)
            self.send(StartProcess(request, container, process), (null.fileno(),) * 3)

    def leave(self) -> None:
        for started in self.started:
            kill.kill(Cgroup(started.cgroup))
            self.send(Forget(started.container))
        self.send(Shutdown())
        while client.receive(self.sock) is not None:
            pass
        self.sock.close()
        for started in self.started:
            control.remove(Cgroup(started.cgroup))


def wait_for_end(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(10_000)
    os.close(pidfd)


@pytest.fixture
def desk(machine: Machine) -> Iterator[Desk]:
    desk = Desk(machine)
    yield desk
    desk.leave()


def test_a_container_is_started_and_its_end_told(desk: Desk) -> None:
    launch, started = desk.start("sh", "-c", "exit 3")
    ended = desk.expect(Exited)
    assert (ended.container, ended.record.pid, ended.record.start_time) == (
        launch.spec.name,
        started.pid,
        started.start_time,
    )
    assert (ended.record.exit_code, ended.record.oom_killed) == (3, False)
    assert exits.read(launch.state) == ended.record
    assert not any(os.path.exists(directory) for _, directory in started.cgroup)


def test_an_end_is_told_again_until_it_is_forgotten(desk: Desk) -> None:
    """kill -9 of a supervisor: what happens meanwhile waits for the next one."""
    launch, started = desk.start("sh", "-c", "read go; echo last words; exit 5", stdin_open=True)
    desk.disconnect()
    pidfd = pidfd_open(started.pid)
    Path(launch.state, "stdin").write_text("go\n")
    wait_for_end(pidfd)
    for _ in range(2):
        desk.connect()
        assert desk.expect(Exited).record.exit_code == 5
        desk.disconnect()
    output = os.open(f"{launch.state}/stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert read_all(output) == "last words\n"
    os.close(output)
    desk.connect()
    desk.expect(Exited)
    desk.send(Forget(launch.spec.name))
    desk.send(OpenTerminal(8, "none"))
    desk.expect(Failed)  # it has read both
    desk.disconnect()
    desk.connect()
    desk.send(OpenTerminal(9, "none"))
    desk.expect(Failed)  # and no Exited before it
    assert exits.read(launch.state) is None


def started_ahead(project: str, socket_path: str) -> int:
    before = set(host.find("launcher", os.path.dirname(socket_path)))
    ahead.start(project, socket_path=socket_path, supervisor=())
    deadline = time.monotonic() + 20
    while not (found := set(host.find("launcher", os.path.dirname(socket_path))) - before):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a process has no event for its name; bounded
    return found.pop()


def test_a_launcher_started_ahead_begins_when_it_is_asked_for(machine: Machine) -> None:
    project = machine.paths.project(machine.where.project)
    pid = started_ahead(machine.where.project, project.launcher_socket)
    assert not os.path.exists(project.run)
    desk = Desk(machine)
    assert desk.hello.pid == pid
    desk.start("sleep", "600")
    assert os.readlink(f"/proc/{pid}/fd/2") == project.launcher_log
    desk.leave()


def test_a_launcher_started_ahead_is_not_needed_where_there_is_one(desk: Desk) -> None:
    there = desk.hello.pid
    pidfd = pidfd_open(started_ahead(desk.machine.where.project, desk.socket))
    desk.ensure()
    wait_for_end(pidfd)
    desk.disconnect()
    desk.connect()
    assert desk.hello.pid == there


def test_a_launcher_started_ahead_that_nobody_asks_for_leaves(machine: Machine) -> None:
    project = machine.paths.project(machine.where.project)
    pidfd = pidfd_open(started_ahead(machine.where.project, project.launcher_socket))
    ahead.dismiss()
    wait_for_end(pidfd)
    assert not os.path.exists(project.run)


def test_a_launcher_started_ahead_that_has_died_is_replaced(machine: Machine) -> None:
    project = machine.paths.project(machine.where.project)
    pid = started_ahead(machine.where.project, project.launcher_socket)
    pidfd = pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pidfd)
    desk = Desk(machine)
    assert desk.hello.pid != pid
    desk.leave()


def test_a_running_container_is_in_the_list(desk: Desk) -> None:
    launch, started = desk.start("sleep", "600")
    desk.disconnect()
    desk.connect()
    assert [(one.container, one.pid) for one in desk.running] == [(launch.spec.name, started.pid)]


def test_the_list_may_take_several_packets(desk: Desk) -> None:
    names = [f"{desk.machine.where.project}-web-{number}" for number in range(1, protocol.PORTION + 2)]
    for number, name in enumerate(names, 1):
        desk.start("sleep", "600", name=name, number=number)
    assert [one.container for one in desk.list_containers()] == names


def test_who_has_not_asked_for_the_list_is_not_told_of_ends(desk: Desk) -> None:
    _, started = desk.start("sleep", "600")
    with client.connect(desk.socket) as other:
        assert client.receive(other) is not None
        os.kill(started.pid, signal.SIGKILL)
        desk.expect(Exited)
        client.send(other, OpenTerminal(1, "none"))
        received = client.receive(other)
        assert received is not None
        assert isinstance(received.message, Failed)


def test_a_start_that_fails_is_told_with_its_error(desk: Desk) -> None:
    _, path = desk.write(desk.machine.spec("nonesuch"))
    desk.send(StartContainer(4, path))
    failed = desk.expect(Failed)
    error = client.error_of(failed)
    assert (failed.request, failed.exit_status, type(error)) == (4, 127, CommandNotFound)
    assert 'command "nonesuch" not found' in error.message


def test_a_container_that_runs_is_not_started_again(desk: Desk) -> None:
    launch, _ = desk.start("sleep", "600")
    desk.send(StartContainer(2, f"{launch.state}/launch.json"))
    assert "it is running" in desk.expect(Failed).message


def test_it_can_be_started_again_after_its_end(desk: Desk) -> None:
    for request in (1, 2, 3):
        launch, _ = desk.start("sh", "-c", "echo once; read go", request=request, stdin_open=True)
        assert exits.read(launch.state) is None
        Path(launch.state, "stdin").write_text("go\n")
        assert desk.expect(Exited).record.exit_code == 0
    output = os.open(f"{launch.state}/stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert read_all(output) == "once\n" * 3
    os.close(output)


def test_several_start_at_the_same_time(desk: Desk) -> None:
    names = {}
    for number in range(1, 9):
        spec = desk.machine.spec("sleep", "600", name=f"{desk.machine.where.project}-web-{number}", number=number)
        _, path = desk.write(spec)
        desk.send(StartContainer(number, path))
    for _ in range(8):
        started = desk.expect(Started)
        desk.started.append(started)
        names[started.request] = started.container
    assert names == {number: f"{desk.machine.where.project}-web-{number}" for number in range(1, 9)}


@pytest.mark.cgroup
def test_an_out_of_memory_kill_is_recognised(desk: Desk) -> None:
    desk.start(
        "sh", "-c", "tail -c 200m /dev/zero", resources=Resources(memory=16 << 20, memory_swap=16 << 20), init=True
    )
    ended = desk.expect(Exited).record
    assert (ended.exit_code, ended.oom_killed) == (137, True)
    assert ended.oom_kills > 0


def test_a_kill_is_not_taken_for_lack_of_memory(desk: Desk) -> None:
    _, started = desk.start("sleep", "600")
    os.kill(started.pid, signal.SIGKILL)
    ended = desk.expect(Exited).record
    assert (ended.exit_code, ended.status, ended.oom_killed) == (137, 9, False)


def test_a_process_runs_inside_and_its_end_is_told(desk: Desk) -> None:
    launch, _ = desk.start("sleep", "600")
    desk.run_inside(launch.spec.name, "sh", "-c", "exit 6")
    assert desk.expect(ProcessStarted).request == 7
    assert desk.expect(ProcessExited) == ProcessExited(7, 6 << 8)


def test_a_process_inside_is_killed_with_all_it_started(desk: Desk) -> None:
    launch, _ = desk.start("sleep", "600")
    desk.run_inside(launch.spec.name, "sh", "-c", "setsid sleep 601 & exec sleep 602")
    desk.expect(ProcessStarted)
    desk.send(KillProcess(7))
    assert desk.expect(ProcessExited) == ProcessExited(7, 9)


def test_processes_inside_end_with_the_connection_that_asked_for_them(desk: Desk) -> None:
    launch, _ = desk.start("sleep", "600")
    desk.run_inside(launch.spec.name, "sleep", "603")
    pidfd = pidfd_open(desk.expect(ProcessStarted).pid)
    desk.disconnect()
    wait_for_end(pidfd)
    desk.connect()


def test_a_process_in_a_container_that_is_not_there_fails(desk: Desk) -> None:
    desk.run_inside("none", "true")
    assert "cannot run a command in container none: it is not running" in desk.expect(Failed).message


def test_a_terminal_is_handed_out_again(desk: Desk) -> None:
    launch, path = desk.write(desk.machine.spec("sh", "-c", "read line; echo got $line", tty=True), stdio=Stdio.PTY)
    desk.send(StartContainer(1, path))
    started, fds = desk.expect_with(Started)
    desk.started.append(started)
    packets.close_all(fds)
    desk.disconnect()
    desk.connect()
    desk.send(OpenTerminal(2, launch.spec.name))
    _, (master,) = desk.expect_with(Terminal)
    os.write(master, b"it\n")
    assert [read_line(master) for _ in range(2)] == ["it", "got it"]
    os.close(master)
    desk.expect(Exited)


def test_nonsense_does_not_stop_it(desk: Desk) -> None:
    for packet in (b"\xff", b"{}", b'{"type_":"Nope"}', b'{"type_":"Forget"}', b'{"type_":"Forget","container":1}'):
        packets.send(desk.sock, packet)
    desk.send(OpenTerminal(2, "none"))
    assert desk.expect(Failed).request == 2


def kill_launcher(desk: Desk) -> None:
    pidfd = pidfd_open(desk.hello.pid)
    os.kill(desk.hello.pid, signal.SIGKILL)
    wait_for_end(pidfd)  # by then it has no socket any more
    desk.disconnect()


def pid_of_holder() -> int:
    """It is nobody's child, and so comes to pytest."""
    ours = f"/proc/self/task/{os.getpid()}/children"
    names = {int(pid): Path(f"/proc/{pid}/comm").read_text().strip() for pid in Path(ours).read_text().split()}
    return next(pid for pid, name in names.items() if name == "pycompose-hold")


def test_a_new_launcher_adopts_what_an_old_one_left(desk: Desk) -> None:
    """Holder included, it had been killed with the launcher."""
    launch, started = desk.start("sleep", "600")
    holder = pid_of_holder()
    os.kill(desk.hello.pid, signal.SIGSTOP)  # or it would start another
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    kill_launcher(desk)
    desk.ensure()
    desk.connect()
    assert desk.running == ()
    adoption = Adopt(5, f"{launch.state}/launch.json", started.pid, started.start_time, started.cgroup)
    desk.send(replace(adoption, start_time=1))
    assert "it has ended" in desk.expect(Failed).message
    desk.send(adoption)
    desk.expect(Adopted)
    desk.run_inside(launch.spec.name, "true")
    desk.expect(ProcessStarted)
    desk.expect(ProcessExited)
    os.kill(started.pid, signal.SIGTERM)  # PID 1 without a handler for it: ignored
    os.kill(started.pid, signal.SIGKILL)
    os.waitpid(started.pid, 0)  # orphans of this test come to pytest
    assert desk.expect(Exited).record.exit_code == 137


def test_what_ends_without_a_launcher_has_its_last_words_and_its_status_kept(desk: Desk) -> None:
    launch, started = desk.start("sh", "-c", "read go; echo last words; exit 9", stdin_open=True)
    kill_launcher(desk)
    Path(launch.state, "stdin").write_text("go\n")
    os.waitpid(started.pid, 0)
    desk.ensure()
    desk.connect()
    assert desk.running == ()
    assert desk.expect(Exited).record.exit_code == 9  # Linux 6.15; before that nobody can know
    output = os.open(f"{launch.state}/stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert read_all(output) == "last words\n"
    os.close(output)


def test_a_terminal_outlives_its_launcher(desk: Desk) -> None:
    launch, started = desk.start("sh", "-c", "read go; echo went $go; sleep 600", stdio=Stdio.PTY, tty=True)
    kill_launcher(desk)
    desk.ensure()
    desk.connect()
    assert [one.pid for one in desk.running] == [started.pid]
    desk.send(OpenTerminal(3, launch.spec.name))
    _, (master,) = desk.expect_with(Terminal)
    os.write(master, b"on\n")
    assert "went on" in read_line(master) + read_line(master)
    os.close(master)


def test_a_holder_that_is_killed_is_given_everything_again(desk: Desk) -> None:
    launch, started = desk.start("sleep", "600")
    holder = pid_of_holder()
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    desk.send(OpenTerminal(3, "none"))
    desk.expect(Failed)  # the launcher has come round once
    desk.send(OpenTerminal(4, "none"))
    desk.expect(Failed)
    kill_launcher(desk)
    desk.ensure()
    desk.connect()
    assert [(one.container, one.pid) for one in desk.running] == [(launch.spec.name, started.pid)]


def test_a_holder_that_was_taken_for_dead_leaves(desk: Desk) -> None:
    """Another one has its name then, and everything that it had."""
    desk.start("sleep", "600")
    holder = pid_of_holder()
    os.unlink(f"{os.path.dirname(desk.socket)}/holder.sock")
    kill_launcher(desk)
    assert os.waitpid(holder, 0)[1] == 0
    with pytest.raises(HostError, match="cannot reach the launcher"):
        client.connect(desk.socket)  # it has not started one either
    desk.ensure()
    desk.connect()


def test_its_interpreter_is_on_a_read_only_mount(desk: Desk) -> None:
    """CVE-2019-5736: the init of a container is a fork of it. (A write is ETXTBSY as long as anybody runs it.)"""
    exe = f"/proc/{desk.hello.pid}/exe"
    assert os.path.samestat(os.stat(exe), os.stat(os.path.realpath(sys.executable)))
    assert os.statvfs(exe).f_flag & os.ST_RDONLY
    assert not os.statvfs(sys.executable).f_flag & os.ST_RDONLY


def test_a_supervisor_that_dies_is_started_again(machine: Machine, tmp_path: Path) -> None:
    counter = tmp_path / "count"
    script = f"n=$(cat {counter} 2>/dev/null || echo 0); n=$((n+1)); echo $n > {counter}; [ $n = 3 ] || kill -9 $$"
    run_to_its_end(machine, ("/bin/sh", "-c", script))
    assert counter.read_text() == "3\n"


def test_a_supervisor_that_is_done_ends_its_launcher(machine: Machine) -> None:
    run_to_its_end(machine, ("/bin/true",))


def run_to_its_end(machine: Machine, supervisor: tuple[str, ...]) -> None:
    project = machine.paths.project(machine.where.project)
    os.makedirs(project.run)
    spawn.ensure(
        machine.where.project, socket_path=project.launcher_socket, log_path=project.launcher_log, supervisor=supervisor
    )
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (launcher,) = (pid for pid in children if "hold" not in Path(f"/proc/{pid}/comm").read_text())
    assert os.waitpid(int(launcher), 0)[1] == 0
    assert not os.path.exists(project.launcher_socket)


def test_a_supervisor_gets_a_connection(machine: Machine, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from composer.runtime.launcher import client\n"
        "message = client.receive(client.adopt_descriptor(int(sys.argv[-1]))).message\n"
        "open(sys.argv[2], 'w').write(type(message).__name__)\n"
    )
    said = tmp_path / "said"
    run_to_its_end(machine, (sys.executable, "-c", script, str(Path(__file__).parents[2]), str(said)))
    assert said.read_text() == "Hello"


def test_a_launcher_that_cannot_start_says_why(machine: Machine) -> None:
    project = machine.paths.project(machine.where.project)
    os.makedirs(project.run)
    nowhere = f"{project.run}/none/socket"
    with pytest.raises(HostError, match=r"cannot start the launcher of project .*: .*No such file or directory"):
        spawn.ensure(machine.where.project, socket_path=nowhere, log_path=project.launcher_log, supervisor=())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (launcher,) = (pid for pid in children if "hold" not in Path(f"/proc/{pid}/comm").read_text())
    os.waitpid(int(launcher), 0)


def test_a_socket_path_that_is_too_long_is_an_error(machine: Machine) -> None:
    too_long = f"{machine.paths.run}/{'x' * 120}"
    with pytest.raises(HostError, match="a socket's path has 107 bytes at most"):
        spawn.ensure(machine.where.project, socket_path=too_long, log_path="/none", supervisor=())


def test_a_second_ensure_finds_the_first_launcher(desk: Desk) -> None:
    desk.ensure()
    desk.disconnect()
    first = desk.hello.pid
    desk.connect()
    assert desk.hello.pid == first


def test_it_imports_little() -> None:
    """Every page of it is copied, or at least mapped, for each container."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import composer.runtime.launcher.process;"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(Path(__file__).parents[2])],
        check=True,
        capture_output=True,
        text=True,
    )
    heavy = {
        "anyio",
        "asyncio",
        "pydantic",
        "yaml",
        "structlog",
        "logging",
        "subprocess",
        "shutil",
        "tempfile",
        "threading",
    }
    heavy |= {"composer.linux.seccomp.compile", "composer.linux.seccomp.default", "pathlib", "random", "argparse"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_connection_keeps_what_a_slow_reader_has_not_read() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        ours.setblocking(False)
        connection = packets.Connection(ours)
        for number in range(1000):
            connection.send(b"%d" % number * 1000)
        behind = connection.behind
        received: list[int] = []
        while len(received) < 1000:
            packet = packets.receive(theirs)
            assert packet is not None
            received.append(int(packet.data[: len(packet.data) // 1000]))
            connection.flush()
        assert received == list(range(1000))
        assert (behind, connection.behind) == (True, False)
        connection.close()


def test_messages_come_back_as_they_were() -> None:
    record = exits.describe(pid=1, start_time=2, status=9, oom_kills=1, finished_ns=3)
    assert (record.exit_code, record.oom_killed) == (137, True)
    for message in (
        Hello(1, 2),
        Containers(1, (RunningContainer("a", 1, 2, (("memory", "/x"),)),), more=True),
        Started(1, "a", 2, 3, (("unified", "/y"),), ("warning",)),
        Exited("a", record),
        Exited("a", replace(record, status=None, exit_code=None)),
        Failed(1, "HostError", "cannot", None),
    ):
        assert protocol.decode_message(protocol.encode(message)) == message
    request = StartProcess(1, "a", Process(("x",), env=(("A", "ü"),)))
    assert protocol.decode_request(protocol.encode(request)) == request


def test_what_a_container_says_has_the_largest_room_there_is(desk: Desk) -> None:
    """Nobody has to read for that long: proc_sys_fs(5), pipe-max-size."""
    _, started = desk.start("sleep", "600")
    largest = int(Path("/proc/sys/fs/pipe-max-size").read_text())
    for number in (1, 2):
        fd = os.open(f"/proc/{started.pid}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) == largest
        finally:
            os.close(fd)
