from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from composer.linux import prctl
from composer.linux.clone import clone3
from composer.linux.identity import monotonic_start_ns, start_time
from composer.linux.keyring import join_session_keyring
from composer.linux.libc import libc
from composer.linux.namespaces import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUTS,
    NAMESPACE_FLAGS,
    setdomainname,
    sethostname,
    setns,
    unshare,
)
from composer.linux.pidfd import pidfd_getfd, pidfd_open, pidfd_send_signal, wait_status
from composer.linux.process import QUERY_PERSONALITY, UNAME26, close_range, personality, reset_signals
from composer.linux.statfs import CGROUP2_SUPER_MAGIC, PROC_SUPER_MAGIC, filesystem_magic, require_magic
from tests.linux.forked import errno_of, run_in_child


def reaped(pidfd: int) -> int:
    """The exit code, as the shell counts it, of our child `pidfd`; closes it."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)
    assert result is not None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def unified_hierarchy() -> Path | None:
    for path in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if path.exists() and filesystem_magic(path) == CGROUP2_SUPER_MAGIC:
            return path
    return None


class TestClone:
    @pytest.mark.root
    def test_the_child_is_pid_1_of_its_own_namespaces(self) -> None:
        pid, pidfd = clone3(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWTIME)
        if pid == 0:
            sethostname("inside")
            os._exit(7 if (os.getpid(), pidfd, os.uname().nodename) == (1, -1, "inside") else 1)
        assert not os.get_inheritable(pidfd)
        assert reaped(pidfd) == 7
        assert os.uname().nodename != "inside"

    def test_the_exit_status_is_known_after_the_reaping(self) -> None:
        pid, pidfd = clone3(0)
        if pid == 0:
            signal.pause()
        assert wait_status(pidfd) is None
        pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert wait_status(pidfd) == signal.SIGKILL
        assert errno_of(lambda: pidfd_send_signal(pidfd, 0)) == errno.ESRCH
        os.close(pidfd)

    def test_an_exit_code_is_kept_as_a_wait_status(self) -> None:
        pid, pidfd = clone3(0)
        if pid == 0:
            os._exit(3)
        os.waitpid(pid, 0)
        status = wait_status(pidfd)
        os.close(pidfd)
        assert status is not None
        assert os.waitstatus_to_exitcode(status) == 3

    @pytest.mark.root
    @pytest.mark.cgroup
    def test_the_child_is_born_in_its_cgroup(self, tmp_path: Path) -> None:
        root = unified_hierarchy()
        if root is None:
            pytest.skip("no cgroup v2 hierarchy is mounted")
        cgroup = root / f"pycompose-test-clone-{os.getpid()}"
        cgroup.mkdir()
        fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        try:
            pid, pidfd = clone3(0, cgroup_fd=fd)
            if pid == 0:
                signal.pause()
            members = (cgroup / "cgroup.procs").read_text().split()
            pidfd_send_signal(pidfd, signal.SIGKILL)
            assert reaped(pidfd) == -signal.SIGKILL
            assert members == [str(pid)]
        finally:
            os.close(fd)
            cgroup.rmdir()

    def test_a_failure_is_noted(self) -> None:
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            clone3(0, cgroup_fd=9999)
        assert caught.value.__notes__ == ["clone3({flags=0x200001000})"]

    def test_a_process_with_threads_is_refused(self) -> None:
        gate = threading.Event()
        thread = threading.Thread(target=gate.wait)
        thread.start()
        try:
            with pytest.raises(RuntimeError, match="2 threads"):
                clone3(0)
        finally:
            gate.set()
            thread.join()


class TestNamespaces:
    @pytest.mark.root
    def test_unshare_names_and_setns_back(self) -> None:
        def work() -> object:
            host = os.uname().nodename
            home = os.open("/proc/self/ns/uts", os.O_RDONLY)
            unshare(CLONE_NEWUTS)
            sethostname("web")
            setdomainname("example.org")
            inside = os.uname().nodename, Path("/proc/sys/kernel/domainname").read_text().strip()
            setns(home, CLONE_NEWUTS)
            return inside, os.uname().nodename == host

        assert run_in_child(work) == [["web", "example.org"], True]

    @pytest.mark.root
    def test_a_pidfd_joins_several_namespaces_at_once(self) -> None:
        pid, pidfd = clone3(CLONE_NEWUTS | CLONE_NEWNS)
        if pid == 0:
            signal.pause()

        def work() -> object:
            setns(pidfd, CLONE_NEWUTS | CLONE_NEWNS)
            return [os.readlink(f"/proc/{who}/ns/{kind}") for kind in ("uts", "mnt") for who in (pid, "self")]

        uts, own_uts, mnt, own_mnt = run_in_child(work)
        pidfd_send_signal(pidfd, signal.SIGKILL)
        reaped(pidfd)
        assert (uts, mnt) == (own_uts, own_mnt)
        assert uts != os.readlink("/proc/self/ns/uts")

    def test_every_kind_of_namespace_has_its_flag(self) -> None:
        kinds = {name for name in os.listdir("/proc/self/ns") if not name.endswith("_for_children")}
        assert kinds == set(NAMESPACE_FLAGS)


class TestSignals:
    def test_what_python_ignores_is_default_again_in_the_program(self) -> None:
        def status_of_the_program(prepare: bool) -> dict[str, str]:
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.dup2(writer, 1)
                signal.signal(signal.SIGUSR2, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGRTMIN])
                if prepare:
                    reset_signals()
                os.execv("/bin/cat", ["cat", "/proc/self/status"])
            os.close(writer)
            with os.fdopen(reader) as file:
                lines = {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
            os.waitpid(pid, 0)
            return {key: lines[key] for key in ("SigIgn", "SigBlk", "SigCgt")}

        assert set(status_of_the_program(prepare=True).values()) == {"0" * 16}
        assert "0" * 16 not in list(status_of_the_program(prepare=False).values())[:2]

    def test_handlers_are_gone_before_the_execve(self) -> None:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
            reset_signals()
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM


class TestProcess:
    def test_close_range_closes_all_from_the_first(self) -> None:
        def work() -> object:
            answer = int(max(os.listdir("/proc/self/fd"), key=int)) + 50
            os.dup2(0, answer)
            close_range(answer - 1)
            return errno_of(lambda: os.fstat(answer))

        assert run_in_child(work) == errno.EBADF

    def test_personality(self) -> None:
        def work() -> object:
            before = personality(UNAME26)
            return before, personality(QUERY_PERSONALITY), os.uname().release.startswith("2.6.")

        assert run_in_child(work) == [0, UNAME26, True]

    def test_start_time_is_read_past_any_name(self) -> None:
        pid = os.getpid()
        ticks = start_time(pid)
        comm = Path("/proc/self/comm")
        name = comm.read_text()
        comm.write_text(") R 1 (x) y")
        try:
            assert start_time(pid) == ticks
        finally:
            comm.write_text(name)

    def test_start_time_tells_processes_apart_and_in_order(self) -> None:
        uptime = float(Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK")
        assert start_time(1) < start_time(os.getpid()) <= uptime

    def test_start_time_of_nobody(self) -> None:
        with pytest.raises(ProcessLookupError, match="no process 4194305"):
            start_time(4194305)

    @pytest.mark.root
    def test_a_new_session_keyring(self) -> None:
        def work() -> object:
            first, second = join_session_keyring("pycompose-test"), join_session_keyring()
            return first > 0 and second > 0 and first != second

        assert run_in_child(work) is True


class TestPidfd:
    def test_open_and_signal(self) -> None:
        child = subprocess.Popen(["sleep", "60"])
        pidfd = pidfd_open(child.pid)
        pidfd_send_signal(pidfd, signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM
        os.close(pidfd)

    def test_open_of_nobody(self) -> None:
        assert errno_of(lambda: pidfd_open(4194304)) == errno.ESRCH

    def test_a_descriptor_is_copied_out_of_another_process(self) -> None:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pidfd = pidfd_open(child.pid)
        assert child.stdin is not None
        assert child.stdout is not None
        copy = pidfd_getfd(pidfd, 0)
        assert os.path.sameopenfile(copy, child.stdin.fileno())
        os.close(copy)
        os.close(pidfd)
        child.communicate()


class TestPrctl:
    def test_attributes_are_as_set(self) -> None:
        def work() -> object:
            prctl.set_no_new_privs()
            prctl.set_dumpable(False)
            prctl.set_child_subreaper(True)
            prctl.set_keepcaps(True)
            prctl.set_name("a name longer than fifteen")
            prctl.set_pdeathsig(signal.SIGTERM)
            held = ctypes.c_int()
            prctl.prctl(2, ctypes.addressof(held))  # PR_GET_PDEATHSIG
            return (
                prctl.prctl(prctl.PR_GET_NO_NEW_PRIVS),
                prctl.prctl(prctl.PR_GET_DUMPABLE),
                prctl.prctl(7),  # PR_GET_KEEPCAPS
                Path("/proc/thread-self/comm").read_text(),
                held.value,
            )

        assert run_in_child(work) == [1, 0, 1, "a name longer t\n", signal.SIGTERM]

    def test_a_subreaper_adopts(self) -> None:
        def work() -> object:
            prctl.set_child_subreaper(True)
            if os.fork() == 0:
                if os.fork() == 0:
                    os._exit(0)
                os._exit(0)
            return len([os.wait() for _ in range(2)])

        assert run_in_child(work) == 2


class TestStatfs:
    def test_magic_by_path_and_by_descriptor(self) -> None:
        fd = os.open("/proc/sys", os.O_PATH)
        try:
            assert filesystem_magic("/proc") == filesystem_magic(fd) == PROC_SUPER_MAGIC
            require_magic(fd, PROC_SUPER_MAGIC)
        finally:
            os.close(fd)

    def test_another_file_system_is_refused(self, tmp_path: Path) -> None:
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises(OSError, match="cross-device") as caught:
                require_magic(fd, PROC_SUPER_MAGIC)
            assert "not 0x9fa0" in caught.value.__notes__[0]
        finally:
            os.close(fd)


def test_the_room_is_small_to_import() -> None:
    """A container is a fork of the process that imports this room."""
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import composer.linux.mount, composer.linux.openat2, composer.linux.clone, composer.linux.process\n"
        "import composer.linux.capability, composer.linux.pidfd, composer.linux.namespaces\n"
        "print(*sorted({'typing', 'socket', 'subprocess', 'json', 'threading', 'logging'} & set(sys.modules)))"
    )
    source = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=source, capture_output=True, text=True, check=True
    )
    assert result.stdout == "\n"


def test_the_c_library_is_shared_with_nobody() -> None:
    """Argument types set on one function object must not be another module's."""
    assert libc["mount"] is not libc["mount"]


def test_the_start_of_a_process_is_told_by_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    with subprocess.Popen(["/bin/true"]) as child:
        began = monotonic_start_ns(child.pid)  # until it is reaped it is there
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        assert before - tick <= began <= time.monotonic_ns()
