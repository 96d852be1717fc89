"""Mounts inside a container, in the order in which they are made. Targets are absolute paths in the container."""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen


class Propagation(Enum):
    """Mount propagation (mount_namespaces(7)); the `r` forms act on the whole tree."""

    PRIVATE = "private"
    RPRIVATE = "rprivate"
    SHARED = "shared"
    RSHARED = "rshared"
    SLAVE = "slave"
    RSLAVE = "rslave"


class Recursion(Enum):
    """What happens to mounts below the source of a bind (the Compose key `bind.recursive`)."""

    ENABLED = "enabled"  # submounts come along; read-only is recursive where the kernel can (5.12)
    DISABLED = "disabled"  # submounts stay behind
    WRITABLE = "writable"  # submounts come along and keep their own writability
    READONLY = "readonly"  # submounts come along and are read-only, or it is an error


@frozen
class IdMap:
    """Ids that change places between host and container: (of the host, of the container)."""

    uid: tuple[int, int] = (0, 0)
    gid: tuple[int, int] = (0, 0)


@frozen
class Bind:
    """A host file or directory (absolute path) shown at `target`."""

    source: str
    target: str
    read_only: bool = False
    propagation: Propagation = Propagation.RPRIVATE
    recursion: Recursion = Recursion.ENABLED
    create_source: bool = False  # a missing source becomes an empty directory
    idmap: IdMap | None = None
    place: str = ""  # spec.place


@frozen
class Tmpfs:
    """Memory at `target`. `size` in bytes, None for the kernel's default of half the memory."""

    target: str
    size: int | None = None
    nr_inodes: int | None = None
    mode: int = 0o1777
    uid: int | None = None
    gid: int | None = None
    read_only: bool = False
    exec: bool = False
    suid: bool = False
    dev: bool = False


@frozen
class VolumeMount:
    """A volume shown at `target`.

    Without a `volume` it is an anonymous one, made along with the container `owner` for its mount at `target`; "" is
    the container itself. An empty volume first gets what the root file system has at `target`, unless `nocopy`.
    """

    target: str
    volume: str = ""  # its name on the host
    owner: str = ""
    subpath: str = ""  # of the volume, to be shown instead of the whole
    read_only: bool = False
    nocopy: bool = False
    labels: tuple[tuple[str, str], ...] = ()  # of an anonymous volume


@frozen
class Filesystem:
    """A file system of the kernel: proc, sysfs, devpts, mqueue, cgroup (v1 tree or v2, as the host has it)."""

    type: str
    target: str
    options: tuple[str, ...] = ()  # mount flags by their mount(8) names: ro, nosuid, nodev, noexec
    data: str = ""  # the file system's own options, e.g. "newinstance,ptmxmode=0666,mode=0620,gid=5"


Mount = Bind | Tmpfs | VolumeMount | Filesystem


@frozen
class File:
    """A generated file shown at `target`, such as /etc/hosts; the host's side may rewrite its content in place."""

    target: str
    content: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    identity: str | None = None  # stands for `content` in fingerprints where that follows a file of the host
    own_names: str = ""  # of /etc/hosts: what the container is called, a line for each address that it gets
    gateway_names: tuple[str, ...] = ()  # of /etc/hosts: names of the host, which is the container's gateway
