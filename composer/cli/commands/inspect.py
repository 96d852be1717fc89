"""`pycompose inspect`"""

from __future__ import annotations

import json

from composer.cli.containers import of_services
from composer.cli.inspection import inspection
from composer.cli.invocation import Invocation
from composer.cli.options import Command, text
from composer.cli.project import existing_project
from composer.cli.render import template

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose inspect --format '{{.Name}} {{.HostConfig.Memory}}' web",
    options=(text("--format", "-f", metavar="TEMPLATE", help="A template instead of JSON"),),
)


def run(call: Invocation) -> int:
    paths = existing_project(call)
    trees = [inspection(record, paths=call.paths) for record in of_services(paths, call.operands)]
    wanted = call.arguments.text("format")
    if wanted and wanted != "json":
        print(template.render(wanted, trees, fields=tuple(trees[0]) if trees else ()))
    else:
        print(json.dumps(trees, indent=4, ensure_ascii=False))
    return 0
