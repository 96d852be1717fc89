"""A scope of the project's own, where systemd manages the host's cgroups.

Beyond this module: what is made inside the scope (location, control).

systemd is the only writer of the cgroup v2 tree it manages, apart from what it delegates
(systemd.io/CGROUP_DELEGATION). A scope is a unit around processes that somebody else has started: systemd makes its
cgroup, moves the processes there, and with Delegate=yes leaves everything below to them. It goes when the last
process in it ends. When the host shuts down, every process in it gets SIGTERM, and SIGKILL some time later.

    us                              the manager: of the system for root, else of the user's session
    │  connect to its private socket, \\0 AUTH EXTERNAL <uid>   the kernel tells who we are: nothing else is proven
    │  ──── StartTransientUnit(scope, PIDs=[pid]) ────────────►
    │  ◄─── the job's path
    │  ◄─── JobRemoved(job, "done"): the processes are in it

The private socket is there before and without a message bus, and peers on it get all signals unasked.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager

from composer.errors import HostError
from composer.hints import Iterator
from composer.runtime.cgroup import dbus
from composer.runtime.cgroup.systemd import private_socket, scope_name

PATIENCE = 30.0  # seconds that systemd is given for one request
UNLIMITED = (1 << 64) - 1
MANAGER_PATH = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"


def control_group(project: str, *, uid: int) -> str | None:
    """The path of the project's scope in the cgroup tree; None while there is none. Raises HostError."""
    with _doing(f"find the systemd scope of project {project}"), _connect(uid) as manager:
        return manager.control_group(scope_name(project))


def enter_scope(project: str, *, uid: int, leaf: str, mount_point: str) -> str:
    """Put this process into the project's scope, into its cgroup `leaf`, and return the scope's path in the tree.

    The scope is made where there is none. Raises HostError.
    """
    name = scope_name(project)
    with _doing(f"start the systemd scope of project {project}"), _connect(uid) as manager:
        path = manager.control_group(name) or manager.start_scope(name, project)
        # The leaf comes first: with controllers enabled, the scope's own cgroup takes no process.
        os.makedirs(f"{mount_point}{path}/{leaf}", exist_ok=True)
        manager.call("AttachProcessesToUnit", "ssau", name, f"/{leaf}", [os.getpid()])
        return path


@contextmanager
def _doing(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, dbus.ProtocolError, _Refused) as error:
        raise HostError(f"cannot {what}: {error}") from error


class _Refused(Exception):
    """systemd's answer is an error."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message or name)
        self.name = name


@contextmanager
def _connect(uid: int) -> Iterator[_Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(private_socket(uid))
        # BEGIN goes along. Sent on its own, it could arrive in one piece with the first call; systemd then leaves that
        # call lying in its buffer until more arrives, which never does.
        identity = str(os.geteuid()).encode().hex().encode()
        connection.sendall(b"\0AUTH EXTERNAL " + identity + b"\r\nBEGIN\r\n")
        if not _line(connection).startswith(b"OK "):
            raise PermissionError("systemd does not take us for who we are")
        yield _Manager(connection)


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        line += _exactly(connection, 1)
    return line


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("systemd has closed the connection")
        data += part
    return data


class _Manager:
    """A connection to systemd's manager object, one call at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._serial = 0
        self._signals: list[dbus.Message] = []  # those that came while an answer was waited for

    def control_group(self, unit: str) -> str | None:
        """Raises OSError, ProtocolError, _Refused."""
        try:
            (path,) = self.call("GetUnit", "s", unit)
        except _Refused as refused:
            if refused.name != NO_SUCH_UNIT:
                raise
            return None
        scope = "org.freedesktop.systemd1.Scope"
        (value,) = self.call("Get", "ss", scope, "ControlGroup", path=str(path), interface=PROPERTIES)
        return str(value) or None  # "" while it is being started, or once it has ended

    def start_scope(self, name: str, project: str) -> str:
        """Make the scope around this process; its path. Raises OSError, ProtocolError, _Refused."""
        properties: list[object] = [
            ("Description", dbus.Variant("s", f"pycompose project {project}")),
            ("PIDs", dbus.Variant("au", [os.getpid()])),
            ("Delegate", dbus.Variant("b", True)),
            ("TasksMax", dbus.Variant("t", UNLIMITED)),  # else 15 % of what the host can have
            ("CollectMode", dbus.Variant("s", "inactive-or-failed")),  # a failed one must not block the name
        ]
        try:
            (job,) = self.call("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", properties, [])
            self._wait_for_job(job)
        except _Refused as refused:
            if refused.name != UNIT_EXISTS:
                raise  # else somebody of the same project was faster
        path = self.control_group(name)
        if path is None:
            raise ConnectionAbortedError(f"{name} has no cgroup; see: systemctl status {name}")
        return path

    def call(
        self, member: str, signature: str, *values: object, path: str = MANAGER_PATH, interface: str = MANAGER
    ) -> tuple[object, ...]:
        """Call a method and wait for its answer. Raises OSError, ProtocolError, _Refused."""
        self._serial += 1
        call = dbus.encode_call(member, signature, *values, path=path, interface=interface, serial=self._serial)
        self._connection.sendall(call)
        while True:
            message = self._receive()
            if message.kind == dbus.Kind.SIGNAL:
                self._signals.append(message)
            elif message.fields.get(dbus.Field.REPLY_SERIAL) == self._serial:
                return _answer(message)

    def _wait_for_job(self, job: object) -> None:
        while True:
            message = self._signals.pop(0) if self._signals else self._receive()
            if message.fields.get(dbus.Field.MEMBER) != "JobRemoved":
                continue
            _, path, unit, result = message.values()
            if path == job:
                break
        if result != "done":
            raise _Refused(str(result), f"the start of {unit} ended as {result!r}")

    def _receive(self) -> dbus.Message:
        start = _exactly(self._connection, dbus.FIXED_HEADER)
        return dbus.decode(start + _exactly(self._connection, dbus.message_length(start) - len(start)))


def _answer(message: dbus.Message) -> tuple[object, ...]:
    if message.kind != dbus.Kind.ERROR:
        return message.values()
    texts = message.values()
    raise _Refused(str(message.fields.get(dbus.Field.ERROR_NAME)), str(texts[0]) if texts else "")
