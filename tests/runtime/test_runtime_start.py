"""Starting a container: what goes wrong is said in one sentence, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from pathlib import Path

import pytest

from composer.errors import CommandNotExecutable, CommandNotFound, HostError, PycomposeError
from composer.runtime import container, executable, sysctl
from composer.runtime.child import ROAD, Child
from composer.runtime.failures import SENTENCES
from composer.runtime.launch import Launch
from composer.spec import codec
from composer.spec.cgroup import Resources
from composer.spec.container import Join, Namespaces
from composer.spec.mounts import Bind
from composer.spec.process import Rlimit
from tests.runtime.containers import Machine

pytestmark = pytest.mark.root


def tree(top: str) -> set[str]:
    return {os.path.join(directory, name) for directory, below, files in os.walk(top) for name in (*below, *files)}


@pytest.mark.parametrize("step", [name for name, _ in ROAD])
def test_a_step_that_fails_is_named_and_leaves_nothing(machine: Machine, step: str, tmp_path: Path) -> None:
    def fail(_child: Child) -> None:
        raise OSError(errno.EMFILE, "")

    road = tuple((name, fail if name == step else take) for name, take in ROAD)
    os.makedirs(machine.paths.project(machine.where.project).run)
    source = tmp_path / "made"
    launch = machine.launch(machine.spec("true", mounts=(Bind(str(source), "/data", create_source=True),)))
    os.makedirs(launch.cache)
    os.makedirs(f"{launch.cache}/seccomp")
    container.begin(machine.launch(machine.spec("true")), where=machine.where, road=()).abandon()
    before = tree(os.path.dirname(machine.paths.run))
    sentence = SENTENCES[step].partition("{")[0].rstrip(" (")
    with pytest.raises(HostError, match=f"cannot start container .*: {sentence}.*: Too many open files"):
        container.begin(launch, where=machine.where, road=road).finish()
    assert tree(os.path.dirname(machine.paths.run)) == before
    assert [project.project for project in machine.where.trees if os.path.exists(f"{project.project}/web-1")] == []
    assert not source.exists()


def test_a_defect_in_a_step_ends_the_child(machine: Machine) -> None:
    def fail(_child: Child) -> None:
        raise ZeroDivisionError("of our own")

    starting = container.begin(machine.launch(machine.spec("true")), where=machine.where, road=(("MOUNTS", fail),))
    with pytest.raises(HostError, match="cannot mount : ZeroDivisionError: of our own"):
        starting.finish()


def test_a_child_whose_parent_is_gone_undoes_nothing(machine: Machine, tmp_path: Path) -> None:
    """The parent's stack of things to undo is in its memory too: FIFOs, directories, cgroups that are in use."""
    launch = machine.launch(machine.spec("true"))
    reported = tmp_path / "reported"

    def fail_unheard(child: Child) -> None:
        os.close(child.writer)  # writing to it fails, as it does when its reader has died
        reported.touch()
        raise OSError(errno.EMFILE, "")

    starting = container.begin(launch, where=machine.where, road=(("MOUNTS", fail_unheard),))
    pid = starting.started.pid
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 125)
    assert reported.exists()
    assert os.path.exists(f"{launch.state}/stdout")
    starting.abandon()


def test_a_child_that_is_killed_is_said_to_be(machine: Machine) -> None:
    def die(_child: Child) -> None:
        os.kill(os.getpid(), 11)
        os.kill(os.getppid() or 1, 0)
        os._exit(3)

    road = (("DETACH", die),)
    with pytest.raises(HostError, match=r"its process (was killed by SIGSEGV|ended without a word)"):
        container.begin(machine.launch(machine.spec("true")), where=machine.where, road=road).finish()


def test_a_start_can_be_abandoned(machine: Machine) -> None:
    container.begin(machine.launch(machine.spec("sleep", "60")), where=machine.where).abandon()


COMMANDS: list[tuple[str, type[PycomposeError], int, str]] = [
    ("nonesuch", CommandNotFound, 127, 'command "nonesuch" not found in its root file system (PATH=/usr/local/sbin'),
    ("/bin/nonesuch", CommandNotFound, 127, 'command "/bin/nonesuch" not found in its root file system'),
    ("/bin/sh/x", CommandNotFound, 127, "not found in its root file system"),
    ("/etc", CommandNotExecutable, 126, "it is a directory"),
    ("/etc/passwd", CommandNotExecutable, 126, "not executable"),
    ("/dev/null", CommandNotExecutable, 126, "not a regular file"),
    ("/srv/text", CommandNotExecutable, 126, "neither a program nor a script with a #! line"),
    ("/srv/script", CommandNotExecutable, 126, "its interpreter /bin/nonesuch is not in the root file system"),
    ("/srv/windows", CommandNotExecutable, 126, "Windows line endings"),
    ("/srv/other", CommandNotExecutable, 126, "it is a program for "),
    ("/srv/empty", CommandNotExecutable, 126, "the file is empty"),
]
OTHER_MACHINE = 183 if os.uname().machine != "aarch64" else 62


@pytest.fixture
def machine_with_programs(machine: Machine, tmp_path: Path) -> Machine:
    programs = tmp_path / "programs"
    programs.mkdir()
    head = bytearray(b"\x7fELF\x02\x01\x01".ljust(64, b"\0"))
    struct.pack_into("<H", head, 18, OTHER_MACHINE)
    contents = {
        "text": b"echo no interpreter\n",
        "script": b"#!/bin/nonesuch\n",
        "windows": b"#!/bin/sh\r\necho\r\n",
        "other": bytes(head),
        "empty": b"",
    }
    for name, content in contents.items():
        (programs / name).write_bytes(content)
        (programs / name).chmod(0o755)
    machine.programs = Bind(str(programs), "/srv")
    return machine


@pytest.mark.parametrize(("command", "kind", "exit_status", "words"), COMMANDS)
def test_a_command_that_cannot_be_executed_says_why(
    machine_with_programs: Machine, command: str, kind: type[PycomposeError], exit_status: int, words: str
) -> None:
    machine = machine_with_programs
    assert machine.programs is not None
    with pytest.raises(kind, match=re.escape(words)) as caught:
        machine.run(command, mounts=(machine.programs,))
    assert caught.value.exit_status == exit_status
    assert caught.value.message.startswith(f"cannot start container {machine.where.project}-web-1: ")


def test_a_command_is_looked_for_as_its_user(machine: Machine) -> None:
    """A file that only root may execute is none for others, and a later one in PATH is taken."""
    script = "mkdir -p /a /b; cp /bin/busybox /a/echo; chmod 700 /a/echo; ln -s /bin/busybox /b/echo"
    machine.sh(script)
    assert machine.run("echo", "hi", user="app", env=(("PATH", "/a:/b"),)).lines == ["hi"]
    with pytest.raises(CommandNotExecutable, match="/a/echo: permission denied"):
        machine.run("echo", "hi", user="app", env=(("PATH", "/a"),))


def test_the_environment_is_dockers_below_the_users(machine: Machine) -> None:
    ended = machine.run("env", env=(("A", "1"), ("A", "2"), ("EMPTY", "")))
    assert set(ended.lines) == {
        *("A=2", "EMPTY=", "HOME=/root", "HOSTNAME=box"),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def test_a_missing_layer_is_named(machine: Machine) -> None:
    machine.rootfs = Path("/nonesuch")
    with pytest.raises(HostError, match="cannot mount its root file system over /nonesuch: No such file or directory"):
        machine.run("true")


def test_a_process_to_join_that_is_gone_is_an_error(machine: Machine) -> None:
    spaces = Namespaces(network=Join("a"))
    with pytest.raises(HostError, match="cannot join network namespace: the container to join is not running"):
        machine.start("true", namespaces=spaces)
    with pytest.raises(HostError, match="it has ended"):
        machine.start("true", namespaces=spaces, joins=(("network", os.getpid(), 1),))


def test_an_exit_code_is_passed_on(machine: Machine) -> None:
    assert machine.sh("exit 3").exit_code == 3
    assert machine.sh("kill -9 $$; sleep 9", init=True).exit_code == 137


@pytest.mark.cgroup
def test_a_limit_too_small_to_start_in_says_so(machine: Machine) -> None:
    steps = dict(ROAD)
    launch = machine.launch(machine.spec("true", resources=Resources(memory=6 << 20)))

    def need_more(child: Child) -> None:
        steps["CGROUP"](child)
        bytearray(b"x" * (64 << 20))

    road = (("DETACH", steps["DETACH"]), ("CGROUP", need_more))
    with pytest.raises(HostError, match="memory limit of 6291456 bytes is too small"):
        container.begin(launch, where=machine.where, road=road).finish()


@pytest.mark.cgroup
def test_a_small_limit_is_enough_for_a_small_program(machine: Machine) -> None:
    assert machine.run("true", resources=Resources(memory=6 << 20)).exit_code == 0


@pytest.mark.cgroup
def test_a_tiny_share_of_a_processor_does_not_slow_the_start(machine: Machine) -> None:
    assert machine.run("true", resources=Resources(nano_cpus=10_000_000)).exit_code == 0


def test_rlimits_are_set_or_cut_with_a_warning(machine: Machine) -> None:
    ended = machine.sh("ulimit -n; ulimit -Hn", rlimits=(Rlimit("nofile", 100, 200),))
    assert ended.lines == ["100", "200"]
    assert ended.warnings == ()
    ended = machine.sh("ulimit -c; ulimit -Hn", rlimits=(Rlimit("core", -1, -1), Rlimit("nofile", 2**30, 2**30)))
    assert ended.lines[0] == "unlimited"
    assert ended.lines[1] != str(2**30)
    assert [warning.partition(":")[0] for warning in ended.warnings] == [f"ulimit nofile {2**30}"]


def test_limits_that_would_stop_our_own_work_are_no_problem(machine: Machine) -> None:
    limits = (Rlimit("nofile", 4, 4), Rlimit("as", 8 << 20, 8 << 20), Rlimit("fsize", 0, 0), Rlimit("nproc", 1, 1))
    assert machine.run("true", rlimits=limits).exit_code == 0


def test_an_unknown_limit_is_an_error(machine: Machine) -> None:
    with pytest.raises(HostError, match="cannot set ulimit nofiles"):
        machine.run("true", rlimits=(Rlimit("nofiles", 1, 1),))


def test_oom_score_adj_is_set(machine: Machine) -> None:
    assert machine.run("cat", "/proc/self/oom_score_adj", oom_score_adj=321).lines == ["321"]


def test_pipes_are_large_and_never_break(machine: Machine) -> None:
    """Nobody reads, and a reader may go: the container hears nothing of it."""
    ended = machine.sh("head -c 1000000 /dev/zero | tr '\\0' x; echo >&2 done")
    assert (len(ended.stdout), ended.stderr) == (1_000_000, "done\n")


def test_output_that_nobody_will_ever_read_harms_nobody(machine: Machine) -> None:
    """Launcher and supervisor have died: no SIGPIPE, no EPIPE."""
    started = machine.start("sh", "-c", "read go; echo a && echo b >&2 && exit 3", stdin_open=True)
    stdin, *readers = started.kept
    with open("/dev/null") as null:
        for reader in readers:
            os.dup2(null.fileno(), reader, inheritable=False)
    os.write(stdin, b"go\n")
    assert machine.wait(started) == 3


def test_standard_input_is_empty_unless_asked_for(machine: Machine) -> None:
    assert machine.sh("cat; readlink /proc/self/fd/0").lines == ["/dev/null"]


def test_standard_input_comes_through_a_fifo(machine: Machine) -> None:
    started = machine.start("head", "-n", "1", stdin_open=True)
    path = f"{machine.paths.project(machine.where.project).state(f'{machine.where.project}-web-1')}/stdin"
    assert stat.S_ISFIFO(os.stat(path).st_mode)
    Path(path).write_text("line\n")
    assert machine.wait(started) == 0
    assert os.read(started.kept[1], 100) == b"line\n"


def test_a_launch_survives_its_file(machine: Machine) -> None:
    launch = machine.launch(machine.spec("true", mounts=(Bind("/a", "/b"),)), joins=(("pid", 1, 2),))
    assert codec.loads(Launch, codec.dumps(launch)) == launch


def test_a_loader_that_is_missing_is_found_in_the_head() -> None:
    head = bytearray(b"\x7fELF\x02\x01\x01".ljust(200, b"\0"))
    struct.pack_into("<H", head, 18, next(n for n, name in executable.MACHINES.items() if name == os.uname().machine))
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    struct.pack_into("<IIQQQQQQ", head, 64, 3, 0, 120, 0, 0, 12, 12, 1)
    head[120:132] = b"/lib/none.so"
    assert executable.reason_in(bytes(head)) == "its loader /lib/none.so is not in the root file system"


@pytest.mark.parametrize("name", ["net/../kernel/panic", "net/./x", "fs.mqueue.", "net/"])
def test_sysctl_names_stay_in_their_tree(name: str) -> None:
    with pytest.raises(HostError, match="it is not the name of a kernel parameter"):
        sysctl.settings(((name, "1"),), Namespaces())
