"""`pycompose top`"""

from __future__ import annotations

import time

from composer.cli.containers import ALIVE, of_services
from composer.cli.invocation import Invocation
from composer.cli.options import Command
from composer.cli.processes import HEADER, rows
from composer.cli.project import existing_project
from composer.cli.render.table import table

COMMAND = Command(operands="[SERVICE...]", completes="services", example="pycompose top web")


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    now = time.time()
    lines = [
        (record.spec.service, str(record.spec.number), *row)
        for record in of_services(paths, call.operands)
        if record.state in ALIVE
        for row in rows(record, now=now)
    ]
    if lines:
        print(table(("SERVICE", "#", *HEADER), lines))
    return 0
