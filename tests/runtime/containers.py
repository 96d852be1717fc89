"""Containers as Docker would make them, over places of the test's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from composer.linux.capability import DOCKER_DEFAULT, names_of
from composer.linux.pidfd import pidfd_send_signal
from composer.runtime import container, exits
from composer.runtime.cgroup import control, kill, location
from composer.runtime.cgroup.location import Location
from composer.runtime.container import Started
from composer.runtime.join import JoinedProcess, Target, release
from composer.runtime.launch import Launch, Stdio
from composer.spec.container import ContainerSpec
from composer.spec.mounts import Bind, File, Filesystem, Mount, Tmpfs
from composer.spec.process import Process
from composer.spec.rootfs import Directory, HostRoot
from composer.store.paths import Paths

PROC, SYS = "/proc", "/sys"
SAFE = ("nosuid", "nodev", "noexec")
DOCKER_MOUNTS: tuple[Mount, ...] = (
    Filesystem("proc", PROC, SAFE),
    Filesystem("devpts", "/dev/pts", ("nosuid", "noexec"), "newinstance,ptmxmode=0666,mode=0620,gid=5"),
    Filesystem("sysfs", SYS, ("ro", *SAFE)),
    Filesystem("cgroup", "/sys/fs/cgroup", ("ro", *SAFE)),
    Filesystem("mqueue", "/dev/mqueue", SAFE),
    Tmpfs("/dev/shm", size=67108864),
)
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
FILES = (
    File("/etc/hosts", "127.0.0.1\tlocalhost\n"),
    File("/etc/hostname", "box\n"),
    File("/etc/resolv.conf", "nameserver 192.0.2.1\n"),
)
CAPABILITIES = names_of(DOCKER_DEFAULT)
PROCESS_FIELDS = {one.name for one in fields(Process)}


@dataclass(frozen=True, slots=True)
class Ended:
    """A container that has come to its end."""

    exit_code: int
    stdout: str
    stderr: str
    warnings: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


@dataclass(slots=True)
class Machine:
    """Starts containers of one project and forgets none."""

    paths: Paths
    rootfs: Path
    where: Location
    running: list[Started] = field(default_factory=list)
    programs: Bind | None = None

    def spec(
        self, *argv: str, mounts: tuple[Mount, ...] = (), host_root: bool = False, **settings: Any
    ) -> ContainerSpec:
        """A container with Docker's defaults; `settings` are fields of ContainerSpec or Process."""
        process = {name: settings.pop(name) for name in list(settings) if name in PROCESS_FIELDS}
        defaults: dict[str, Any] = {
            "name": f"{self.where.project}-web-1",
            "service": "web",
            "number": 1,
            "hostname": "box",
            "files": FILES,
            "masked_paths": MASKED,
            "readonly_paths": READ_ONLY,
        }
        return ContainerSpec(
            project=self.where.project,
            rootfs=HostRoot() if host_root else Directory(str(self.rootfs)),
            process=Process(argv=argv, **{"capabilities": CAPABILITIES, **process}),
            mounts=(*DOCKER_MOUNTS, *mounts),
            **{**defaults, **settings},
        )

    def launch(self, spec: ContainerSpec, *, stdio: Stdio = Stdio.FIFO, **settings: Any) -> Launch:
        project = self.paths.project(self.where.project)
        return Launch(
            spec=spec,
            lower="/" if isinstance(spec.rootfs, HostRoot) else str(self.rootfs),
            bundle=project.bundle(spec.name),
            state=project.state(spec.name),
            cache=self.paths.cache,
            hidden=(self.paths.root, self.paths.run),
            stdio=stdio,
            **settings,
        )

    def start(self, *argv: str, stdio: Stdio = Stdio.FIFO, joins: Any = (), **settings: Any) -> Started:
        launch = self.launch(self.spec(*argv, **settings), stdio=stdio, joins=joins)
        started = container.start(launch, where=self.where)
        self.running.append(started)
        return started

    def run(self, *argv: str, **settings: Any) -> Ended:
        """Start a container, wait for its end, and say what it said."""
        started = self.start(*argv, **settings)
        exit_code = self.wait(started)
        stdout, stderr = (read_all(fd) for fd in started.kept[-2:])
        self.end(started)
        return Ended(exit_code, stdout, stderr, started.warnings)

    def sh(self, script: str, **settings: Any) -> Ended:
        return self.run("sh", "-c", script, **settings)

    def wait(self, started: Started) -> int:
        return exits.exit_code_of(os.waitpid(started.pid, 0)[1])

    def end(self, started: Started) -> None:
        """End a container that was started, if that is still to be done."""
        self.running.remove(started)
        try:
            pidfd_send_signal(started.pidfd, signal.SIGKILL)
            os.waitpid(started.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        master = () if started.pty_master is None else (started.pty_master,)
        for fd in (started.pidfd, *started.kept, *master):
            os.close(fd)
        kill.kill(started.cgroup)
        control.remove(started.cgroup)

    def target(self, started: Started, **settings: Any) -> Target:
        return Target(self.spec("true", **settings), started.pid, started.start_time, started.cgroup, self.paths.cache)


def wait_joined(joined: JoinedProcess) -> int:
    """The exit code of a joined process; closes what it had."""
    exit_code = exits.exit_code_of(os.waitpid(joined.pid, 0)[1])
    release(joined.branch)
    os.close(joined.pidfd)
    if joined.pty_master is not None:
        os.close(joined.pty_master)
    return exit_code


@contextmanager
def machine_of(paths: Paths, rootfs: Path, project: str) -> Iterator[Machine]:
    machine = Machine(paths, rootfs, location.prepare(project))
    try:
        yield machine
    finally:
        # The last first: PID 1 does not end before all of its namespace are reaped, and who joined is our child.
        for started in reversed(list(machine.running)):
            machine.end(started)
        control.remove_project(machine.where)


def read_all(fd: int) -> str:
    """What is in a FIFO whose writers are gone."""
    os.set_blocking(fd, True)
    parts = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts).decode()


def read_line(fd: int) -> str:
    """The next line from a FIFO or terminal; waits for it."""
    os.set_blocking(fd, True)
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(fd, 1)
        assert part, f"ended after {line!r}"
        line += part
    return line.decode().rstrip("\r\n")
