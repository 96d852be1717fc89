"""Commands with a person in front of them: real terminals, real containers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.typist import Typist
from tests.conftest import Pycompose

pytestmark = pytest.mark.root

SHELL = """
services:
  shell: {rootfs: ROOTFS, command: sh, tty: true, stdin_open: true, stop_grace_period: 0s}
  cat: {rootfs: ROOTFS, command: cat, stdin_open: true, stop_grace_period: 0s}
  sleeper: {rootfs: ROOTFS, command: sleep 1000, stop_grace_period: 0s}
"""


@pytest.fixture
def shells(pycompose: Pycompose, busybox_rootfs: Path) -> Pycompose:
    (pycompose.directory / "compose.yaml").write_text(SHELL.replace("ROOTFS", str(busybox_rootfs)))
    pycompose("up", "-d")
    return pycompose


@contextmanager
def typist(pycompose: Pycompose, *words: str, size: tuple[int, int] = (24, 80)) -> Iterator[Typist]:
    with Typist(
        pycompose.argv(*words), environment=pycompose.environment, cwd=pycompose.directory, size=size
    ) as person:
        yield person


def test_a_shell_in_a_root_file_system(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    words = ("run", "--rm", "--rootfs", str(busybox_rootfs), "--hostname", "box", "--", "sh")
    with typist(pycompose, *words, size=(31, 97)) as person:
        person.read_until("# ")
        assert person.is_raw()
        person.type("stty size; hostname; tty\r")
        person.read_until("31 97\r\nbox\r\n/dev/(pts/0|console)\r\n")
        person.read_until("# ")
        person.resize(40, 120)
        person.type("stty size\r")
        person.read_until("40 120")
        person.type("sh -c 'echo asleep; exec sleep 1000'\r")
        person.read_until("\r\nasleep\r\n")
        person.type("\x03")
        person.read_until("# ")
        person.type("exit 7\r")
        assert person.wait() == 7
        assert person.is_as_before()
    assert pycompose("-p", "run", "ps", "-a", check=False).returncode == 1, "nothing is left of it"


def test_a_command_in_a_container(shells: Pycompose) -> None:
    with typist(shells, "exec", "-e", "GREETING=hello", "-w", "/tmp", "shell", "sh", size=(20, 50)) as person:
        person.read_until("# ")
        person.type("stty size; echo $GREETING; pwd\r")
        person.read_until("20 50\r\nhello\r\n/tmp\r\n")
        person.read_until("# ")  # until then the terminal itself would take the end of file, and the shell never see it
        person.type("\x04")
        assert person.wait() == 0
        assert person.is_as_before()


@pytest.mark.parametrize("words", [("exec", "sleeper", "sh"), ("run", "--rm", "sleeper", "sh")], ids=["exec", "run"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_signal_leaves_a_terminal_as_it_was(
    shells: Pycompose, words: tuple[str, ...], number: signal.Signals
) -> None:
    with typist(shells, *words) as person:
        person.read_until("# ")
        person.type("trap 'exit 9' TERM HUP; echo ready\r")
        person.read_until("\nready")
        assert person.is_raw()
        person.send_signal(number)
        person.type("\r")  # a shell that reads a line runs its trap after it
        assert person.wait() == 9
        assert person.is_as_before()


def test_somebody_who_insists_gets_his_way(shells: Pycompose) -> None:
    with typist(shells, "exec", "sleeper", "sh", "-c", "trap '' TERM; echo ready; sleep 1000") as person:
        person.read_until("ready")
        while not person.has_ended():
            person.send_signal(signal.SIGTERM)
        assert person.wait() == 137
        assert person.is_as_before()


def test_being_stopped_and_continued(shells: Pycompose) -> None:
    with typist(shells, "exec", "shell", "sh") as person:
        person.read_until("# ")
        person.send_signal(signal.SIGTSTP)
        person.wait_stopped()
        assert person.is_as_before()
        person.resize(10, 20)
        person.send_signal(signal.SIGCONT)
        person.type("stty size\r")
        person.read_until("10 20")
        assert person.is_raw()
        person.type("exit\r")
        assert person.wait() == 0
        assert person.is_as_before()


def test_attaching_to_a_shell_and_leaving_it_running(shells: Pycompose) -> None:
    with typist(shells, "attach", "shell", size=(12, 34)) as person:
        person.type("stty size; echo $((6 * 7))\r")
        person.read_until("12 34\r\n42\r\n")
        assert person.is_raw()
        person.type("\x10\x11")
        assert person.wait() == 0
        assert person.is_as_before()
    with typist(shells, "attach", "--detach-keys", "ctrl-x", "shell") as person:
        person.type("\r")
        person.read_until("# ")
        person.type("exit 5\r")
        assert person.wait() == 5


def test_attaching_without_a_terminal(shells: Pycompose) -> None:
    with subprocess.Popen(
        shells.argv("attach", "cat"),
        env=shells.environment,
        cwd=shells.directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"to and fro\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"to and fro\n"
        process.send_signal(signal.SIGKILL)


def test_exec_is_a_filter(shells: Pycompose) -> None:
    data = os.urandom(1 << 20)
    done = subprocess.run(
        shells.argv("exec", "-T", "sleeper", "cat"),
        input=data,
        env=shells.environment,
        cwd=shells.directory,
        capture_output=True,
        check=True,
    )
    assert done.stdout == data


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 42"), 42),
        (("sh", "-c", "kill -9 $$"), 137),
        (("nothing-like-it",), 127),
        (("/etc/passwd",), 126),
    ],
)
def test_the_exit_status_of_exec(shells: Pycompose, words: tuple[str, ...], status: int) -> None:
    done = shells("exec", "sleeper", *words, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_exec_options(shells: Pycompose) -> None:
    assert shells("exec", "-u", "app", "sleeper", "id", "-un").stdout == "app\n"
    assert shells("exec", "-e", "A=1", "sleeper", "--", "sh", "-c", "echo $A").stdout == "1\n"
    capabilities = ("grep", "CapEff", "/proc/self/status")
    usual = shells("exec", "sleeper", *capabilities).stdout
    assert shells("exec", "--privileged", "sleeper", *capabilities).stdout > usual
    assert shells("exec", "-d", "sleeper", "touch", "/tmp/flag").stdout == ""
    shells("exec", "sleeper", "sh", "-c", "until [ -e /tmp/flag ]; do sleep 0.05; done")


def test_what_exec_left_running_does_not_hold_up_the_end(shells: Pycompose) -> None:
    """PID 1 of a container ends when all in it are reaped: here nobody reaps orphans, and a stopped `exec` cannot."""
    shells("exec", "-d", "sleeper", "sleep", "1000")
    argv = shells.argv("exec", "sleeper", "sh", "-c", "echo ready; exec sleep 1000")
    with subprocess.Popen(argv, env=shells.environment, cwd=shells.directory, stdout=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == b"ready\n"
        stopped.send_signal(signal.SIGSTOP)
        shells("stop", "sleeper", timeout=20)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait(20) == 137


def test_exec_goes_on_when_its_terminal_end_is_killed(shells: Pycompose) -> None:
    argv = shells.argv("exec", "-T", "sleeper", "sh", "-c", "echo ready; sleep 0.2; touch /tmp/flag")
    with subprocess.Popen(argv, env=shells.environment, cwd=shells.directory, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"ready\n"
        killed.kill()
    shells("exec", "sleeper", "sh", "-c", "until [ -e /tmp/flag ]; do sleep 0.05; done")


def test_exec_in_a_container_whose_launcher_has_died(shells: Pycompose) -> None:
    pid = shells("inspect", "sleeper", "--format", "{{.State.Pid}}").stdout.strip()
    launcher = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    os.kill(int(launcher), signal.SIGKILL)
    assert shells("exec", "sleeper", "echo", "hello").stdout == "hello\n"


def test_exec_in_a_container_of_a_foreground_run(shells: Pycompose) -> None:
    with typist(shells, "run", "--rm", "--name", "visitor", "sleeper", "sh") as person:
        person.read_until("# ")
        assert shells("exec", "visitor", "sh", "-c", "exit 4", check=False).returncode == 4
        assert shells("exec", "-d", "visitor", "sleep", "1000").stdout == ""
        failed = shells("exec", "-d", "visitor", "nothing-like-it", check=False)
        assert (failed.returncode, failed.stdout) == (127, "")
        assert "nothing-like-it" in failed.stderr
        person.type("exit 6\r")
        assert person.wait() == 6


ENDING = """
services:
  lasting: {rootfs: ROOTFS, command: sh -c 'echo lasting; exec sleep 1000', stop_grace_period: 0s}
  ending: {rootfs: ROOTFS, command: "sh -c 'echo ending >&2; exit 4'", depends_on: [lasting]}
"""


@pytest.fixture
def ending(pycompose: Pycompose, busybox_rootfs: Path) -> Pycompose:
    (pycompose.directory / "compose.yaml").write_text(ENDING.replace("ROOTFS", str(busybox_rootfs)))
    return pycompose


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--abort-on-container-exit",), 4),
        (("--abort-on-container-failure",), 4),
        (("--exit-code-from", "ending"), 4),
        (("--exit-code-from", "lasting"), 137),
    ],
)
def test_up_ends_with_a_container(ending: Pycompose, words: tuple[str, ...], status: int) -> None:
    done = ending("up", *words, check=False)
    assert done.returncode == status
    assert "lasting-1  | lasting\n" in done.stdout
    assert "ending-1   | ending\n" in done.stderr
    assert "ending-1 exited with code 4\n" in done.stderr
    assert ending("ps", "--services").stdout == ""


def test_up_ends_when_nothing_runs(ending: Pycompose) -> None:
    done = ending("up", "--no-deps", "ending")
    assert "ending-1 exited with code 4" in done.stderr


def test_up_shows_whose_output_is_asked_for(ending: Pycompose) -> None:
    done = ending("up", "--abort-on-container-exit", "--no-attach", "lasting", "--no-log-prefix", check=False)
    assert done.stdout == ""
    assert "\nending\n" in f"\n{done.stderr}"


@pytest.mark.parametrize("progress", ["plain", "tty", "quiet", "json"])
def test_an_interrupt_stops_what_up_has_started(ending: Pycompose, progress: str) -> None:
    with typist(ending, "--progress", progress, "up", "lasting") as person:
        person.read_until(r"lasting-1  \| (\x1b\[0m)?lasting")
        person.type("\x03")
        assert person.wait() == 0
        assert "Gracefully stopping" in person.screen
        assert person.is_as_before()
    assert ending("ps", "--services").stdout == ""


def test_a_second_interrupt_kills(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    (pycompose.directory / "compose.yaml").write_text(
        f"services:\n  deaf:\n    rootfs: {busybox_rootfs}\n    stop_grace_period: 10m\n"
        "    command: [sh, -c, 'trap \"echo heard\" TERM; echo ready; while :; do sleep 1000 & wait; done']\n"
    )
    with typist(pycompose, "up") as person:
        person.read_until(r"deaf-1  \| (\x1b\[0m)?ready")
        person.type("\x03")
        person.read_until(r"deaf-1  \| (\x1b\[0m)?heard")
        person.type("\x03")
        assert person.wait() == 0
        assert "deaf-1 exited with code 137" in person.screen


def test_run_starts_what_the_service_needs(ending: Pycompose) -> None:
    done = ending("run", "--rm", "-T", "ending", "sh", "-c", "echo $0; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "sh\n")
    assert ending("ps", "--services").stdout == "lasting\n"


def test_run_takes_its_limits_from_the_command_line(ending: Pycompose) -> None:
    words = ("--mem", "64M", "--cpus", "0.5", "--hostname", "box", "--cap-drop", "ALL", "--read-only", "-u", "app")
    name = ending("run", "-d", "--no-deps", *words, "lasting", "sleep", "1000").stdout.strip()
    found = json.loads(ending("inspect", name).stdout)[0]
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert found["HostConfig"]["NanoCpus"] == 500_000_000
    assert (found["Config"]["Hostname"], found["Config"]["User"]) == ("box", "app")
    assert found["HostConfig"]["Capabilities"] == []
    assert found["HostConfig"]["ReadonlyRootfs"] is True


def test_run_takes_variables_from_files(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    (pycompose.directory / "some.env").write_text("A=1\nB='two words' # so\nC=${HOME_OF_C}\n")
    pycompose.environment["HOME_OF_C"] = "3"
    words = ("run", "--rm", "--rootfs", str(busybox_rootfs), "--env-from-file", "some.env", "-e", "A=4")
    assert pycompose(*words, "--", "sh", "-c", "echo $A $B $C").stdout == "4 two words 3\n"
    (pycompose.directory / "some.env").write_text("A B=1\n")
    refused = pycompose(*words, "--", "true", check=False)
    assert (refused.returncode, "some.env:1:" in refused.stderr) == (15, True), refused.stderr
    (pycompose.directory / "some.env").unlink()
    refused = pycompose(*words, "--", "true", check=False)
    assert (refused.returncode, "cannot read the variables in some.env: No such file" in refused.stderr) == (14, True)


def test_an_out_of_memory_kill_of_a_one_off_is_told(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    words = ("run", "--rm", "--mem", "16M", "--rootfs", str(busybox_rootfs), "--", "tail", "/dev/zero")
    done = pycompose(*words, check=False)
    assert done.returncode == 137
    assert "out of memory (limit 16MiB)" in done.stderr


def test_a_one_off_that_cannot_start_leaves_nothing(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    done = pycompose("run", "--rootfs", str(busybox_rootfs), "--", "nothing-like-it", check=False)
    assert done.returncode == 127
    assert "nothing-like-it" in done.stderr
    assert list(Path(pycompose.paths.run).glob("*")) == []


def test_a_foreground_container_is_nobody_elses_as_long_as_it_is_kept(shells: Pycompose) -> None:
    with typist(shells, "run", "--rm", "--name", "visitor", "sleeper", "sh") as person:
        person.read_until("# ")
        shells("restart", "cat")
        assert "visitor" in shells("ps", "--format", "{{.Name}}").stdout
        person.type("exit 6\r")
        assert person.wait() == 6
    assert "visitor" not in shells("ps", "-a", "--format", "{{.Name}}").stdout


def test_a_foreground_container_outlives_a_killed_keeper_and_goes_down_with_its_project(
    pycompose: Pycompose, busybox_rootfs: Path
) -> None:
    argv = pycompose.argv("run", "--rootfs", str(busybox_rootfs), "--", "sh", "-c", "echo ready; sleep 1000")
    with subprocess.Popen(argv, env=pycompose.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"ready\n"
        while "Up" not in pycompose("-p", "run", "ps").stdout:
            pass
        keeper.kill()
    pid = json.loads(pycompose("-p", "run", "inspect").stdout)[0]["State"]["Pid"]
    reaper = threading.Thread(target=lambda: os.waitpid(pid, 0))  # a host's init would do it; here orphans are ours
    reaper.start()
    pycompose("-p", "run", "down", "-t", "0")
    reaper.join(20)
    assert list(Path(pycompose.paths.run).glob("*")) == []


@pytest.mark.parametrize("words", [(), ("--rm",)], ids=["kept", "rm"])
def test_down_ends_the_container_of_a_foreground_run(
    pycompose: Pycompose, busybox_rootfs: Path, words: tuple[str, ...]
) -> None:
    argv = (
        "run",
        *words,
        "--rootfs",
        str(busybox_rootfs),
        "--",
        "sh",
        "-c",
        "trap 'exit 3' TERM; echo ready; sleep 1000 & wait",
    )
    with typist(pycompose, *argv) as person:
        person.read_until("ready")
        done = pycompose("-p", "run", "down")
        assert "Stopped" in done.stderr
        assert person.wait() == 3, person.screen
    assert list(Path(pycompose.paths.run).glob("*")) == []
    assert list(Path(f"{pycompose.paths.root}/projects").glob("*/*")) == []


def test_down_ends_what_no_record_tells_of(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    """A `run` that is killed between the start of its container and the record leaves no more than a cgroup."""
    argv = pycompose.argv("run", "--rootfs", str(busybox_rootfs), "--", "sh", "-c", "echo ready; exec sleep 1000")
    with subprocess.Popen(argv, env=pycompose.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"ready\n"
        killed.kill()
    for record in Path(pycompose.paths.run).glob("run/containers/*/record.json"):
        record.unlink()
    pycompose("-p", "run", "down")


def test_wait_gives_the_exit_status(ending: Pycompose) -> None:
    ending("up", "-d", "lasting")
    waited: list[subprocess.CompletedProcess[str]] = []
    waiting = threading.Thread(target=lambda: waited.append(ending("wait", "lasting", check=False)))
    with _following(ending) as next_action:
        waiting.start()
        ending("kill", "lasting")
        while next_action() != "die":
            pass
    waiting.join(20)
    assert (waited[0].returncode, waited[0].stdout) == (137, "137\n")


@contextmanager
def _following(pycompose: Pycompose) -> Iterator[Callable[[], str]]:
    argv = pycompose.argv("events", "--json", "--since", "0")
    with subprocess.Popen(
        argv, env=pycompose.environment, cwd=pycompose.directory, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = process.stdout
        try:
            yield lambda: str(json.loads(lines.readline())["action"])
        finally:
            process.kill()
