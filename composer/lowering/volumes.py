"""Volumes at the top of a Compose file, as those of the host that the project's services use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from composer.lowering.mistake import refused
from composer.model import volume as model
from composer.model.project import Project
from composer.model.volume import MountType
from composer.spec.volume import OPTIONS, Volume, bound_device

PROJECT = "com.docker.compose.project"
KEY = "com.docker.compose.volume"


def lower(project: Project) -> tuple[Volume, ...]:
    """Every volume that a service names, once: two keys may be one volume of the host. Raises InvalidFile."""
    used: dict[str, None] = {}
    for service in project.services.values():
        for key in _named(service.volumes):
            _refuse_driver(project.volumes[key], key, service=service.name)
            used[key] = None
    made = {volume.name: volume for volume in (_volume(project.volumes[key], key, project.name) for key in used)}
    return tuple(made[name] for name in sorted(made))


def _refuse_driver(said: model.Volume, key: str, *, service: str) -> None:
    """Raises InvalidFile for what the local driver, which is all there is, does not know."""
    if said.driver not in (None, "", "local"):
        message = f'cannot use volume {key}: there is no driver "{said.driver}"'
        raise refused(
            "unknown-choice", message, service=service, key="volumes", hint="write driver: local, or leave it"
        )
    for option in said.driver_opts:
        if option not in OPTIONS:
            message = f'cannot use volume {key}: the local driver has no option "{option}"'
            raise refused("unknown-key", message, service=service, key="volumes", hint=f"it has {', '.join(OPTIONS)}")
    device = bound_device(tuple(said.driver_opts.items()))
    if device and not device.startswith("/"):
        message = f'cannot use volume {key}: its device "{device}" is not an absolute path'
        raise refused("bad-value", message, service=service, key="volumes")


def _named(mounts: tuple[model.ServiceVolume, ...]) -> Iterator[str]:
    yield from (mount.source for mount in mounts if mount.type is MountType.VOLUME and mount.source)


def _volume(said: model.Volume, key: str, project: str) -> Volume:
    if said.external:
        return Volume(said.name, external=True)
    return Volume(
        said.name,
        options=tuple(sorted(said.driver_opts.items())),
        labels=tuple(sorted(labels(said.labels, project=project, key=key).items())),
    )


def labels(own: Mapping[str, str], *, project: str, key: str = "") -> dict[str, str]:
    """The user's labels and those that say whose volume it is, as docker compose has them."""
    return {**own, PROJECT: project, **({KEY: key} if key else {})}
