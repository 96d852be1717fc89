"""`pycompose top`"""

from __future__ import annotations

from composer.cli.containers import ALIVE, of_services
from composer.cli.invocation import Invocation
from composer.cli.options import Command
from composer.cli.processes import HEADER, rows
from composer.cli.project import existing_project
from composer.cli.render.table import table

COMMAND = Command(operands="[SERVICE...]", completes="services", example="pycompose top web")


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    living = [record for record in of_services(paths, call.operands) if record.state in ALIVE]
    lines = [(record.spec.service, str(record.spec.number), *row) for record, row in rows(living)]
    if lines:
        print(table(("SERVICE", "#", *HEADER), lines))
    return 0
