"""`pycompose stats`"""

from __future__ import annotations

import json
import os
import sys
import time

from composer.cli.containers import ALIVE, of_services
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text
from composer.cli.project import existing_project
from composer.cli.render import human, template
from composer.cli.render.table import table
from composer.frozen import frozen
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.cgroup.stats import Stats, stats
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose stats --no-stream --format json",
    options=(
        switch("--all", "-a", help="Also containers that do not run"),
        text("--format", metavar="FORMAT", help="table, json, a template, or 'table TEMPLATE'"),
        switch("--no-stream", help="Print one measurement and end"),
        switch("--no-trunc", help="Show identifiers in full"),
    ),
)

FIELDS = ("BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs", "Service")

_HEADER = ("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS")
_COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
_FIRST_LOOK = 0.25  # seconds over which the first percentages are measured
_INTERVAL = 1.0
_CLEAR = "\x1b[H\x1b[J"


@frozen
class Sample:
    """What a container had used at a moment of the monotonic clock."""

    time_ns: int
    used: Stats


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    samples = _look(call, paths)
    if samples:
        time.sleep(_FIRST_LOOK)  # a rate is measured between two moments
    while True:
        earlier, samples = samples, _look(call, paths)
        rows = [_row(call, record, earlier.get(record.id), sample) for record, sample in samples.values()]
        _show(call, rows)
        if call.arguments.switch("no-stream"):
            return 0
        time.sleep(_INTERVAL)


Samples = dict[str, tuple[ContainerRecord, Sample]]


def _look(call: Invocation, paths: ProjectPaths) -> Samples:
    shown = of_services(paths, call.operands)
    everything = call.arguments.switch("all")
    return {
        record.id: (record, Sample(time.monotonic_ns(), stats(Cgroup(record.cgroup))))
        for record in shown
        if everything or record.state in ALIVE
    }


def _row(
    call: Invocation, record: ContainerRecord, earlier: tuple[ContainerRecord, Sample] | None, sample: Sample
) -> dict[str, object]:
    used = sample.used
    limit = used.memory_limit or _host_memory()
    identifier = record.id if call.arguments.switch("no-trunc") else record.id[:12]
    memory = used.memory_usage or 0
    return {
        "BlockIO": f"{human.decimal_size(used.read_bytes or 0)} / {human.decimal_size(used.write_bytes or 0)}",
        "CPUPerc": f"{_processor_share(earlier[1] if earlier else None, sample):.2f}%",
        "Container": identifier,
        "ID": identifier,
        "MemPerc": f"{100 * memory / limit:.2f}%",
        "MemUsage": f"{human.binary_size(memory)} / {human.binary_size(limit)}",
        "Name": record.spec.name,
        "NetIO": "--",
        "PIDs": str(used.pids or 0),
        "Service": record.spec.service,
    }


def _processor_share(earlier: Sample | None, sample: Sample) -> float:
    """Per cent of one processor."""
    if earlier is None or earlier.used.cpu_ns is None or sample.used.cpu_ns is None:
        return 0.0
    elapsed = max(sample.time_ns - earlier.time_ns, 1)
    return 100 * max(0, sample.used.cpu_ns - earlier.used.cpu_ns) / elapsed


def _host_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _show(call: Invocation, rows: list[dict[str, object]]) -> None:
    wanted = call.arguments.text("format") or "table"
    if wanted == "json":
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    elif wanted == "table":
        text = table(_HEADER, [tuple(str(row[column]) for column in _COLUMNS) for row in rows])
    else:
        text = template.render(wanted, rows, fields=FIELDS)
    redraws = wanted.startswith("table") and not call.arguments.switch("no-stream") and sys.stdout.isatty()
    if text or redraws:
        print(f"{_CLEAR if redraws else ''}{text}", flush=True)
