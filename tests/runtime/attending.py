"""An attendant over a directory of the test's own, and questions put to it from network namespaces."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from composer.linux.identity import start_time
from composer.linux.namespaces import CLONE_NEWNET, setns, unshare
from composer.linux.netdevice import set_interface_up
from composer.runtime.attendant import spawn
from composer.runtime.attendant.client import Attendant
from composer.runtime.attendant.zone import Place, Resident
from tests.linux.forked import run_in_child
from tests.supervisor.projects import wait_pid_gone

A, PTR, AAAA, SRV, TXT = 1, 12, 28, 33, 16
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


@dataclass(slots=True)
class Inhabitant:
    """A process with a network namespace of its own, loopback up; it ends with the test at the latest."""

    pid: int
    pidfd: int
    pipe: int

    @property
    def start_time(self) -> int:
        return start_time(self.pid)

    def end(self) -> None:
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.pidfd)


def inhabit() -> Inhabitant:
    reader, writer = os.pipe()
    ready, say_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            for fd in map(int, os.listdir("/proc/self/fd")):  # connections among them, which must end with the test's
                if fd > 2 and fd not in (reader, say_ready):
                    _close(fd)
            unshare(CLONE_NEWNET)
            set_interface_up("lo")
            os.write(say_ready, b"x")
            os.close(say_ready)
            os.read(reader, 1)
        finally:
            os._exit(0)
    os.close(reader)
    os.close(say_ready)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    return Inhabitant(pid, os.pidfd_open(pid), writer)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass  # the descriptor that listed the directory


@dataclass(slots=True)
class House:
    """A project with an attendant and inhabitants."""

    directory: str
    project: str
    attendant: Attendant
    inhabitants: dict[str, Inhabitant] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return Path(self.directory, "attendant.log").read_text()

    def move_in(self, container: str, *places: Place, **settings: object) -> Resident:
        """Make a namespace and have its names served."""
        if container not in self.inhabitants:
            self.inhabitants[container] = inhabit()
        one = self.inhabitants[container]
        resident = Resident(container, one.pid, one.start_time, places, **settings)  # type: ignore[arg-type]
        self.attendant.serve(resident, one.pidfd)
        return resident

    def ask(self, container: str, name: str, type_: int = A, *, stream: bool = False) -> tuple[int, list[str]]:
        """(code, answers) to a question put from within."""
        return ask(self.inhabitants[container].pid, name, type_, stream=stream)

    def move_out(self, container: str) -> None:
        self.inhabitants.pop(container).end()


@contextmanager
def house(run: str, project: str = "shop") -> Iterator[House]:
    directory = f"{run}/{project}"
    os.makedirs(directory, exist_ok=True)
    sock = spawn.connect(project, directory=directory)
    one = House(directory, project, Attendant(sock))
    try:
        with one.attendant:
            yield one
    finally:
        for inhabitant in one.inhabitants.values():
            inhabitant.end()
        wait_pid_gone(one.attendant.pid)  # nobody is left that it would be there for


def ask(pid: int, name: str, type_: int = A, *, stream: bool = False) -> tuple[int, list[str]]:
    """The same from the network namespace of any process."""

    def question() -> list[object]:
        pidfd = os.pidfd_open(pid)
        setns(pidfd, CLONE_NEWNET)
        code, answers = unpack(exchange(query(name, type_), stream=stream))
        return [code, answers]

    code, answers = run_in_child(question)
    return code, answers


def query(name: str, type_: int, *, number: int = 0x1234, edns: int = 0) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    option = b"\0" + struct.pack("!HHIH", 41, edns, 0, 0) if edns else b""
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, bool(edns)) + labels + struct.pack("!HH", type_, 1) + option


def exchange(message: bytes, *, stream: bool = False, server: tuple[str, int] = ("127.0.0.11", 53)) -> bytes:
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(8)
        sock.connect(server)
        if not stream:
            sock.send(message)
            return sock.recv(65536)
        sock.sendall(struct.pack("!H", len(message)) + message)
        with sock.makefile("rb") as file:
            (size,) = struct.unpack("!H", file.read(2))
            return file.read(size)


def unpack(reply: bytes) -> tuple[int, list[str]]:
    """(code, answers): addresses, names, "port target"."""
    _, flags, questions, count, _, _ = struct.unpack_from("!HHHHHH", reply)
    at = 12
    for _ in range(questions):
        at = _skip_name(reply, at) + 4
    answers = []
    for _ in range(count):
        at = _skip_name(reply, at)
        type_, _, _, size = struct.unpack_from("!HHIH", reply, at)
        data = reply[at + 10 : at + 10 + size]
        at += 10 + size
        answers.append(_shown(type_, data))
    return flags & 0xF, answers


def _skip_name(reply: bytes, at: int) -> int:
    while size := reply[at]:
        if size & 0xC0:
            return at + 2
        at += size + 1
    return at + 1


def _shown(type_: int, data: bytes) -> str:
    match type_:
        case 1:
            return socket.inet_ntop(socket.AF_INET, data)
        case 28:
            return socket.inet_ntop(socket.AF_INET6, data)
        case 12:
            return _name(data)
        case 33:
            return f"{struct.unpack_from('!H', data, 4)[0]} {_name(data[6:])}"
        case _:
            return data.hex()


def _name(data: bytes) -> str:
    labels = []
    while size := data[0]:
        labels.append(data[1 : 1 + size].decode())
        data = data[1 + size :]
    return ".".join(labels)
