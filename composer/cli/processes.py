"""The processes of a container as `ps -ef` shows them, read from its cgroup and from proc(5)."""

from __future__ import annotations

import os
import pwd
import time

from composer.hints import Iterable, Iterator
from composer.runtime.cgroup import files
from composer.store import atomic
from composer.store.records import ContainerRecord

HEADER = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")

_PTY_MAJORS = range(136, 144)  # Documentation/admin-guide/devices.txt
_DAY = 86400


def pids(record: ContainerRecord) -> list[int]:
    """Who is in the container's cgroup, PID 1 of the container first."""
    found: set[int] = set()
    for _, directory in record.cgroup[:1]:  # every controller has the same processes
        found |= files.processes(directory)
    found -= {0}
    return sorted(found, key=lambda pid: (pid != record.pid, pid))


def rows(records: Iterable[ContainerRecord]) -> Iterator[tuple[ContainerRecord, tuple[str, ...]]]:
    """A row under HEADER for each process that is still there, with whose it is."""
    ticks, now = os.sysconf("SC_CLK_TCK"), time.time()
    boot = now - float(atomic.read("/proc/uptime").split()[0])
    users: dict[int, str] = {}
    for record in records:
        for pid in pids(record):
            try:
                yield record, _row(pid, users, ticks=ticks, boot=boot, now=now)
            except (FileNotFoundError, ProcessLookupError):
                continue


def _row(pid: int, users: dict[int, str], *, ticks: int, boot: float, now: float) -> tuple[str, ...]:
    stat = atomic.read(f"/proc/{pid}/stat")
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(errors="surrogateescape")
    after_name = stat[stat.rindex(b")") + 2 :].split()  # field 3 of proc_pid_stat(5) on
    parent, terminal = int(after_name[1]), int(after_name[4])
    used = (int(after_name[11]) + int(after_name[12])) / ticks
    started = boot + int(after_name[19]) / ticks
    lived = max(now - started, 1 / ticks)
    uid = os.stat(f"/proc/{pid}").st_uid
    return (
        users.get(uid) or users.setdefault(uid, _user(uid)),
        str(pid),
        str(parent),
        str(int(100 * used / lived)),
        _start(started, now),
        _terminal(terminal),
        time.strftime("%H:%M:%S", time.gmtime(int(used))),
        _command(pid) or f"[{name}]",
    )


def _command(pid: int) -> str:
    words = atomic.read(f"/proc/{pid}/cmdline").rstrip(b"\0").split(b"\0")
    return b" ".join(words).decode(errors="surrogateescape")


def _start(started: float, now: float) -> str:
    return time.strftime("%H:%M" if now - started < _DAY else "%b%d", time.localtime(started))


def _terminal(device: int) -> str:
    major, minor = os.major(device), os.minor(device)
    if major in _PTY_MAJORS:
        return f"pts/{minor + (major - _PTY_MAJORS.start) * 256}"
    return "?"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
