"""Kernel parameters of a container's own namespaces: sysctl(8) names, written before anything is mounted.

Only parameters that belong to a namespace are let through; the others would change the host. They are written
through a procfs of our own that nothing can be mounted over (CVE-2019-19921), in the container's namespaces: /proc/sys
shows those of whoever looks.
"""

from __future__ import annotations

import os

from composer.errors import HostError
from composer.linux.mount import fsconfig_create, fsmount, fsopen
from composer.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2
from composer.runtime.road import about
from composer.spec.container import Host, Namespaces, Private

OF_IPC = frozenset(
    f"kernel.{name}" for name in ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"]
)
HOSTNAME_PARAMETERS = {"kernel.hostname": "hostname", "kernel.domainname": "domainname"}

# Docker's for a private network namespace: ping without CAP_NET_RAW, ports below 1024 without a capability.
OF_PRIVATE_NETWORK = (
    ("net.ipv4.ping_group_range", "0 2147483647"),
    ("net.ipv4.ip_unprivileged_port_start", "0"),
)


def settings(sysctls: tuple[tuple[str, str], ...], namespaces: Namespaces) -> tuple[tuple[str, str], ...]:
    """All that is to be written, (path below /proc/sys, value). Raises HostError for what is not a container's."""
    for name, _ in sysctls:
        _refuse_unsafe(name, namespaces)
    defaults = OF_PRIVATE_NETWORK if isinstance(namespaces.network, Private) else ()
    return tuple((_path(name), value) for name, value in {**dict(defaults), **dict(sysctls)}.items())


def _refuse_unsafe(name: str, namespaces: Namespaces) -> None:
    if not all(part.strip(".") for part in _path(name).split("/")):  # RESOLVE_BENEATH lets net/../kernel/panic through
        raise HostError(f"cannot set sysctl {name}: it is not the name of a kernel parameter")
    dotted = name.replace("/", ".")
    if dotted in HOSTNAME_PARAMETERS:
        raise HostError(f"cannot set sysctl {name}: set {HOSTNAME_PARAMETERS[dotted]} instead")
    kind = _namespace_of(dotted)
    if kind is None:
        raise HostError(
            f"cannot set sysctl {name}: it belongs to the whole host",
            hint="only net.*, fs.mqueue.* and the System V IPC parameters of kernel.* are a container's own",
        )
    if isinstance(getattr(namespaces, kind), Host):
        raise HostError(f"cannot set sysctl {name}: the container uses the host's {kind} namespace")


def _namespace_of(name: str) -> str | None:
    if name.startswith("net."):
        return "network"
    return "ipc" if name in OF_IPC or name.startswith("fs.mqueue.") else None


def _path(name: str) -> str:
    """sysctl(8): "." separates, and "/" stands for a "." within a name; or the other way round."""
    first = next((character for character in name if character in "./"), ".")
    return name if first == "/" else name.replace("/", "\0").replace(".", "/").replace("\0", ".")


def write_all(pairs: tuple[tuple[str, str], ...]) -> None:
    """Write them in the caller's namespaces. Raises OSError about the parameter."""
    if not pairs:
        return
    fs_fd = fsopen("proc")
    fsconfig_create(fs_fd)
    proc_fd = fsmount(fs_fd)
    os.close(fs_fd)
    for path, value in pairs:
        with about(f"sysctl {path.replace('/', '.')}"):
            _write(proc_fd, f"sys/{path}", value)
    os.close(proc_fd)


def _write(proc_fd: int, path: str, value: str) -> None:
    fd = openat2(
        path, os.O_WRONLY, dir_fd=proc_fd, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    )
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
