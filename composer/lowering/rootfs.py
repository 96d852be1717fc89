"""Where a service's root file system comes from."""

from __future__ import annotations

from composer.lowering.host import HostFacts
from composer.lowering.mistake import refused
from composer.model.project import Project
from composer.model.service import Service
from composer.spec.rootfs import Archive, Directory, HostRoot, RootfsSource


def paths(project: Project) -> tuple[str, ...]:
    """The root file systems of a project, each once: whoever takes `HostFacts` looks which of them are directories."""
    return tuple(dict.fromkeys(service.rootfs for service in project.services.values() if service.rootfs))


def source(path: str, host: HostFacts) -> RootfsSource:
    """What an absolute path means: the host's own root, a directory or an archive."""
    if path == "/":
        return HostRoot()
    return Directory(path) if path in host.directories else Archive(path)


def lower(service: Service, host: HostFacts) -> RootfsSource:
    """Raises InvalidFile for a service that has none."""
    if not service.rootfs:
        raise refused(
            "no-rootfs",
            "has no rootfs",
            "services",
            service.name,
            hint='write rootfs: with a directory, a tar archive, or "/" for the host\'s own root',
        )
    return source(service.rootfs, host)
