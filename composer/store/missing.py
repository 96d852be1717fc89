"""What containers need of the host and do not find there: sources of binds, files of secrets, devices of volumes."""

from __future__ import annotations

import os

from composer.hints import Iterator
from composer.spec.desired import Desired
from composer.spec.grant import HostFile
from composer.spec.mounts import Bind
from composer.spec.volume import bound_device


def missing(desired: Desired) -> dict[str, str]:
    """Paths of the host that containers need and that are not as they must be, each with what is wrong."""
    wrong = {}
    for path in _made(desired):
        if why := _unmakable(path):
            wrong[path] = why
    for path, must_be_file in _needed(desired):
        if not os.path.lexists(path):
            wrong[path] = f"{path} does not exist"
        elif must_be_file and not os.path.isfile(path):
            wrong[path] = f"{path} is not a regular file"
    return wrong


def _made(desired: Desired) -> Iterator[str]:
    """Directories that are made where they are missing."""
    for spec in (spec for service in desired.services for spec in service.containers):
        yield from (it.source for it in spec.mounts if isinstance(it, Bind) and it.create_source)


def _unmakable(path: str) -> str:
    """Why no directory could be made at a path, "" where one could, or where something is."""
    above = path
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    return "" if above == path or os.path.isdir(above) else f"{above} is not a directory"


def _needed(desired: Desired) -> Iterator[tuple[str, bool]]:
    """(path, whether it must be a file)."""
    for spec in (spec for service in desired.services for spec in service.containers):
        yield from ((it.source, False) for it in spec.mounts if isinstance(it, Bind) and not it.create_source)
        yield from ((it.content.path, True) for it in spec.grants if isinstance(it.content, HostFile))
    for volume in desired.volumes:
        if device := bound_device(volume.options):
            yield device, False
