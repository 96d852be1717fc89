"""Whose logs are shown: the containers of a project by service and number, those to come included."""

from __future__ import annotations

import resource

from composer.cli.containers import label
from composer.cli.render.logs import Origin
from composer.hints import Iterable
from composer.spec.codec import DecodeError
from composer.store import records
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord


class Selector:
    """Which containers of a project are shown, those to come included."""

    def __init__(self, paths: ProjectPaths, project: str, *, services: Iterable[str], index: int | None = None) -> None:
        self._paths = paths
        self._services = tuple(services)
        self._index = index
        self._prefix = f"{project}-"

    def __call__(self, name: str) -> bool:
        """Whether this container's log is wanted; without a record its name must tell."""
        try:
            record = records.load(self._paths, name, late=True)
            if record is not None:
                return self.shows(record)
        except (DecodeError, OSError):
            pass
        service, _, number = name.removeprefix(self._prefix).rpartition("-")
        usual = name.startswith(self._prefix) and service and number.isdecimal()
        return bool(usual) and self._wants(service, int(number))

    def shows(self, record: ContainerRecord) -> bool:
        """As for the name, where there is the record."""
        spec = record.spec
        return spec.name in self._services or (not spec.oneoff and self._wants(spec.service, spec.number))

    def _wants(self, service: str, number: int) -> bool:
        return (not self._services or service in self._services) and self._index in (None, number)


def origins(records: Iterable[ContainerRecord]) -> dict[str, Origin]:
    """Whose lines they are, by container."""
    return {record.spec.name: Origin(label(record), record.spec.service) for record in records}


def raise_descriptor_limit() -> None:
    """A log needs three descriptors: let there be as many as are allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
