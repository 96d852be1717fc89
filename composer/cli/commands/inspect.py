"""`pycompose inspect`"""

from __future__ import annotations

from composer.cli.containers import of_services
from composer.cli.inspection import inspection
from composer.cli.invocation import Invocation
from composer.cli.options import Command, text
from composer.cli.project import existing_project
from composer.cli.words import print_trees

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose inspect --format '{{.Name}} {{.HostConfig.Memory}}' web",
    options=(text("--format", "-f", metavar="TEMPLATE", help="A template instead of JSON"),),
)


def run(call: Invocation) -> int:
    paths = existing_project(call)
    trees = [inspection(record, paths=call.paths) for record in of_services(paths, call.operands)]
    print_trees(trees, wanted=call.arguments.text("format"))
    return 0
