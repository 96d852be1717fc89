"""What a service's container has mounted: the kernel's file systems, binds and tmpfs, parents before what is below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.lowering import defaults, namespaces, placing, security
from composer.model import devices, volume
from composer.model.choices import NamespaceKind
from composer.model.service import Service
from composer.model.volume import MountType, ServiceVolume, read_mount_target
from composer.spec.mounts import Bind, Mount, Propagation, Recursion, Tmpfs

# Volumes of the other types are nothing that can be mounted yet; whoever loaded the file has said so.


def lower(service: Service, *, more: Iterable[Mount] = ()) -> tuple[Mount, ...]:
    """All mounts in order. `more` are a person's own, which take the place of the file's at the same target."""
    own = {mount.target: mount for mount in (*_volumes(service), *map(_tmpfs, service.tmpfs), *more)}
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


def _volumes(service: Service) -> Iterator[Mount]:
    for mount in service.volumes:
        if mount.type is MountType.BIND and mount.source is not None:
            yield _bind(mount, mount.source)
        elif mount.type is MountType.TMPFS:
            yield _tmpfs_volume(mount)


def _bind(mount: ServiceVolume, source: str) -> Bind:
    options = mount.bind or volume.BindOptions()
    return Bind(
        source=source,
        target=mount.target,
        read_only=mount.read_only,
        propagation=Propagation(options.propagation.value) if options.propagation else Propagation.RPRIVATE,
        recursion=Recursion(options.recursive.value) if options.recursive else Recursion.ENABLED,
        create_source=options.create_host_path,
    )


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
        mode=0o1777 if tmpfs.mode is None else tmpfs.mode,
        uid=tmpfs.uid,
        gid=tmpfs.gid,
        read_only=flags["ro"],
        exec=flags["exec"],
        suid=flags["suid"],
        dev=flags["dev"],
    )
