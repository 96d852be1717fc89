"""The last stretch before a program runs: its streams, user, limits, privileges, and the execve.

Shared by a container's first process (child) and by processes that join it later (join). The order is that of
capabilities(7) and seccomp(2):

    close descriptors    a directory of the host left open is a way out (CVE-2024-21626)
    rlimits              raising a hard limit needs CAP_SYS_RESOURCE
    bounding set         dropping needs CAP_SETPCAP
    groups, gid, uid     with the permitted set kept, for what follows
    [GO]                 see `road`
    filter               without no_new_privs it needs CAP_SYS_ADMIN; so only capset and execve come after it
    capset               root keeps what is in the bounding set; others have none, and execve gives none
    execve               as the user, so that whom a file is closed to cannot run it

Beyond this module: namespaces and mounts.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from functools import cache

from composer.errors import CommandNotExecutable, CommandNotFound, HostError
from composer.frozen import field, frozen, mutable
from composer.linux.capability import (
    CapabilitySets,
    capget,
    capset,
    clear_ambient_set,
    last_cap,
    limit_bounding_set,
    mask_of,
)
from composer.linux.keyring import join_session_keyring
from composer.linux.prctl import set_dumpable, set_keepcaps, set_no_new_privs
from composer.linux.process import close_range, reset_signals
from composer.linux.pty import set_controlling_terminal
from composer.linux.seccomp.load import load
from composer.linux.statfs import PROC_SUPER_MAGIC, require_magic
from composer.runtime import executable, identity, rlimits, seccomp
from composer.runtime.cgroup import control
from composer.runtime.identity import Identity
from composer.runtime.road import GO, about
from composer.spec.container import Seccomp
from composer.spec.process import Process

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UMASK = 0o022
NULL_DEVICE = os.makedev(1, 3)
REPORT_FD = 3
NOBODY_YET = Identity(uid=0, gid=0, groups=(), home="/")


@frozen
class Program:
    """All that is known about a program before its process exists."""

    process: Process
    environment: dict[str, str]
    bounding: int  # capabilities, as a mask
    last_cap: int
    filter: bytes | None  # a seccomp program
    limits: rlimits.Limits
    purpose: str  # for messages: "start container shop-web-1"


def prepare(process: Process, *, purpose: str, hostname: str, filter_of: Seccomp, cache: str) -> Program:
    """Work out everything about `process` that needs no look into the container. Raises HostError."""
    if not process.argv:
        raise HostError("cannot run an empty command")
    bounding = _mask(process.capabilities)
    last = _last_cap()
    kernel_knows = (1 << last + 1) - 1
    return Program(
        process=process,
        environment=_environment(process, hostname),
        bounding=bounding & kernel_knows,
        last_cap=last,
        filter=seccomp.program(filter_of, bounding=bounding, directory=f"{cache}/seccomp"),
        limits=rlimits.prepare(process.rlimits),
        purpose=purpose,
    )


@cache
def _last_cap() -> int:
    return last_cap()


def _mask(names: tuple[str, ...]) -> int:
    try:
        return mask_of(names)
    except ValueError as error:
        raise HostError(f"cannot give capabilities {', '.join(names)}: {error}") from error


def _environment(process: Process, hostname: str) -> dict[str, str]:
    """Docker's defaults below the user's own; HOME is added by whoever knows the user."""
    defaults = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, **({"TERM": "xterm"} if process.tty else {})}
    return {name: value for name, value in {**defaults, **dict(process.env)}.items() if name != "HOSTNAME" or value}


@mutable
class Performer:
    """A child on its way to a program: what it knows when it is born, and what its steps find out."""

    program: Program
    entrance: control.Entrance  # of the container's cgroup
    streams: tuple[int, ...]  # to become 0, 1, 2; () keeps those of the caller
    writer: int  # of the report pipe
    identity: Identity = field(default=NOBODY_YET, init=False)


def detach(performer: Performer) -> None:
    """First of all: out of reach of others (ptrace, /proc/PID/fd), in a session and a keyring of its own."""
    _set_oom_score_adj(performer.program.process.oom_score_adj)
    set_dumpable(False)
    os.setsid()
    os.umask(0)  # what is made here has the very mode that was asked for
    try:
        join_session_keyring()
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):  # no keys in this kernel, or an outer sandbox hides them
            raise


def _set_oom_score_adj(value: int | None) -> None:
    if value is None:
        return
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        require_magic(fd, PROC_SUPER_MAGIC)
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def enter_cgroup(performer: Performer) -> None:
    """Move to the container's cgroup on v1; on v2 the process was born there."""
    control.enter(performer.entrance)


def take_streams(performer: Performer) -> None:
    """Put the streams in their place; the first may be the controlling terminal."""
    for number, fd in enumerate(performer.streams):
        os.dup2(fd, number)
    if performer.program.process.tty and performer.streams:
        set_controlling_terminal(0)
    for number in (0, 1, 2):
        if _is_null_device(number):
            _reopen_null(number)


def _is_null_device(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == NULL_DEVICE


def _reopen_null(number: int) -> None:
    """The host's /dev/null is an inode of the host: use the container's, if it is one."""
    try:
        fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    if _is_null_device(fd):
        os.dup2(fd, number)
    os.close(fd)


def resolve_user(performer: Performer) -> None:
    """Look the user up in the container's files, and give it the streams.

    A program may open /dev/stdout anew, as its own user: pipes and terminals belong to it, as with Docker.
    """
    process = performer.program.process
    with about(process.user):
        performer.identity = identity.resolve(process.user, groups=process.groups)
    for number in range(len(performer.streams)):
        if not _is_null_device(number):
            os.fchown(number, performer.identity.uid, -1)


def enter_working_directory(performer: Performer) -> None:
    """chdir, and make sure that it is inside: a magic link of /proc can lead elsewhere (CVE-2024-21626)."""
    path = performer.program.process.cwd
    with about(path):
        os.chdir(path)
        if not os.getcwd().startswith("/"):  # the kernel says "(unreachable)/..."
            raise PermissionError(errno.EPERM, "it is outside of the container's root")


def drop_privileges(performer: Performer) -> None:
    """Everything from the closing of descriptors to the last privilege. Only the report pipe stays open."""
    program, user = performer.program, performer.identity
    if performer.writer != REPORT_FD:
        os.dup2(performer.writer, REPORT_FD, inheritable=False)
        performer.writer = REPORT_FD
    close_range(REPORT_FD + 1)
    rlimits.apply(program.limits.values)
    limit_bounding_set(program.bounding, last=program.last_cap)
    clear_ambient_set()
    set_keepcaps(True)
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    set_keepcaps(False)
    set_dumpable(False)  # a change of user sets it to what fs.suid_dumpable says
    os.umask(UMASK)
    with suppress(BrokenPipeError):  # the launcher was killed: the next one looks after what runs
        os.write(REPORT_FD, GO)
    _confine(program, user)


def _confine(program: Program, user: Identity) -> None:
    permitted = capget().permitted
    if program.process.no_new_privileges:
        set_no_new_privs()
    if program.filter is not None:
        if user.uid != 0 and not program.process.no_new_privileges:
            # The change of user has emptied the effective set.
            capset(CapabilitySets(effective=permitted, permitted=permitted, inheritable=0))
        load(program.filter)
    left = program.bounding & permitted if user.uid == 0 else 0
    capset(CapabilitySets(effective=left, permitted=left, inheritable=0))


def execute(performer: Performer) -> None:
    """Find the command in the container's PATH and execute it. Raises CommandNotFound, CommandNotExecutable."""
    program = performer.program
    environment = {"HOME": performer.identity.home, **program.environment}
    command = program.process.argv[0]
    reset_signals()
    path = find_command(command, path=environment["PATH"], purpose=program.purpose)
    try:
        os.execve(path, program.process.argv, environment)
    except OSError as error:
        if error.errno not in NOT_EXECUTABLE:
            raise
        why = executable.reason(path)
        raise CommandNotExecutable(
            f'cannot {program.purpose}: command "{command}" cannot be executed: '
            f"{error.strerror}{f' ({why})' if why else ''}",
        ) from error


NOT_EXECUTABLE = (errno.EACCES, errno.ENOEXEC, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ELIBBAD)


def find_command(command: str, *, path: str, purpose: str) -> str:
    """Where `command` is, in the eyes of the calling process."""
    candidates = (
        [command]
        if "/" in command or not command
        else [f"{directory or '.'}/{command}" for directory in path.split(":")]
    )
    found: list[str] = []
    for candidate in candidates:
        problem = _problem(candidate)
        if not problem:
            return candidate
        if problem != os.strerror(errno.ENOENT):
            found.append(problem if candidate == command else f"{candidate}: {problem}")
    if found:
        raise CommandNotExecutable(f'cannot {purpose}: command "{command}" cannot be executed: {"; ".join(found)}')
    where = f" (PATH={path})" if "/" not in command else ""
    raise CommandNotFound(f'cannot {purpose}: command "{command}" not found in its root file system{where}')


def _problem(path: str) -> str:
    """Why `path` is no program for the calling process, "" where it is one."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return os.strerror(errno.ENOENT if error.errno == errno.ENOTDIR else error.errno or 0)
    if stat.S_ISDIR(mode):
        return "it is a directory"
    if not stat.S_ISREG(mode):
        return "it is not a regular file"
    return "" if os.access(path, os.X_OK) else "permission denied: it is not executable for this user"
