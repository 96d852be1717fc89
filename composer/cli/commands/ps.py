"""`pycompose ps`"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable

from composer.cli import mounted
from composer.cli.containers import RUNNING, containers, no_such_service, service_names
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text, texts
from composer.cli.project import existing_project
from composer.cli.render import human, ports
from composer.cli.render.status import health, status
from composer.cli.render.table import shorten, table
from composer.errors import UsageError
from composer.planner.observed import State
from composer.spec.rootfs import Archive, Directory, RootfsSource
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

FIELDS = (
    *("Command", "CreatedAt", "ExitCode", "Health", "ID", "Image", "Labels", "LocalVolumes", "Mounts", "Name", "Names"),
    *("Networks", "OOMKilled", "Ports", "Project", "Publishers", "RestartCount", "RunningFor", "Service", "Size"),
    *("State", "Status"),
)


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    shown = _selected(call, paths)
    if call.arguments.switch("services"):
        _print(dict.fromkeys(record.spec.service for record in shown))
    elif call.arguments.switch("quiet"):
        _print(record.id for record in shown)
    else:
        _show(call, [row(record, paths=call.paths, now_ns=time.time_ns()) for record in shown])
    return 0


def row(record: ContainerRecord, *, paths: Paths, now_ns: int) -> dict[str, object]:
    """A container with the fields of `docker compose ps --format json`, and two more."""
    spec = record.spec
    published, exposed = ports.published(record), ports.exposed(record)
    return {
        "Command": f'"{shlex.join(spec.process.argv)}"',
        "CreatedAt": human.local_time(record.created_ns),
        "ExitCode": record.exit_code or 0,
        "Health": health(record),
        "ID": record.id[:12],
        "Image": rootfs(spec.rootfs),
        "Labels": ",".join(f"{key}={value}" for key, value in spec.labels),
        "LocalVolumes": str(mounted.volume_count(record)),
        "Mounts": ",".join(mounted.sources(paths, record)),
        "Name": spec.name,
        "Names": spec.name,
        "Networks": ",".join(endpoint.network for endpoint in spec.endpoints),
        "OOMKilled": record.oom_killed,
        "Ports": ports.summary(published, exposed),
        "Project": spec.project,
        "Publishers": ports.publishers(published, exposed),
        "RestartCount": record.restart_count,
        "RunningFor": f"{human.since(record.created_ns, now_ns=now_ns)} ago",
        "Service": spec.service,
        "Size": "0B",
        "State": record.state.value,
        "Status": status(record, now_ns=now_ns),
    }


def rootfs(source: RootfsSource) -> str:
    """Where a root file system comes from: a path, / for the host's."""
    return source.path if isinstance(source, (Directory, Archive)) else "/"


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


def _show(call: Invocation, rows: list[dict[str, object]]) -> None:
    wanted = call.arguments.text("format") or "table"
    if wanted == "json":
        _print(json.dumps(item, ensure_ascii=False) for item in rows)
    elif wanted == "table":
        print(_table(rows, whole=call.arguments.switch("no-trunc")))
    else:
        from composer.cli.render import template

        print(template.render(wanted, rows, fields=FIELDS))


def _table(rows: list[dict[str, object]], *, whole: bool) -> str:
    header = ("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS")
    keys = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
    width = {"Command": 22, "Image": 40}
    cells = [
        [str(item[key]) if whole else shorten(str(item[key]), width.get(key, 999)) for key in keys] for item in rows
    ]
    return table(header, cells)


def _print(lines: Iterable[str]) -> None:
    print("".join(f"{line}\n" for line in lines), end="")
