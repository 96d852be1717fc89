"""`pycompose volumes`"""

from __future__ import annotations

from composer.cli.containers import of_services
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text
from composer.cli.project import name_of_project
from composer.cli.volumes import show
from composer.control.volumes import PROJECT
from composer.store import volumes

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose volumes --format '{{.Name}} {{.Mountpoint}}'",
    options=(
        text("--format", metavar="FORMAT", help="table, json, a template, or 'table TEMPLATE'"),
        switch("--quiet", "-q", help="Names only"),
    ),
)


def run(call: Invocation) -> int:
    """With services, the volumes that their containers have; else all that the project has made or uses."""
    paths = call.paths.project(name_of_project(call))
    project = paths.run.rpartition("/")[2]
    found = of_services(paths, call.operands)
    used = frozenset(name for record in found for name in volumes.used_by(record))
    records = [
        record
        for record in volumes.load_all(call.paths)
        if record.name in used or (not call.operands and dict(record.labels).get(PROJECT) == project)
    ]
    show(call, records)
    return 0
