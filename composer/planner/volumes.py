"""What becomes of volumes: made before the containers that use them, removed after the last one, if at all.

A volume that is there is never changed: what its definition has become is told, and what to do about it.
"""

from __future__ import annotations

from composer.errors import FileNotFound, HostError, NoSuchThing, PycomposeError
from composer.hints import Iterable, Iterator, Mapping
from composer.planner.draft import Draft
from composer.planner.observed import Observed, ObservedVolume
from composer.planner.plan import CreateVolume, RemoveVolume
from composer.planner.together import noting, together
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.grant import HostFile
from composer.spec.mounts import Bind, VolumeMount
from composer.spec.place import at
from composer.spec.volume import Volume, bound_device

PROJECT_LABEL = "com.docker.compose.project"


class VolumeSteps:
    """Writes the steps that make volumes: one per volume, whoever comes first asks for it."""

    def __init__(self, desired: Desired, observed: Observed, *, draft: Draft) -> None:
        self._desired = {volume.name: volume for volume in desired.volumes}
        self._there = {volume.name for volume in observed.volumes}
        self._draft = draft
        self._made: dict[str, int] = {}

    def before(self, spec: ContainerSpec) -> Iterator[int]:
        """The steps that make what the container is to mount."""
        for name in named(spec):
            if name in self._there or name not in self._desired:
                continue
            if name not in self._made:
                self._made[name] = self._draft.add(CreateVolume(name), cause="missing")
            yield self._made[name]


def named(spec: ContainerSpec) -> tuple[str, ...]:
    """The volumes that a container mounts by their names."""
    return tuple(
        dict.fromkeys(mount.volume for mount in spec.mounts if isinstance(mount, VolumeMount) and mount.volume)
    )


def refuse_missing(specs: Iterable[ContainerSpec], desired: Desired, observed: Observed) -> None:
    """Raises for all that containers which are to start need and the host does not have, before anything is done."""
    volumes = {volume.name: volume for volume in desired.volumes}
    there = {volume.name for volume in observed.volumes}
    mistakes: list[PycomposeError] = []
    for spec in specs:
        for volume in (volumes[name] for name in named(spec) if name in volumes):
            with noting(mistakes):
                _refuse_volume(spec, volume, there=there, missing=observed.missing)
        for mount in spec.mounts:
            if isinstance(mount, Bind) and mount.source in observed.missing:
                mistakes.append(_cannot_bind(spec, mount, observed.missing[mount.source]))
        for grant in spec.grants:
            if isinstance(grant.content, HostFile) and grant.content.path in observed.missing:
                mistakes.append(
                    FileNotFound(
                        f"cannot start service {spec.service}: it has the {grant.name}{at(grant.place)}, "
                        f"and {observed.missing[grant.content.path]}",
                        hint="make that file, or name another one",
                    )
                )
    if mistakes:
        raise together(mistakes)


def _cannot_bind(spec: ContainerSpec, bind: Bind, why: str) -> HostError:
    hint = "name another one" if bind.create_source else "make it, or ask for it with create_host_path: true"
    return HostError(
        f"cannot start service {spec.service}: it binds {bind.source} on {bind.target}{at(bind.place)}, and {why}",
        hint=hint,
    )


def _refuse_volume(spec: ContainerSpec, volume: Volume, *, there: set[str], missing: Mapping[str, str]) -> None:
    purpose = f"cannot start service {spec.service}"
    if volume.external and volume.name not in there:
        raise NoSuchThing(
            f"{purpose}: the external volume {volume.name}{at(volume.place)} does not exist",
            hint=f"pycompose volume create {volume.name}",
        )
    device = bound_device(volume.options)
    if device in missing:
        raise HostError(
            f"{purpose}: volume {volume.name}{at(volume.place)} shows {device}, and {missing[device]}",
            hint="make it, or name another device",
        )


def differences(desired: Desired, observed: Observed) -> tuple[str, ...]:
    """A sentence about each volume that is not as the files say, which is used as it is."""
    there = {volume.name: volume for volume in observed.volumes}
    return tuple(
        sentence
        for volume in desired.volumes
        if not volume.external and volume.name in there
        for sentence in _differences(volume, there[volume.name], project=desired.project)
    )


def _differences(volume: Volume, there: ObservedVolume, *, project: str) -> Iterator[str]:
    owner = dict(there.labels).get(PROJECT_LABEL, "")
    if owner != project:
        whose = f"was made by project {owner}" if owner else "was made by hand"
        yield f"volume {volume.name} {whose} and is used as it is (external: true says that this is meant)"
    said, has = dict(volume.options), dict(there.options)
    changed = [
        f"{key} is {has.get(key, 'not set')!r} and the files say {said.get(key, 'nothing')!r}"
        for key in sorted(said.keys() | has.keys())
        if said.get(key) != has.get(key)
    ]
    if changed:
        yield (
            f"volume {volume.name} is used as it was made: {', '.join(changed)}; to have it made anew, and lose what "
            f"is in it: pycompose down && pycompose volume rm {volume.name}"
        )


def remove_volumes(draft: Draft, observed: Observed, *, gone: frozenset[str], after: Iterable[int]) -> None:
    """Steps that remove what the project has made. What is external is somebody else's, and the anonymous ones of
    containers that are removed go with them."""
    before = tuple(after)
    for volume in observed.volumes:
        if dict(volume.labels).get(PROJECT_LABEL) == observed.project and volume.container not in gone:
            draft.add(RemoveVolume(volume.name), cause="down --volumes", after=before)
