"""What this host's kernel offers, feature by feature; what is missing, what follows, and what helps.

Each finding is asked of the kernel itself and not of its version, which distributions extend backwards.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource

from composer.errors import MissingFeature
from composer.frozen import frozen
from composer.hints import Iterator
from composer.linux import capability
from composer.linux.libc import system_call
from composer.linux.pidfd import PIDFD_GET_INFO, PIDFD_INFO, pidfd_open
from composer.runtime.cgroup import files, hierarchy
from composer.runtime.cgroup.hierarchy import Hierarchies
from composer.runtime.network import forwarding
from composer.runtime.network.host import HostNetwork
from composer.runtime.network.labels import NetworkLabel

NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_SETUID", "CAP_SETGID")

# Controllers by what Compose files ask of them; v2 calls two of them otherwise and needs no other for the rest
CONTROLLERS = {
    "memory": "mem_limit has no effect and an out-of-memory kill cannot be told",
    "cpu": "cpus and cpu_shares have no effect",
    "cpuset": "cpuset has no effect",
    "pids": "pids_limit has no effect: a fork bomb reaches the host",
    "io": "blkio_config has no effect",
}
_V1_NAMES = {"io": "blkio"}


@frozen
class Finding:
    """One feature. `consequence` and `remedy` are said where it is missing; `needed`: nothing runs without it."""

    feature: str
    there: bool
    detail: str = ""
    needed: bool = False
    consequence: str = ""
    remedy: str = ""


def findings() -> Iterator[Finding]:
    """All features, needed ones first. Raises OSError: no /proc."""
    yield _kernel()
    yield _privileges()
    yield from map(_namespace, NAMESPACES)
    yield _file_system(
        "overlay", needed=True, consequence="containers have no writable layer", remedy="modprobe overlay"
    )
    yield from _needed_calls()
    yield _seccomp()
    hierarchies = hierarchy.observe()
    yield _cgroup_version(hierarchies)
    yield from (_controller(hierarchies, name, consequence) for name, consequence in CONTROLLERS.items())
    yield _swap_accounting(hierarchies)
    yield _cgroup_kill(hierarchies)
    yield from _better_calls()
    yield from _networks()
    yield _file_system("mqueue", needed=False, consequence="no /dev/mqueue in containers", remedy="CONFIG_POSIX_MQUEUE")
    yield _systemd()
    yield from _limits()


def _kernel() -> Finding:
    name = os.uname()
    return Finding("kernel", True, f"Linux {name.release} {name.machine}")


def _privileges() -> Finding:
    effective = capability.names_of(capability.capget().effective)
    missing = [name for name in CAPABILITIES if name not in effective]
    detail = f"uid {os.geteuid()}, {len(effective)} capabilities" if not missing else f"missing {', '.join(missing)}"
    return Finding(
        "privileges",
        not missing,
        detail,
        needed=True,
        consequence="namespaces and mounts cannot be made",
        remedy="run pycompose as root, outside of an unprivileged container",
    )


def _namespace(name: str) -> Finding:
    return Finding(
        f"{name} namespace",
        os.path.exists(f"/proc/self/ns/{name}"),
        needed=True,
        consequence="containers cannot be isolated",
        remedy="a kernel built with the CONFIG_*_NS options, as all distributions' are",
    )


def _file_system(name: str, *, needed: bool, consequence: str, remedy: str) -> Finding:
    with open("/proc/filesystems", encoding="ascii") as file:
        known = {line.split()[-1] for line in file}
    there = name in known or _module_exists(name)
    detail = "" if name in known else "as a module, not loaded yet" if there else ""
    return Finding(f"{name} file system", there, detail, needed=needed, consequence=consequence, remedy=remedy)


def _module_exists(name: str) -> bool:
    path = f"/lib/modules/{os.uname().release}/modules.dep"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(f"/{name}.ko" in line.partition(":")[0] for line in file)
    except OSError:
        return False


def _needed_calls() -> Iterator[Finding]:
    yield _call("clone3", "5.3", needed=True, consequence="containers cannot be started")
    yield _call("pidfd_open", "5.3", needed=True, consequence="processes cannot be named safely")
    yield _call("openat2", "5.6", needed=True, consequence="paths inside a container cannot be resolved safely")
    yield _call("close_range", "5.9", needed=True, consequence="descriptors of the host could reach a container")


def _better_calls() -> Iterator[Finding]:
    yield _call(
        "mount_setattr", "5.12", consequence="read-only bind mounts are not read-only below other mounts in them"
    )
    yield _call("fsopen", "5.2", consequence="messages about failed mounts say less")
    yield _pidfd_info()


def _call(name: str, since: str, *, needed: bool = False, consequence: str) -> Finding:
    """Whether the kernel knows a system call: with six impossible arguments it says anything but ENOSYS."""
    try:
        system_call(name, *[ctypes.c_long] * 6)(-1, -1, -1, -1, -1, -1)
        there = True
    except KeyError:
        there = False
    except OSError as error:
        there = error.errno != errno.ENOSYS
    remedy = f"Linux {since} or later; in a container, a system call filter that knows it"
    return Finding(f"{name}(2)", there, needed=needed, consequence=consequence, remedy=remedy)


def _pidfd_info() -> Finding:
    import fcntl

    descriptor = pidfd_open(os.getpid())
    try:
        fcntl.ioctl(descriptor, PIDFD_GET_INFO, PIDFD_INFO.pack(*(0,) * 14))
        there = True
    except OSError:
        there = False
    finally:
        os.close(descriptor)
    return Finding(
        "PIDFD_GET_INFO",
        there,
        consequence="exit statuses are unknown after the launcher was killed",
        remedy="Linux 6.15 or later",
    )


def _seccomp() -> Finding:
    try:
        with open("/proc/sys/kernel/seccomp/actions_avail", encoding="ascii") as file:
            actions = file.read().split()
    except FileNotFoundError:
        actions = []
    return Finding(
        "seccomp filters",
        "errno" in actions,
        needed=True,
        consequence="system calls cannot be filtered",
        remedy="a kernel with CONFIG_SECCOMP_FILTER, or security_opt: [seccomp=unconfined] in every service",
    )


def _cgroup_version(hierarchies: Hierarchies) -> Finding:
    versions = sorted({one.version for one in hierarchies.mounted})
    words = {(1,): "v1", (2,): "v2", (1, 2): "v1 and v2 (hybrid)"}
    return Finding(
        "cgroups",
        bool(versions),
        words.get(tuple(versions), ""),
        needed=True,
        consequence="containers cannot be limited, frozen or ended as a whole",
        remedy="mount -t cgroup2 none /sys/fs/cgroup",
    )


def _controller(hierarchies: Hierarchies, name: str, consequence: str) -> Finding:
    found = hierarchies.of(name) or hierarchies.of(_V1_NAMES.get(name, name))
    detail = f"v{found.version} at {found.mount_point}" if found else ""
    remedy = f"boot with cgroup_enable={name}" if name == "memory" else "enable it in the cgroup above this one"
    return Finding(f"{name} controller", found is not None, detail, consequence=consequence, remedy=remedy)


def _swap_accounting(hierarchies: Hierarchies) -> Finding:
    memory = hierarchies.of("memory")
    there = memory is not None and (
        memory.version == 2 or files.read_optional(memory.mount_point, "memory.memsw.limit_in_bytes") is not None
    )
    return Finding(
        "swap accounting",
        there,
        consequence="memswap_limit has no effect: a container may swap without limit",
        remedy="boot with swapaccount=1",
    )


def _cgroup_kill(hierarchies: Hierarchies) -> Finding:
    unified = hierarchies.unified
    own = f"{unified.mount_point}/{(unified.own or '').strip('/')}".rstrip("/") if unified else ""
    # the root cgroup has no such file, any below it does
    places = [own, *(f"{own}/{name}" for name in files.children(own))] if unified else []
    return Finding(
        "cgroup.kill",
        any(os.path.exists(f"{place}/cgroup.kill") for place in places) or (unified is not None and _is_5_14()),
        consequence="a container is frozen, killed process by process and thawed instead, which takes longer",
        remedy="Linux 5.14 with a cgroup v2 tree mounted",
    )


def _is_5_14() -> bool:
    parts = os.uname().release.split(".")
    return (int(parts[0]), int("".join(filter(str.isdigit, parts[1])) or 0)) >= (5, 14)


INTERFACES = {
    "bridge": "no networks: services say network_mode: host, or none",
    "veth": "no networks: services say network_mode: host, or none",
    "macvlan": "networks with driver macvlan cannot be made",
    "ipvlan": "networks with driver ipvlan cannot be made",
}


def _networks() -> Iterator[Finding]:
    from composer.linux import rtnetlink
    from composer.runtime.network import host

    remedy = "modprobe {0}; it is CONFIG_{1} of the kernel"
    with rtnetlink.open_route() as route:
        for kind, consequence in INTERFACES.items():
            said = ""
            try:
                route.perform([rtnetlink.probe_kind(kind)])
            except OSError as error:
                said = error.strerror or ""
                if error.errno == errno.EPERM:  # "cannot be asked" is not "is not there"
                    yield Finding(f"{kind} interfaces", True, "only root is told")
                    continue
            yield Finding(
                f"{kind} interfaces", not said, consequence=consequence, remedy=remedy.format(kind, kind.upper())
            )
        there = host.observe(route)
    yield _nftables()
    yield from (_forwarding(family, there) for family in forwarding.SWITCHES)


def _nftables() -> Finding:
    from composer.linux import nftables

    purpose = "no networks: they cannot be isolated from each other, nor have a way out"
    try:
        nftables.run("list tables")
    except MissingFeature as error:
        return Finding("nftables", False, consequence=purpose, remedy=error.hint or "")
    except OSError as error:
        if "Operation not permitted" in str(error.strerror):
            return Finding("nftables", True, "only root is told")
        return Finding("nftables", False, consequence=purpose, remedy="CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET")
    return Finding("nftables", True)


def _forwarding(family: str, there: HostNetwork) -> Finding:
    """Never missing: what `up` would change, or has changed and for whom."""
    name = forwarding.SWITCHES[family].removeprefix("/proc/sys/").replace("/", ".")
    what = "the first network with a way out" if family == "4" else "the first with a way out and IPv6"
    try:
        if not forwarding.is_on(family):
            detail = f"off: {what} switches it on, the last `down` off again"
        elif for_whom := dict.fromkeys(map(_whose, forwarding.holders(family, there))):
            detail = f"on because of {', '.join(for_whom)}; it was off, and is again after the last `down`"
        else:
            detail = "on"
    except OSError:
        detail = f"this kernel has no IPv{family}"
    return Finding(name, True, detail)


def _whose(label: NetworkLabel) -> str:
    return f"project {label.project}" if label.project else f"network {label.network}"


def _systemd() -> Finding:
    there = os.path.isdir("/run/systemd/system")
    return Finding("systemd", True, "manages this host" if there else "not in charge here: cgroups are made directly")


def _limits() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    yield _limit("open files", hard == resource.RLIM_INFINITY or hard >= 4096, shown, "raise `ulimit -Hn`")
    for name, least in (
        ("fs/inotify/max_user_instances", 64),
        ("fs/inotify/max_user_watches", 4096),
        ("kernel/pid_max", 4096),
    ):
        value = _sysctl(name)
        yield _limit(
            name.replace("/", "."), value >= least, str(value), f"sysctl -w {name.replace('/', '.')}={least * 4}"
        )


def _limit(name: str, enough: bool, detail: str, remedy: str) -> Finding:
    return Finding(name, enough, detail, consequence="few containers at once", remedy=remedy)


def _sysctl(name: str) -> int:
    with open(f"/proc/sys/{name}", encoding="ascii") as file:
        return int(file.read())
