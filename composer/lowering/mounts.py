"""What a service's container has mounted: the kernel's file systems, binds and tmpfs, parents before what is below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from composer.frozen import replace
from composer.lowering import defaults, namespaces, placing, security
from composer.lowering.mistake import Place, nowhere, refused
from composer.model import devices, volume
from composer.model.choices import NamespaceKind
from composer.model.project import Project
from composer.model.service import Service
from composer.model.volume import MountType, ServiceVolume, read_mount_target
from composer.spec.mounts import Bind, IdMap, Mount, Propagation, Recursion, Tmpfs, VolumeMount

# Volumes of the other types are nothing that can be mounted yet; whoever loaded the file has said so.


Containers = Mapping[str, tuple[str, ...]]  # the names of each service's


def lower(
    service: Service,
    *,
    project: Project,
    containers: Containers,
    more: Iterable[Mount] = (),
    place: Place = nowhere,
) -> tuple[Mount, ...]:
    """All mounts in order. Those of other services (`volumes_from`) give way to the service's own at the same target,
    and those to `more`, a person's. Raises InvalidFile for another service that has no container."""
    inherited = _inherited(service, project, containers, place=place)
    said = (*inherited, *_volumes(service, project, place), *map(_tmpfs, service.tmpfs), *more)
    own = {mount.target: mount for mount in said}
    return placing.combine(_defaults(service), own.values())


def _defaults(service: Service) -> Iterator[Mount]:
    standard = defaults.mounts(
        privileged=service.privileged,
        writable_cgroups=security.writable_cgroups(service),
        shm_size=service.shm_size,
    )
    shares_ipc = service.ipc is not None and service.ipc.kind is NamespaceKind.HOST
    for mount in standard:
        if shares_ipc and mount.target in (defaults.SHM, "/dev/mqueue"):
            yield Bind(mount.target, mount.target)  # shared memory lives in the host's tmpfs, not in the namespace
        elif mount.target != defaults.SHM or namespaces.has_shm(service):
            yield mount


def _inherited(
    service: Service, project: Project, containers: Containers, *, place: Place, seen: frozenset[str] = frozenset()
) -> Iterator[Bind | VolumeMount]:
    """What is mounted in other containers, theirs first that are named first. Memory (tmpfs) is not shared."""
    for text in service.volumes_from:
        owner, access = _owner(service, text, containers)
        other = next(project.services[name] for name, names in containers.items() if owner in names)
        if other.name == service.name or other.name in seen:
            continue  # containers of each other: it is there already
        theirs = _inherited(other, project, containers, place=place, seen=seen | {service.name})
        for mount in (*theirs, *_volumes(other, project, place)):
            if isinstance(mount, VolumeMount) and not mount.volume and not mount.owner:
                mount = replace(mount, owner=owner)
            if isinstance(mount, Bind | VolumeMount):
                yield replace(mount, read_only=mount.read_only or access == "ro")


def _owner(service: Service, text: str, containers: Containers) -> tuple[str, str]:
    """The container that `SERVICE[:ro]` or `container:NAME[:ro]` means: of several replicas the first."""
    is_container = text.startswith("container:")
    name, _, access = text.removeprefix("container:").partition(":")
    names = [one for each in containers.values() for one in each] if is_container else containers.get(name, ())
    if (is_container and name in names) or (not is_container and names):
        return name if is_container else names[0], access
    what = "container" if is_container else "service"
    missing = "this project has no container of that name" if is_container else "it has no container"
    message = f"cannot have the volumes of {what} {name}: {missing}"
    raise refused("no-container", message, "services", service.name, "volumes_from")


def _volumes(service: Service, project: Project, place: Place) -> Iterator[Mount]:
    for index, mount in enumerate(service.volumes):
        if mount.type is MountType.BIND and mount.source is not None:
            yield _bind(mount, mount.source, place(("services", service.name, "volumes", index, "source")))
        elif mount.type is MountType.TMPFS:
            yield _tmpfs_volume(mount)
        elif mount.type is MountType.VOLUME:
            yield _volume(mount, project)


def _volume(mount: ServiceVolume, project: Project) -> VolumeMount:
    options = mount.volume or volume.VolumeOptions()
    return VolumeMount(
        target=mount.target,
        volume=project.volumes[mount.source].name if mount.source else "",
        subpath=options.subpath or "",
        read_only=mount.read_only,
        nocopy=options.nocopy,
        labels=tuple(sorted(options.labels.items())),
    )


def _bind(mount: ServiceVolume, source: str, place: str) -> Bind:
    options = mount.bind or volume.BindOptions()
    return Bind(
        source=source,
        target=mount.target,
        read_only=mount.read_only,
        propagation=Propagation(options.propagation.value) if options.propagation else Propagation.RPRIVATE,
        recursion=Recursion(options.recursive.value) if options.recursive else Recursion.ENABLED,
        create_source=options.create_host_path,
        idmap=_idmap(options.x_idmap),
        place=place,
    )


def _idmap(said: volume.IdMap | None) -> IdMap | None:
    return None if said is None else IdMap(uid=_pair(said.uid), gid=_pair(said.gid))


def _pair(said: volume.Exchange | None) -> tuple[int, int]:
    return (said.host, said.container) if said else (0, 0)


def _tmpfs_volume(mount: ServiceVolume) -> Tmpfs:
    options = mount.tmpfs or volume.TmpfsOptions()
    mode = 0o1777 if options.mode is None else options.mode
    return Tmpfs(mount.target, size=options.size or None, mode=mode, read_only=mount.read_only)


def _tmpfs(tmpfs: devices.Tmpfs) -> Tmpfs:
    """Docker's flags, noexec, nosuid and nodev, unless the file says otherwise; of contradictions the last counts."""
    flags = dict.fromkeys(("ro", "exec", "suid", "dev"), False)
    for flag in tmpfs.flags:
        if flag in flags:
            flags[flag] = True
        elif flag.removeprefix("no") in flags:
            flags[flag.removeprefix("no")] = False
        elif flag == "rw":
            flags["ro"] = False
    return Tmpfs(
        read_mount_target(tmpfs.target),
        size=tmpfs.size or None,
        nr_inodes=tmpfs.nr_inodes,
        mode=0o1777 if tmpfs.mode is None else tmpfs.mode,
        uid=tmpfs.uid,
        gid=tmpfs.gid,
        read_only=flags["ro"],
        exec=flags["exec"],
        suid=flags["suid"],
        dev=flags["dev"],
    )
