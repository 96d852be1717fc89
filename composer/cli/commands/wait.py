"""`pycompose wait`"""

from __future__ import annotations

from composer.cli.changing import project_of
from composer.cli.containers import of_services
from composer.cli.invocation import Invocation
from composer.cli.operation import client, perform
from composer.cli.options import Command, switch
from composer.cli.project import existing_project
from composer.control.messages import Down, Stopped, Wait
from composer.planner.options import DownOptions

COMMAND = Command(
    operands="SERVICE...",
    at_least=1,
    completes="services",
    example="pycompose wait migrate",
    options=(switch("--down-project", help="Take the project down when the first container has stopped"),),
)


def run(call: Invocation) -> int:
    """The exit status is that of the last container that stopped, as docker compose has it."""
    paths = existing_project(call)
    of_services(paths, call.operands)
    project = project_of(paths)
    down = call.arguments.switch("down-project")
    status = 0
    for answer in client(call, project).request(Wait(services=call.operands, first=down)):
        if isinstance(answer, Stopped):
            print("unknown" if answer.exit_code is None else answer.exit_code, flush=True)
            status = answer.exit_code if answer.exit_code is not None else 1
    if down:
        perform(call, project, Down(DownOptions()))
    return status
