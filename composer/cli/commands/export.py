"""`pycompose export`"""

from __future__ import annotations

import os

from composer.cli import exporting
from composer.cli.containers import one_of_service
from composer.cli.invocation import Invocation
from composer.cli.options import Command, number, text
from composer.cli.project import existing_project

COMMAND = Command(
    operands="SERVICE",
    at_least=1,
    at_most=1,
    completes="services",
    example="pycompose export -o web.tar web",
    options=(
        number("--index", metavar="N", help="The container of this number"),
        text("--output", "-o", metavar="FILE", help="A file, instead of standard output"),
    ),
)


def run(call: Invocation) -> int:
    call.refuse_dry_run()
    call.require_root()
    record = one_of_service(existing_project(call), call.operands[0], index=call.arguments.number("index"))
    path = call.arguments.text("output")
    if path is None:
        output = exporting.standard_output()
        exporting.write(call, record, output)
        output.flush()
        return 0
    with exporting.output_file(os.path.join(call.cwd, path)) as file:
        exporting.write(call, record, file)
    return 0
