"""`pycompose down`"""

from __future__ import annotations

import os

from composer.cli.changing import observed, print_plan, project_of, recorded_desired, timeout_ns
from composer.cli.containers import of_services
from composer.cli.invocation import Invocation
from composer.cli.operation import client, perform
from composer.cli.options import PLAN_FORMAT, TIMEOUT, Command, switch, text
from composer.cli.project import existing_project, is_named, name_of_project, no_such_project, projects
from composer.control.messages import Down
from composer.planner.options import DownOptions
from composer.planner.plan import Plan
from composer.planner.teardown import teardown

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose down -t 5",
    options=(
        switch("--remove-orphans", help="Also containers of services that the files no longer have"),
        text("--rmi", metavar="WHICH", choices=("local", "all"), help="Accepted; there are no images to remove"),
        TIMEOUT,
        switch("--volumes", "-v", help="Also the volumes that the project made, not external ones"),
        PLAN_FORMAT,
    ),
)


def run(call: Invocation) -> int:
    name = name_of_project(call)
    options = _options(call)
    if not os.path.isdir(call.paths.project(name).run):
        return _remove_leftovers(call, name, options)
    paths = existing_project(call)
    of_services(paths, call.operands)
    if call.arguments.switch("dry-run"):
        print_plan(call, teardown(observed(call, paths), recorded_desired(paths), options=options))
        return 0
    _perform(call, project_of(paths), options)
    return 0


def _remove_leftovers(call: Invocation, project: str, options: DownOptions) -> int:
    """What outlives a project's containers: volumes, and networks that `run --rm` has made. Raises NoSuchThing."""
    plan = Plan() if options.services else teardown(observed(call, call.paths.project(project)), options=options)
    if not plan.steps:
        if is_named(call) and list(projects(call)):
            raise no_such_project(call, project)  # a name that was typed may be misspelt
        return 0  # what is not there is down already
    if call.arguments.switch("dry-run"):
        print_plan(call, plan)
        return 0
    _perform(call, project, options)
    return 0


def _perform(call: Invocation, project: str, options: DownOptions) -> None:
    call.require_root()
    perform(call, project, Down(options, timeout_ns=timeout_ns(call)))
    client(call, project).sweep()


def _options(call: Invocation) -> DownOptions:
    given = call.arguments
    return DownOptions(call.operands, given.switch("remove-orphans"), volumes=given.switch("volumes"))
