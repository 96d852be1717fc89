"""Containers as their records tell them, believed only as far as the kernel agrees.

A record says "running" until somebody writes that it is not, and nobody may be there to do so: a pid is believed
only with its start time, and both only in the boot they were seen in.
"""

from __future__ import annotations

import os
import sys

from composer.errors import NoSuchThing
from composer.frozen import replace
from composer.hints import Iterable, Iterator
from composer.planner.observed import State
from composer.spec.codec import DecodeError
from composer.store import form, observe, records, wanted
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord

ALIVE = (State.RUNNING, State.PAUSED)
RUNNING = (State.RUNNING, State.PAUSED, State.RESTARTING)


def containers(paths: ProjectPaths, *, mentioning: tuple[str, ...] = ()) -> list[ContainerRecord]:
    """All containers of a project by service and number, those of `run` last. Raises HostError: see `form`.

    `mentioning`: without those in whose records none of these names occurs, where there are names.
    """
    form.read(paths)
    return sorted(_readable(paths, mentioning), key=_place)


def believed(paths: ProjectPaths, record: ContainerRecord, *, boot: str) -> ContainerRecord:
    """The record, or what became of the container since; the launcher's word on its end is the best there is."""
    actual = observe.as_it_is(record, boot=boot)
    if actual is record:
        return record
    from composer.runtime import exits  # only where somebody has ended unseen

    last = exits.read(paths.state(record.spec.name))
    if last is None or (last.pid, last.start_time) != (record.pid, record.start_time):
        return actual
    return replace(actual, exit_code=last.exit_code, oom_killed=last.oom_killed, finished_ns=last.finished_ns)


def of_services(paths: ProjectPaths, services: Iterable[str]) -> list[ContainerRecord]:
    """The containers of the services named, or all. Raises NoSuchThing: a name that nobody knows."""
    names = tuple(services)
    found = containers(paths, mentioning=names)
    known = {*wanted.outline(paths).services, *(record.spec.service for record in found)} if names else set()
    for name in names:
        if name not in known and all(record.spec.name != name for record in found):
            raise no_such_service(name, service_names(paths, containers(paths)))
    return [record for record in found if not names or record.spec.service in names or record.spec.name in names]


def one_of_service(paths: ProjectPaths, service: str, *, index: int | None) -> ContainerRecord:
    """The container of a service that a command is for: that of number `index`, or the first. Raises NoSuchThing."""
    found = [
        record for record in of_services(paths, (service,)) if not record.spec.oneoff or record.spec.name == service
    ]
    if index is not None:
        found = [record for record in found if record.spec.number == index]
    running = [record for record in found if record.state in ALIVE]
    if running or found:
        return (running or found)[0]
    number = f" number {index}" if index is not None else ""
    raise NoSuchThing(f'service "{service}" has no container{number}', hint="`pycompose up -d` makes it")


def running_one(paths: ProjectPaths, service: str, *, index: int | None) -> ContainerRecord:
    """As `one_of_service`, and it must run. Raises NoSuchThing."""
    record = one_of_service(paths, service, index=index)
    if record.state not in (State.RUNNING, State.PAUSED):
        raise NoSuchThing(
            f'container {record.spec.name} of service "{record.spec.service}" is not running',
            hint=f"it is {record.state.value}; `pycompose start {record.spec.service}` starts it",
        )
    return record


def service_names(paths: ProjectPaths, found: Iterable[ContainerRecord]) -> tuple[str, ...]:
    """The services that a project has or was asked for, sorted."""
    return tuple(sorted({*wanted.outline(paths).services, *(record.spec.service for record in found)}))


def no_such_service(name: str, known: Iterable[str]) -> NoSuchThing:
    from composer.loader.nearest import nearest

    names = tuple(known)
    near = nearest(name, names)
    hint = f"did you mean {near}?" if near else (f"there are {', '.join(names)}" if names else None)
    return NoSuchThing(f'there is no service "{name}"', hint=hint)


def label(record: ContainerRecord) -> str:
    """The container's name without the project's: web-1."""
    return record.spec.name.removeprefix(f"{record.spec.project}-")


def _place(record: ContainerRecord) -> tuple[bool, str, int]:
    return record.spec.oneoff, record.spec.service, record.spec.number


def _readable(paths: ProjectPaths, mentioning: tuple[str, ...]) -> Iterator[ContainerRecord]:
    boot = observe.boot_id()
    try:
        names = sorted(os.listdir(paths.containers))
    except FileNotFoundError:
        return
    for name in names:
        try:
            record = records.load(paths, name, late=True, mentioning=mentioning)
            if record is not None:
                record = believed(paths, record, boot=boot)
                _place(record)  # decoded here, as whatever everybody looks at: one that is damaged costs a word
        except PermissionError:
            raise  # an empty list would be a lie
        except (DecodeError, OSError) as error:
            print(f"pycompose: cannot read the record of {name}: {error}", file=sys.stderr)
            continue
        if record is not None:
            yield record
