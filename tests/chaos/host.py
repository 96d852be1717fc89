"""The processes of one project as the host sees them: found, hurt, and collected when they are orphans."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from composer.linux import nftables

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
_LOOK_AGAIN = 0.02  # seconds
LONGEST_QUERY = 30.0  # seconds; busybox gives up before
RESOLVER = "127.0.0.11"
KINDS = {  # and their comm
    "supervisor": "pycompose-super",
    "launcher": "pycompose-launc",
    "holder": "pycompose-hold",
    "attendant": "pycompose-atten",
    "porter": "pycompose-ports",
}
HOLDERS = ("supervisor", "launcher", "holder")  # of pipes and pidfds; the launcher sees to it that there is one of each

_libc = ctypes.CDLL(None, use_errno=True)


def isolate() -> None:
    """Be the parent of every orphan; mounts and interfaces in namespaces of our own, so that each one counts."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
    _check(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # what is published is reached through it


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Reaper:
    """Collects orphans that have ended, as an init does. `owned` are children that somebody else waits for."""

    def __init__(self) -> None:
        self.owned: set[int] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_AGAIN):
            for pid in children():
                if pid not in self.owned and _comm_and_state(pid)[1] == "Z":
                    try:
                        os.waitpid(pid, os.WNOHANG)
                    except ChildProcessError:
                        pass  # it was somebody's after all


def children() -> set[int]:
    """Our children, of whichever thread."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found.update(map(int, Path(f"/proc/self/task/{task}/children").read_text().split()))
        except OSError:
            continue  # a thread that has ended
    return found


def _comm_and_state(pid: int) -> tuple[str, str]:
    try:
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return "", "X"
    return head.partition("(")[2], tail.split()[0]


def find(kind: str, run: str) -> list[int]:
    """The live processes of one kind that serve this directory.

    A launcher's forks on their way to be a container look the same: they are in another pid namespace.
    """
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if len(words) < 5 or f'"{run}'.encode() not in words[4]:
                continue
            if os.readlink(f"/proc/{name}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                continue
        except OSError:
            continue
        comm, state = _comm_and_state(int(name))
        if comm == KINDS[kind] and state not in "ZX":
            found.append(int(name))
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Signal them; one that has ended meanwhile is no loss."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped it."""
    return _comm_and_state(pid)[1] == "T"


def described(pid: int) -> str:
    """A process in words."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return f"{pid} (gone)"
    comm, state = _comm_and_state(pid)
    return f"{pid} ({comm}, {state}) {words[:160]}"


def mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def interfaces() -> set[str]:
    return {line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]}


def tables() -> set[str]:
    """The tables of nftables."""
    return set(nftables.run("list tables").splitlines())


def resolved(name: str, pid: int) -> set[str]:
    """The IPv4 addresses that a process finds under a name, asked as a container asks."""
    asked = ["nsenter", f"--net=/proc/{pid}/ns/net", "busybox", "nslookup", "-type=a", name, RESOLVER]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=LONGEST_QUERY).stdout
    _, _, answer = said.partition("\n\n")  # above it stands whom it asks
    return {line.split()[-1] for line in answer.splitlines() if line.startswith("Address")}


def fetched(port: int, path: str) -> str:
    """A file from the web server behind a port of the host, "" where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=LONGEST_QUERY) as response:
            text: str = response.read().decode()
            return text
    except OSError:
        return ""


def cgroups(project: str) -> dict[str, set[int]]:
    """Every cgroup directory of a project, with the processes in it."""
    found: dict[str, set[int]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup" not in line:
            continue
        top = line.split()[4]
        for above in (f"{top}/pycompose/{project}", f"{top}/system.slice/pycompose-{project}.scope"):
            for directory, _, _ in os.walk(above):
                try:
                    found[directory] = set(map(int, Path(directory, "cgroup.procs").read_text().split()))
                except OSError:
                    continue  # it went this moment
    return found


def patiently(seconds: float, question: Callable[[], list[str]]) -> list[str]:
    """What a question that lists what is wrong lists at last: asked until that is nothing, or time is up."""
    deadline = time.monotonic() + seconds
    while (answer := question()) and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN)
    return answer
