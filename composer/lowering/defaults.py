"""What a container gets that nothing is said about: Docker's defaults, as values (moby, daemon/pkg/oci/defaults.go)."""

from __future__ import annotations

from composer.spec.mounts import Filesystem, Mount, Tmpfs

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TERM = "xterm"
SHM_SIZE = 64 << 20
LONGEST_NAME = 255  # NAME_MAX: directories and cgroups are called as their container
LONGEST_HOSTNAME = 63  # a DNS label; the kernel takes 64 (uname(2))

MASKED_PATHS = (
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
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_SEALED = ("nosuid", "noexec", "nodev")
SHM = "/dev/shm"


def mounts(
    *, privileged: bool = False, writable_cgroups: bool = False, shm_size: int | None = None
) -> tuple[Mount, ...]:
    """The file systems of the kernel, in the order in which they are mounted; a privileged container may write."""
    sys_access = () if privileged else ("ro",)
    cgroup_access = () if privileged or writable_cgroups else ("ro",)
    return (
        Filesystem("proc", "/proc", _SEALED),
        Tmpfs("/dev", size=64 << 20, mode=0o755, exec=True, dev=True),
        Filesystem("devpts", "/dev/pts", ("nosuid", "noexec"), "newinstance,ptmxmode=0666,mode=0620,gid=5"),
        Filesystem("sysfs", "/sys", (*sys_access, *_SEALED)),
        Filesystem("cgroup", "/sys/fs/cgroup", (*cgroup_access, *_SEALED)),
        Filesystem("mqueue", "/dev/mqueue", _SEALED),
        Tmpfs(SHM, size=shm_size or SHM_SIZE, mode=0o1777),
    )


def environment(*, hostname: str, tty: bool) -> dict[str, str]:
    """The variables that the user's own are laid over. HOME comes later, from the container's own /etc/passwd."""
    return {"PATH": PATH, "HOSTNAME": hostname, **({"TERM": TERM} if tty else {})}
