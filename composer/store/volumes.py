"""Volumes of this host: made whole or not at all, found by looking, removed when nobody uses them.

<root>/volumes/
    .lock                               flock(2): held while a volume is made or removed
    <name>/volume.json                  VolumeRecord
    <name>/_data/                       what is in it, or the mount point of what is

Whether a volume is in use is what the containers' records say, of all projects. Beyond this module: mounting.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager

from composer.errors import Conflict, HostError, NoSuchThing, UsageError
from composer.frozen import frozen, replace
from composer.hints import Callable, Iterator
from composer.planner.observed import ObservedVolume
from composer.spec import codec
from composer.spec.container import ContainerSpec
from composer.spec.mounts import VolumeMount
from composer.spec.volume import Volume
from composer.store import atomic, records
from composer.store.paths import Paths
from composer.store.records import ContainerRecord

VERSION = 1
LONGEST_NAME = 255  # bytes of a directory's name
ANONYMOUS = "com.docker.volume.anonymous"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@frozen
class VolumeRecord:
    """One volume. `container` and `target`: whose mount an anonymous one belongs to, "" once that is gone for good."""

    name: str
    created_ns: int  # wall clock, since the epoch
    options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    version: int = VERSION
    container: str = ""
    target: str = ""

    @property
    def is_anonymous(self) -> bool:
        return any(name == ANONYMOUS for name, _ in self.labels)


def directory(paths: Paths, name: str) -> str:
    """Everything about a volume."""
    return f"{paths.volumes}/{name}"


def data(paths: Paths, name: str) -> str:
    """What is in it."""
    return f"{paths.volumes}/{name}/_data"


def refuse_unfit(name: str) -> None:
    """Raises UsageError: it cannot be the name of a volume, which is a directory's."""
    if len(name) < 2 or not set(name) <= _LETTERS or name[0] in "_.-" or len(name) > LONGEST_NAME:
        hint = "begin with a letter or digit; use letters, digits, dots, - and _, at least two of them"
        raise UsageError(f'cannot call a volume "{name}"', hint=hint)


def create(paths: Paths, volume: Volume, *, container: str = "", target: str = "") -> VolumeRecord:
    """The volume, made where it is missing; one that is there stays as it is. Raises HostError, UsageError."""
    refuse_unfit(volume.name)
    try:
        with _locked(paths):
            there = load(paths, volume.name)
            if there is not None:
                return there
            record = VolumeRecord(
                volume.name,
                time.time_ns(),
                options=volume.options,
                labels=volume.labels,
                container=container,
                target=target,
            )
            _make(paths, record)
            return record
    except OSError as error:
        raise HostError(f"cannot create volume {volume.name}: {error.filename or ''} {error.strerror}") from error


def _make(paths: Paths, record: VolumeRecord) -> None:
    """Beside its place, then renamed: nobody ever sees half a volume."""
    made = f"{paths.volumes}/.new-{os.urandom(8).hex()}"
    os.mkdir(made, 0o711)
    os.chmod(made, 0o711)
    os.mkdir(f"{made}/_data", 0o755)
    os.chmod(f"{made}/_data", 0o755)  # the umask had its say
    _save(f"{made}/volume.json", record)
    os.rename(made, directory(paths, record.name))


def _save(path: str, record: VolumeRecord) -> None:
    atomic.replace(path, codec.dumps(record).encode(errors="surrogateescape"), durable=True)


def load(paths: Paths, name: str) -> VolumeRecord | None:
    """A volume's record, None where there is none. Raises HostError on a damaged or newer one."""
    try:
        with open(f"{directory(paths, name)}/volume.json", encoding="utf-8", errors="surrogateescape") as file:
            return codec.loads(VolumeRecord, file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except codec.DecodeError as error:
        raise HostError(f"cannot read what volume {name} is: {error}") from error


def require(paths: Paths, name: str) -> VolumeRecord:
    """A volume's record. Raises NoSuchThing, HostError."""
    record = load(paths, name) if name and "/" not in name else None
    if record is None:
        raise NoSuchThing(f"there is no volume {name}")
    return record


def load_all(paths: Paths) -> list[VolumeRecord]:
    """All volumes of the host, by name. Raises HostError."""
    try:
        names = sorted(os.listdir(paths.volumes))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (load(paths, name) for name in names if not name.startswith("."))
    return [record for record in found if record is not None]


def observed(paths: Paths) -> tuple[ObservedVolume, ...]:
    """What the planner wants to know of them."""
    return tuple(
        ObservedVolume(record.name, record.options, record.labels, record.container) for record in load_all(paths)
    )


# ---- anonymous volumes ------------------------------------------------------------------------------------------


def anonymous(paths: Paths, spec: ContainerSpec, *, labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """(target, volume) of a new container's anonymous volumes: those that its predecessor left it, else new ones."""
    mounts = [mount for mount in spec.mounts if isinstance(mount, VolumeMount) and not mount.volume and not mount.owner]
    if not mounts:
        return ()
    inherited = {
        record.target: record.name
        for record in load_all(paths)
        if record.container == spec.name and record.labels and set(labels) <= set(record.labels)
    }
    return tuple((mount.target, inherited.get(mount.target) or _new(paths, spec, mount, labels)) for mount in mounts)


def _new(paths: Paths, spec: ContainerSpec, mount: VolumeMount, labels: tuple[tuple[str, str], ...]) -> str:
    both = tuple(sorted({**dict(mount.labels), **dict(labels), ANONYMOUS: ""}.items()))
    volume = Volume(os.urandom(32).hex(), labels=both)
    return create(paths, volume, container=spec.name, target=mount.target).name


def release(paths: Paths, names: tuple[str, ...]) -> None:
    """The container of these anonymous volumes is gone and leaves them to nobody. Raises HostError."""
    for name in names:
        record = load(paths, name)
        if record is not None:
            try:
                _save(f"{directory(paths, name)}/volume.json", replace(record, container="", target=""))
            except OSError as error:
                raise HostError(f"cannot release volume {name}: {error.strerror}") from error


# ---- use and removal --------------------------------------------------------------------------------------------


def users(paths: Paths, name: str) -> list[str]:
    """The containers of all projects that have a volume, running or not."""
    return sorted(container for container, used in _uses(paths) if name in used)


def refuse_used(paths: Paths, name: str) -> None:
    """Raises Conflict, naming the containers that have the volume."""
    if containers := users(paths, name):
        hint = "remove the container first: `pycompose down`, or `pycompose rm`"
        raise Conflict(f"cannot remove volume {name}: it is in use by {', '.join(containers)}", hint=hint)


def in_use(paths: Paths) -> frozenset[str]:
    """All volumes that some container has."""
    return frozenset(name for _, used in _uses(paths) for name in used)


def name_of(paths: Paths, record: ContainerRecord, mount: VolumeMount) -> str:
    """The volume that one of a container's mounts shows, "" for one of another container that is not there."""
    if mount.volume:
        return mount.volume
    owner = records.load(paths.project(record.spec.project), mount.owner) if mount.owner else record
    return dict(owner.volumes).get(mount.target, "") if owner else ""


def used_by(record: ContainerRecord) -> frozenset[str]:
    """The volumes that a container has, those of other containers (`volumes_from`) left out."""
    mounts = (mount for mount in record.spec.mounts if isinstance(mount, VolumeMount))
    return frozenset(mount.volume for mount in mounts if mount.volume) | {name for _, name in record.volumes}


def _uses(paths: Paths) -> Iterator[tuple[str, frozenset[str]]]:
    """(container, its volumes) of all projects."""
    found = list(records.load_everywhere(paths))
    anonymous = {(it.spec.project, it.spec.name, target): name for it in found for target, name in it.volumes}
    for record in found:
        others = (
            anonymous.get((record.spec.project, mount.owner, mount.target), "")
            for mount in record.spec.mounts
            if isinstance(mount, VolumeMount) and mount.owner
        )
        yield record.spec.name, used_by(record) | frozenset(filter(None, others))


@contextmanager
def removing(paths: Paths, name: str, *, unmount: Callable[[str], None]) -> Iterator[str]:
    """Take a volume away: nobody can use it any more, and its directory, under another name, is the body's to delete.

    `unmount` frees its data of what is mounted there. Raises NoSuchThing, Conflict naming who uses it, HostError.
    """
    gone = f"{paths.volumes}/.gone-{os.urandom(8).hex()}"
    with _locked(paths):
        require(paths, name)
        refuse_used(paths, name)
        try:
            unmount(data(paths, name))
            os.rename(directory(paths, name), gone)
        except OSError as error:
            raise HostError(f"cannot remove volume {name}: {error.strerror}") from error
    yield gone


def remains(paths: Paths) -> list[str]:
    """Directories of volumes whose making or removal was interrupted: nobody else's any more."""
    if not os.path.isdir(paths.volumes):
        return []
    with _locked(paths):  # what is being made is made under the lock
        for name in os.listdir(paths.volumes):
            if name.startswith(".new-"):
                os.rename(f"{paths.volumes}/{name}", f"{paths.volumes}/.gone-{os.urandom(8).hex()}")
        return [f"{paths.volumes}/{name}" for name in os.listdir(paths.volumes) if name.startswith(".gone-")]


@contextmanager
def _locked(paths: Paths) -> Iterator[None]:
    os.makedirs(paths.volumes, mode=0o711, exist_ok=True)
    lock = os.open(f"{paths.volumes}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
