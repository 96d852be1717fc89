"""What is mounted in a container, in docker's words: for `inspect` and `ps`."""

from __future__ import annotations

from composer.hints import Iterator
from composer.spec.mounts import Bind, Tmpfs, VolumeMount
from composer.store.paths import Paths
from composer.store.records import ContainerRecord

Tree = dict[str, object]


def mounts(paths: Paths, record: ContainerRecord) -> list[Tree]:
    """As `docker inspect` lists them under Mounts; file systems of the kernel are not among them."""
    return list(_mounts(paths, record))


def _mounts(paths: Paths, record: ContainerRecord) -> Iterator[Tree]:
    for mount in record.spec.mounts:
        match mount:
            case Bind(source, target):
                place = {"Type": "bind", "Source": source, "Destination": target}
                yield {**place, **_mode(mount.read_only), "Propagation": mount.propagation.value}
            case VolumeMount(target):
                from composer.store import volumes  # not for who has none

                name = volumes.name_of(paths, record, mount)
                place = {"Type": "volume", "Name": name, "Source": volumes.data(paths, name), "Destination": target}
                yield {**place, "Driver": "local", **_mode(mount.read_only), "Propagation": ""}
            case Tmpfs(target):
                yield {
                    "Type": "tmpfs",
                    "Source": "",
                    "Destination": target,
                    **_mode(mount.read_only),
                    "Propagation": "",
                }


def _mode(read_only: bool) -> Tree:
    return {"Mode": "ro" if read_only else "", "RW": not read_only}


def binds(paths: Paths, record: ContainerRecord) -> list[str]:
    """SOURCE:TARGET:MODE of what has a source, a volume's being its name."""
    return [
        f"{source}:{mount.target}:{'ro' if mount.read_only else 'rw'}"
        for mount in record.spec.mounts
        if isinstance(mount, Bind | VolumeMount) and (source := _source(paths, record, mount))
    ]


def sources(paths: Paths, record: ContainerRecord) -> list[str]:
    """What `docker ps` lists: directories of the host, and volumes by their names."""
    return [_source(paths, record, mount) for mount in record.spec.mounts if isinstance(mount, Bind | VolumeMount)]


def _source(paths: Paths, record: ContainerRecord, mount: Bind | VolumeMount) -> str:
    if isinstance(mount, Bind):
        return mount.source
    from composer.store import volumes

    return volumes.name_of(paths, record, mount)


def volume_count(record: ContainerRecord) -> int:
    """How many volumes it has."""
    return sum(isinstance(mount, VolumeMount) for mount in record.spec.mounts)
