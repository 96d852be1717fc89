"""The system call filter of a container: compiled once for a profile and a set of capabilities, then kept.

Compiling takes tens of milliseconds, so a program is kept in the cache, under a key made of all that it depends
on: the profile, the capabilities, the machine, the kernel, and the compiler itself. On a hit neither the compiler nor
the default profile is even imported.

Beyond this module: the profile's meaning and the filter's making (linux.seccomp).
"""

from __future__ import annotations

import os
from functools import cache

from composer import jsontext
from composer.digest import sha256
from composer.errors import HostError
from composer.frozen import frozen
from composer.linux import seccomp as compiler
from composer.spec.container import DefaultSeccomp, Seccomp, SeccompProfile, Unconfined


@frozen
class _Circumstances:
    bounding: int
    machine: str
    kernel: tuple[int, int]


def program(seccomp: Seccomp, *, bounding: int, directory: str) -> bytes | None:
    """The program for a process with the `bounding` capabilities (a mask), None for no filter.

    `directory` keeps what was compiled. Raises HostError.
    """
    match seccomp:
        case Unconfined():
            return None
        case DefaultSeccomp():
            profile = b""
        case SeccompProfile(path):
            profile = _read_profile(path)
    circumstances = _circumstances(bounding)
    kept = f"{directory}/{_key(profile, circumstances)}.bpf"
    try:
        with open(kept, "rb") as file:
            return file.read()
    except FileNotFoundError:
        compiled = _compile(profile, circumstances, name=seccomp.path if isinstance(seccomp, SeccompProfile) else "")
    _keep(kept, compiled)
    return compiled


def _read_profile(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise HostError(f"cannot read seccomp profile {path}: {error.strerror}") from error


def _circumstances(bounding: int) -> _Circumstances:
    system = os.uname()
    major, minor = system.release.split(".")[:2]
    return _Circumstances(bounding, system.machine, (int(major), int("".join(filter(str.isdigit, minor)))))


def _key(profile: bytes, circumstances: _Circumstances) -> str:
    parts = [profile, repr(circumstances).encode(), _compiler()]
    return sha256(b"\0".join(parts)).hexdigest()


@cache
def _compiler() -> bytes:
    """Which edition of the compiler this is: names and times of its source files."""
    sources = []
    for directory in compiler.__path__:
        with os.scandir(directory) as entries:
            sources += [(entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith(".py")]
    return repr(sorted(sources)).encode()


def _compile(profile: bytes, circumstances: _Circumstances, *, name: str) -> bytes:
    from composer.linux.seccomp.compile import compile_filter  # a cache miss is rare, and these cost a launcher's start
    from composer.linux.seccomp.default import DEFAULT_PROFILE
    from composer.linux.seccomp.profile import decode_profile

    try:
        decoded = decode_profile(jsontext.loads(profile)) if profile else DEFAULT_PROFILE
        return compile_filter(
            decoded,
            bounding=circumstances.bounding,
            machine=circumstances.machine,
            kernel=circumstances.kernel,
        ).program
    except ValueError as error:
        raise HostError(f"cannot use seccomp profile {name or 'default'}: {error}") from error


def _keep(path: str, compiled: bytes) -> None:
    """Put the program into the cache, whole or not at all. Two launchers may do so at once: they write the same."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(compiled)
    os.rename(temporary, path)
