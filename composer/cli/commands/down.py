"""`pycompose down`"""

from __future__ import annotations

import os

from composer.cli.changing import (
    PLAN_FORMAT,
    TIMEOUT,
    observed,
    print_plan,
    project_of,
    recorded_desired,
    timeout_ns,
)
from composer.cli.containers import of_services
from composer.cli.invocation import Invocation
from composer.cli.operation import client, perform
from composer.cli.options import Command, switch, text
from composer.cli.project import existing_project, is_named, name_of_project, no_such_project, projects
from composer.control.messages import Down
from composer.planner.options import DownOptions
from composer.planner.teardown import teardown

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose down -t 5",
    options=(
        switch("--remove-orphans", help="Also containers of services that the files no longer have"),
        text("--rmi", metavar="WHICH", choices=("local", "all"), help="Accepted; there are no images to remove"),
        TIMEOUT,
        switch("--volumes", "-v", help="Also the volumes of the project (bind mounts are never touched)"),
        PLAN_FORMAT,
    ),
)


def run(call: Invocation) -> int:
    name = name_of_project(call)
    if not os.path.isdir(call.paths.project(name).run):
        if is_named(call) and list(projects(call)):
            raise no_such_project(call, name)  # a name that was typed may be misspelt
        return 0  # what is not there is down already
    paths = existing_project(call)
    of_services(paths, call.operands)
    options = DownOptions(call.operands, remove_orphans=call.arguments.switch("remove-orphans"))
    if call.arguments.switch("dry-run"):
        print_plan(call, teardown(observed(call, paths), recorded_desired(paths), options=options))
        return 0
    call.require_root()
    perform(call, project_of(paths), Down(options, timeout_ns=timeout_ns(call)))
    client(call, project_of(paths)).sweep()
    return 0
