"""What must hold at the end of a round. Each function lists what does not: an empty list is what is hoped for."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from composer.planner.observed import HealthStatus, State
from composer.runtime.network import firewall
from composer.runtime.ports import publication
from composer.runtime.ports.publication import Publication
from composer.store import events, observe, records
from composer.store.events import Event
from composer.store.logs import reader
from composer.store.logs.block import STDERR, STDOUT
from composer.store.records import ContainerRecord
from tests.chaos import host

if TYPE_CHECKING:
    from tests.chaos.stage import Stage

_STREAMS = {"out": STDOUT, "err": STDERR}
_LINE = re.compile(r"(\d+) (out|err) (\d+)")
KILLED = {"125", "137", "143", "unknown"}  # exit codes of runs that may not have come to write their first word


def while_running(stage: Stage) -> list[str]:
    """After `up`: what should run runs, and nothing else does."""
    return [
        *_same_containers(stage),
        *(text for record in _records(stage) for text in _as_wanted(stage, record)),
        *_processes_belong(stage),
        *_one_of_each(stage),
        *_names(stage),
        *_ports(stage),
        *_inspected(stage),
    ]


def at_rest(stage: Stage) -> list[str]:
    """After `stop`: all is told, nothing runs."""
    told = _events(stage)
    return [
        *(f"{record.spec.name} is {record.state.value}" for record in _records(stage) if record.state in _ALIVE),
        *(f"{directory} has processes {pids}" for directory, pids in host.cgroups(stage.project).items() if pids),
        *_ports(stage),
        *(text for record in _records(stage) for text in _lines(stage, record, told.get(record.id, []))),
        *(text for record in _records(stage) for text in _history(stage, record, told.get(record.id, []))),
    ]


def after_down(stage: Stage) -> list[str]:
    """After `down`: there is nothing."""
    ours = stage.paths.project(stage.project)
    return [
        *(f"process {host.described(pid)}" for pid in sorted(host.children() - stage.reaper.owned)),
        *(f"cgroup {directory}" for directory in host.cgroups(stage.project)),
        *(
            f"directory {there}: {sorted(os.listdir(there))}"
            for there in (ours.run, ours.bundles)
            if os.path.isdir(there)
        ),
    ]


_ALIVE = (State.RUNNING, State.PAUSED, State.RESTARTING)


def _records(stage: Stage) -> list[ContainerRecord]:
    return list(records.load_all(stage.paths.project(stage.project)))


def _events(stage: Stage) -> dict[str, list[Event]]:
    """By container."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events.read(stage.paths.project(stage.project).events):
        found[event.id].append(event)
    return found


# ---- while it runs --------------------------------------------------------------------------------------------------


def _same_containers(stage: Stage) -> Iterator[str]:
    wanted = {
        f"{stage.project}-{service.name}-{number}"
        for service in stage.services
        for number in range(1, service.scale + 1)
    }
    shown = {row["Name"]: row["State"] for row in stage.must_json("ps", "-a", "--format", "json")}
    there = {record.spec.name: record.state.value for record in _records(stage) if not record.spec.oneoff}
    regular = {name for name in shown if name in there}
    if regular != wanted or set(there) != wanted:
        yield f"containers: ps shows {sorted(shown)}, records are of {sorted(there)}, wanted are {sorted(wanted)}"


def _as_wanted(stage: Stage, record: ContainerRecord) -> Iterator[str]:
    service = next(there for there in stage.services if there.name == record.spec.service)
    if record.spec.oneoff or not service.stays:
        return
    name = record.spec.name
    if record.state is not State.RUNNING:
        yield f"{name} is {record.state.value}: {record.error}"
    elif not observe.is_alive(record, boot=observe.boot_id()):
        yield f"{name} is told to run and does not"
    elif service.is_checked and (record.health is None or record.health.status is not HealthStatus.HEALTHY):
        yield f"{name} runs, its health is {record.health}"
    for controller, directory in record.cgroup if record.state is State.RUNNING else ():
        try:
            pids = Path(directory, "cgroup.procs").read_text().split()
        except OSError as error:
            yield f"{name}: {error}"
            continue
        if str(record.pid) not in pids:
            yield f"{name}: process {record.pid} is not in {controller} {directory}: {pids}"


def _processes_belong(stage: Stage) -> Iterator[str]:
    """Every process in the project's cgroups is in that of a container which runs."""
    theirs = {directory for record in _records(stage) if record.pid for _, directory in record.cgroup}
    for directory, pids in host.cgroups(stage.project).items():
        above, _, name = directory.rpartition("/")  # a health probe has a branch of its own in its container's cgroup
        if pids and name != "_supervisor" and theirs.isdisjoint((directory, above)):
            yield f"{directory} has processes {[host.described(pid) for pid in pids]}"


def _one_of_each(stage: Stage) -> Iterator[str]:
    least = 1 if _staying(stage) else 0  # where every service has ended by itself, nothing is left for them to do
    for kind in (*host.HOLDERS, "attendant"):
        found = host.find(kind, stage.paths.run)
        if not least <= len(found) <= 1:
            yield f"{len(found)} {kind}s: {[host.described(pid) for pid in found]}"


def _names(stage: Stage) -> Iterator[str]:
    """Every service that stays is found under its name, by each container that does."""
    running = [it for it in _records(stage) if it.state is State.RUNNING and it.spec.service in _staying(stage)]
    addresses: dict[str, set[str]] = defaultdict(set)
    for record in running:
        addresses[record.spec.service].update(it.ipv4_address for it in record.attachments)
    for record in running:
        for service, expected in addresses.items():
            if (found := host.resolved(service, record.pid)) != expected:
                yield f"{record.spec.name} finds {service} at {sorted(found)}, it is at {sorted(expected)}"


def _ports(stage: Stage) -> Iterator[str]:
    """A container that stays answers at its port, through a porter of its own; nothing leads to one that has ended."""
    chains, porters = firewall.chains(stage.project), host.find("porter", stage.paths.run)
    expected = 0
    for record in _records(stage):
        name = record.spec.name
        found = publication.load(stage.paths.project(stage.project).state(name))
        if record.state not in _ALIVE:
            if found is not None or f"ports-{name}" in chains:
                yield f"{name} is {record.state.value}, its port still is there: {found}"
        elif record.spec.ports and record.spec.service in _staying(stage):
            expected += 1
            yield from _answers(stage, record, found, chains=chains)
    busy = {there.name for there in stage.services if there.is_published and not there.stays}
    if not busy and len(porters) != expected:
        yield f"{len(porters)} porters for {expected} containers: {[host.described(pid) for pid in porters]}"


def _answers(stage: Stage, record: ContainerRecord, found: Publication | None, *, chains: set[str]) -> Iterator[str]:
    name = record.spec.name
    if found is None or f"ports-{name}" not in chains:
        yield f"{name} runs, of its port there is {found}, chains are {sorted(chains)}"
        return
    starts = Path(stage.paths.project(stage.project).bundle(name), "upper/journal/starts").read_text()
    if (said := host.fetched(found.bindings[0].port, "starts")) != starts:
        yield f"{name} does not answer at {found.bindings[0]}: {said!r}"


def _inspected(stage: Stage) -> Iterator[str]:
    by_name = {record.spec.name: record for record in _records(stage)}
    for row in stage.must_json("ps", "-a", "--format", "json"):
        record = by_name.get(row["Name"])
        steady = record is not None and record.state is State.RUNNING and record.spec.service in _staying(stage)
        if steady and record is not None and (row["State"], row["RestartCount"]) != ("running", record.restart_count):
            yield f"ps says {row} where the record says {record.state}, {record.restart_count}"


def _staying(stage: Stage) -> set[str]:
    return {service.name for service in stage.services if service.stays}


# ---- at rest --------------------------------------------------------------------------------------------------------


def _lines(stage: Stage, record: ContainerRecord, told: list[Event]) -> Iterator[str]:
    """Every line of every run is in the log exactly once, in order, in its own stream.

    The end of a run that nobody saw, and nobody held the FIFOs of, may be missing: its exit status is unknown.
    """
    if record.spec.oneoff:
        return
    journal = Path(stage.paths.project(stage.project).bundle(record.spec.name), "upper/journal")
    log = stage.paths.project(stage.project).log(record.spec.name)
    logged: dict[tuple[int, int], list[int]] = defaultdict(list)
    for lines in reader.read(log) if os.path.isdir(log) else ():
        for line in [] if lines.notice else lines.data.decode().splitlines():
            if (found := _LINE.fullmatch(line)) is None:
                yield f"{record.spec.name}: {line!r} is no line that anybody wrote"
                continue
            run_number, suffix, number = found.groups()
            logged[int(run_number), _STREAMS[suffix]].append(int(number))
            if _STREAMS[suffix] != lines.stream:
                yield f"{record.spec.name}: {line!r} is in stream {lines.stream}"
    for (run, stream), numbers in sorted(logged.items()):
        if numbers != list(range(1, len(numbers) + 1)):
            odd = next((pair for pair in pairwise([0, *numbers]) if pair[1] != pair[0] + 1), None)
            yield f"{record.spec.name}: run {run}, stream {stream}: {odd} in {len(numbers)} lines follow each other"
    unseen = sum(event.action == "die" and dict(event.attributes)["exitCode"] == "unknown" for event in told)
    for run in range(1, _count(journal / "starts") + 1):
        wrong = []
        for suffix, stream in _STREAMS.items():
            seen, written = len(logged[run, stream]), _count(journal / f"{run}.{suffix}")
            if seen not in (written, written + 1):
                wrong.append(f"{record.spec.name}: run {run} wrote {written} lines to {suffix}, {seen} are in the log")
        if wrong and unseen:
            unseen -= 1
        else:
            yield from wrong


def _count(file: Path) -> int:
    """How many lines; one that was cut short by a kill counts as written."""
    try:
        return len(file.read_text().splitlines())
    except OSError:
        return 0


def _history(stage: Stage, record: ContainerRecord, told: list[Event]) -> Iterator[str]:
    """Events, record and the container's own journal tell one story."""
    name = record.spec.name
    actions = [event.action for event in told]
    if record.spec.oneoff:
        return
    if actions[:1] != ["create"] or actions.count("create") != 1:
        yield f"{name}: its story does not begin with one create: {actions}"
    runs = [event for event in told if event.action in ("start", "die")]
    if [event.action for event in runs] != ["start", "die"] * (len(runs) // 2):
        yield f"{name}: starts and ends do not take turns: {[event.action for event in runs]}"
        return
    starts, ends = runs[::2], [dict(event.attributes)["exitCode"] for event in runs[1::2]]
    counts = [int(dict(event.attributes).get("restarts", "0")) for event in starts]
    if any(after not in (0, before + 1) for before, after in pairwise(counts)) or (counts and counts[0] != 0):
        yield f"{name}: restarts are told as {counts}"
    # one that was stopped before its restart came has it counted, as Docker does
    if counts and record.restart_count not in (counts[-1], counts[-1] + 1):
        yield f"{name}: {record.restart_count} restarts in its record, {counts} in its events"
    yield from _agrees_with_journal(stage, record, ends)


def _agrees_with_journal(stage: Stage, record: ContainerRecord, ends: list[str]) -> Iterator[str]:
    journal = Path(stage.paths.project(stage.project).bundle(record.spec.name), "upper/journal")
    own = _count(journal / "starts")
    silent = len(ends) - own  # runs that were killed before they could write a word
    if silent < 0 or silent > sum(end in KILLED for end in ends):
        yield f"{record.spec.name}: it knows of {own} runs, {len(ends)} were told: {ends}"
    try:
        told = Counter(line.split()[1] for line in (journal / "exits").read_text().splitlines())
    except OSError:
        told = Counter()
    missing = sum((told - Counter(ends)).values())
    if missing > sum(end in KILLED for end in ends):
        yield f"{record.spec.name}: it ended itself with {dict(told)}, told was {ends}"
