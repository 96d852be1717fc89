"""`pycompose ps`"""

from __future__ import annotations

import time

from composer.cli.containers import RUNNING, containers, no_such_service, service_names
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text, texts
from composer.cli.project import existing_project
from composer.cli.render import human, ports
from composer.cli.render.status import health, status
from composer.cli.render.table import shorten, table
from composer.errors import UsageError
from composer.frozen import frozen
from composer.hints import Callable, Iterable
from composer.planner.observed import State
from composer.spec.rootfs import Archive, Directory
from composer.store.paths import Paths, ProjectPaths
from composer.store.records import ContainerRecord

STATES = tuple(state.value for state in State)

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose ps --format 'table {{.Service}}\\t{{.Status}}'",
    options=(
        switch("--all", "-a", help="Also stopped containers and those of `run`"),
        texts("--filter", metavar="KEY=VALUE", help="Only those that match: status=STATE"),
        text("--format", metavar="FORMAT", help="table, json, a template, or 'table TEMPLATE'"),
        switch("--no-trunc", help="Show commands in full"),
        switch("--orphans", help="Also containers of services the files no longer have (they are shown anyway)"),
        switch("--quiet", "-q", help="Identifiers only"),
        switch("--services", help="Services only"),
        texts("--status", metavar="STATE", choices=STATES, help=f"Only containers that are {', '.join(STATES)}"),
    ),
)


@frozen
class Seen:
    """A container, and from where and when it is looked at."""

    record: ContainerRecord
    paths: Paths
    now_ns: int


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    shown = _selected(call, paths)
    if call.arguments.switch("services"):
        _print(dict.fromkeys(record.spec.service for record in shown))
    elif call.arguments.switch("quiet"):
        _print(record.id for record in shown)
    else:
        _show(call, [Seen(record, call.paths, time.time_ns()) for record in shown])
    return 0


def row(seen: Seen, fields: Iterable[str]) -> dict[str, object]:
    """A container with these of FIELDS."""
    return {name: FIELDS[name](seen) for name in fields}


def _image(seen: Seen) -> str:
    """Where the root file system comes from: a path, / for the host's."""
    source = seen.record.spec.rootfs
    return source.path if isinstance(source, (Directory, Archive)) else "/"


def _volume_count(seen: Seen) -> str:
    from composer.cli import mounted  # the volumes' records: not for the table

    return str(mounted.volume_count(seen.record))


def _mounts(seen: Seen) -> str:
    from composer.cli import mounted

    return ",".join(mounted.sources(seen.paths, seen.record))


def _ports(seen: Seen) -> str:
    return ports.summary(ports.published(seen.record), ports.exposed(seen.record))


def _publishers(seen: Seen) -> list[dict[str, object]]:
    return ports.publishers(ports.published(seen.record), ports.exposed(seen.record))


# those of `docker compose ps --format json`, and two more
FIELDS: dict[str, Callable[[Seen], object]] = {
    "Command": lambda it: f'"{human.command_line(it.record.spec.process.argv)}"',
    "CreatedAt": lambda it: human.local_time(it.record.created_ns),
    "ExitCode": lambda it: it.record.exit_code or 0,
    "Health": lambda it: health(it.record),
    "ID": lambda it: it.record.id[:12],
    "Image": _image,
    "Labels": lambda it: ",".join(f"{key}={value}" for key, value in it.record.spec.labels),
    "LocalVolumes": _volume_count,
    "Mounts": _mounts,
    "Name": lambda it: it.record.spec.name,
    "Names": lambda it: it.record.spec.name,
    "Networks": lambda it: ",".join(endpoint.network for endpoint in it.record.spec.endpoints),
    "OOMKilled": lambda it: it.record.oom_killed,
    "Ports": _ports,
    "Project": lambda it: it.record.spec.project,
    "Publishers": _publishers,
    "RestartCount": lambda it: it.record.restart_count,
    "RunningFor": lambda it: f"{human.since(it.record.created_ns, now_ns=it.now_ns)} ago",
    "Service": lambda it: it.record.spec.service,
    "Size": lambda _: "0B",
    "State": lambda it: it.record.state.value,
    "Status": lambda it: status(it.record, now_ns=it.now_ns),
}


def _selected(call: Invocation, paths: ProjectPaths) -> list[ContainerRecord]:
    found = containers(paths)
    for name in call.operands:
        if name not in service_names(paths, found):
            raise no_such_service(name, service_names(paths, found))
    states = set(call.arguments.texts("status")) | set(_filtered_states(call))
    everything = call.arguments.switch("all")
    return [
        record
        for record in found
        if (not call.operands or record.spec.service in call.operands)
        and (record.state.value in states if states else everything or record.state in RUNNING)
        and (everything or not record.spec.oneoff or record.state in RUNNING)
    ]


def _filtered_states(call: Invocation) -> Iterable[str]:
    for given in call.arguments.texts("filter"):
        key, _, value = given.partition("=")
        if key != "status" or value not in STATES:
            raise UsageError(
                f'cannot filter containers by "{given}"', hint=f"there is status=STATE: {', '.join(STATES)}"
            )
        yield value


def _show(call: Invocation, shown: list[Seen]) -> None:
    wanted = call.arguments.text("format") or "table"
    if wanted == "json":
        import json

        _print(json.dumps(row(seen, FIELDS), ensure_ascii=False) for seen in shown)
    elif wanted == "table":
        print(_table(shown, whole=call.arguments.switch("no-trunc")))
    else:
        from composer.cli.render import template

        print(template.render(wanted, [row(seen, FIELDS) for seen in shown], fields=tuple(FIELDS)))


def _table(shown: list[Seen], *, whole: bool) -> str:
    header = ("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS")
    keys = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
    width = {"Command": 22, "Image": 40}
    cells = [
        [str(cell) if whole else shorten(str(cell), width.get(key, 999)) for key, cell in row(seen, keys).items()]
        for seen in shown
    ]
    return table(header, cells)


def _print(lines: Iterable[str]) -> None:
    print("".join(f"{line}\n" for line in lines), end="")
