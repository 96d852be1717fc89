"""What command line and supervisor both do about volumes: for a start, after a removal, and when one is to go.

The records are the store's, the mounts the runtime's; both blocking.
"""

from __future__ import annotations

from composer.errors import Conflict, HostError, NoSuchThing
from composer.planner.plan import Anonymous
from composer.runtime import volume
from composer.runtime.launch import VolumePlace
from composer.runtime.tree import remove_tree
from composer.spec.mounts import VolumeMount
from composer.spec.volume import bound_device, is_mounted
from composer.store import volumes
from composer.store.paths import Paths
from composer.store.records import ContainerRecord

PROJECT = "com.docker.compose.project"


def anonymous(paths: Paths, record: ContainerRecord) -> tuple[tuple[str, str], ...]:
    """(target, volume) of a new container's anonymous volumes, made where it inherits none. Raises HostError."""
    return volumes.anonymous(paths, record.spec, labels=((PROJECT, record.spec.project),))


def places(paths: Paths, record: ContainerRecord) -> tuple[VolumePlace, ...]:
    """Where the volumes of a container are that is to start, mounted where they are file systems of their own.

    Raises NoSuchThing for one that is gone, HostError for one that cannot be mounted.
    """
    mounts = (mount for mount in record.spec.mounts if isinstance(mount, VolumeMount))
    return tuple(_place(paths, record, mount) for mount in mounts)


def _place(paths: Paths, record: ContainerRecord, mount: VolumeMount) -> VolumePlace:
    name = volumes.name_of(paths, record, mount)
    there = volumes.load(paths, name) if name else None
    if there is None:
        raise _gone(record, mount, name)
    directory = volumes.directory(paths, name)
    if is_mounted(there.options):
        volume.mount(name, directory, there.options)
    words = dict(there.options).get("o", "").split(",")
    source = bound_device(there.options) or volumes.data(paths, name)
    return VolumePlace(mount.target, name, directory, source, read_only="ro" in words)


def _gone(record: ContainerRecord, mount: VolumeMount, name: str) -> NoSuchThing:
    purpose = f"cannot start container {record.spec.name}"
    if mount.owner and not name:
        return NoSuchThing(
            f"{purpose}: it has the volumes of {mount.owner}, which is not there", hint="`pycompose up` makes it"
        )
    return NoSuchThing(
        f"{purpose}: the volume {name or 'that was mounted'} on {mount.target} is gone",
        hint="`pycompose up` makes it again, empty",
    )


def let_go(paths: Paths, record: ContainerRecord, *, fate: Anonymous) -> None:
    """A container's record is gone: see to its anonymous volumes, unmount what nobody uses. Raises HostError."""
    names = tuple(name for _, name in record.volumes)
    match fate:
        case Anonymous.RELEASE:
            volumes.release(paths, names)
        case Anonymous.REMOVE:
            for name in names:
                _remove_unless_used(paths, name)
        case Anonymous.KEEP:
            pass
    mounted = [name for name in volumes.used_by(record) if _is_mounted(paths, name)]
    if mounted:
        used = volumes.in_use(paths)
        for name in mounted:
            if name not in used:
                _unmount(paths, name)


def _remove_unless_used(paths: Paths, name: str) -> None:
    try:
        remove(paths, name)
    except (Conflict, NoSuchThing):
        pass  # another container has it (volumes_from)


def _is_mounted(paths: Paths, name: str) -> bool:
    there = volumes.load(paths, name)
    return there is not None and is_mounted(there.options)


def _unmount(paths: Paths, name: str) -> None:
    try:
        volume.unmount(volumes.data(paths, name))
    except OSError as error:
        raise HostError(f"cannot unmount volume {name}: {error.strerror}") from error


def remove(paths: Paths, name: str) -> None:
    """Delete a volume with what is in it. Raises NoSuchThing, Conflict naming who uses it, HostError."""
    with volumes.removing(paths, name, unmount=volume.unmount) as gone:
        _delete(gone, name)


def sweep(paths: Paths) -> None:
    """Delete what interrupted removals have left. Raises HostError."""
    for directory in volumes.remains(paths):
        _delete(directory, directory)


def _delete(directory: str, name: str) -> None:
    try:
        remove_tree(directory)
    except OSError as error:
        raise HostError(f"cannot remove volume {name}: {error.filename or ''} {error.strerror}") from error
