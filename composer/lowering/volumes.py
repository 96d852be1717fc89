"""Volumes at the top of a Compose file, as those of the host that the project's services use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from composer.errors import InvalidFile
from composer.lowering.mistake import Place, nowhere, refused, together
from composer.model import volume as model
from composer.model.project import Project
from composer.model.volume import MountType
from composer.spec.volume import OPTIONS, Volume, bound_device

PROJECT = "com.docker.compose.project"
KEY = "com.docker.compose.volume"


def lower(project: Project, *, place: Place = nowhere) -> tuple[Volume, ...]:
    """Every volume that a service names, once: two keys may be one volume of the host. Raises InvalidFile."""
    used = dict.fromkeys(key for service in project.services.values() for key in _named(service.volumes))
    refusals = [refusal for key in used for refusal in _misfits(project.volumes[key], key)]
    if refusals:
        raise together(refusals)
    volumes = (_volume(project.volumes[key], key, project.name, place(("volumes", key))) for key in used)
    made = {volume.name: volume for volume in volumes}
    return tuple(made[name] for name in sorted(made))


def _misfits(said: model.Volume, key: str) -> Iterator[InvalidFile]:
    """What the local driver, which is all there is, does not know."""
    if said.driver not in (None, "", "local"):
        message, hint = f'cannot have driver "{said.driver}"', "write driver: local, or leave it"
        yield refused("unknown-choice", message, "volumes", key, "driver", hint=hint)
        return
    for option in said.driver_opts:
        if option not in OPTIONS:
            message, hint = f'cannot have option "{option}"', f"driver local has {', '.join(OPTIONS)}"
            yield refused("unknown-key", message, "volumes", key, "driver_opts", option, hint=hint)
    device = bound_device(tuple(said.driver_opts.items()))
    if device and not device.startswith("/"):
        message = f'cannot have device "{device}": it is not an absolute path'
        yield refused("bad-value", message, "volumes", key, "driver_opts", "device")


def _named(mounts: tuple[model.ServiceVolume, ...]) -> Iterator[str]:
    yield from (mount.source for mount in mounts if mount.type is MountType.VOLUME and mount.source)


def _volume(said: model.Volume, key: str, project: str, place: str) -> Volume:
    if said.external:
        return Volume(said.name, external=True, place=place)
    return Volume(
        said.name,
        options=tuple(sorted(said.driver_opts.items())),
        labels=tuple(sorted(labels(said.labels, project=project, key=key).items())),
        place=place,
    )


def labels(own: Mapping[str, str], *, project: str, key: str = "") -> dict[str, str]:
    """The user's labels and those that say whose volume it is, as docker compose has them."""
    return {**own, PROJECT: project, **({KEY: key} if key else {})}
