"""`pycompose rm`"""

from __future__ import annotations

import sys

from composer.cli.changing import change
from composer.cli.containers import ALIVE, of_services
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, Command, switch
from composer.cli.project import existing_project
from composer.cli.words import is_confirmed
from composer.control.messages import Remove
from composer.planner.observed import State
from composer.planner.operations import remove_plan
from composer.planner.options import RemoveOptions

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose rm -sf web",
    options=(
        switch("--force", "-f", help="Do not ask"),
        switch("--stop", "-s", help="Stop them first"),
        switch("--volumes", "-v", help="Remove their anonymous volumes too"),
        switch("--all", "-a", help="No effect", hidden=True),
        PLAN_FORMAT,
    ),
)


def run(call: Invocation) -> int:
    stop = call.arguments.switch("stop")
    doomed = _doomed(call, stop=stop)
    if not doomed:
        print("No stopped containers", file=sys.stderr)
        return 0
    if (
        not call.arguments.switch("force")
        and not call.arguments.switch("dry-run")
        and not is_confirmed(f"Going to remove {', '.join(doomed)}")
    ):
        return 0
    options = RemoveOptions(call.operands, stop=stop, volumes=call.arguments.switch("volumes"))
    return change(
        call,
        Remove(options),
        planning=lambda desired, observed: remove_plan(desired, observed, options=options),
    )


def _doomed(call: Invocation, *, stop: bool) -> list[str]:
    found = of_services(existing_project(call), call.operands)
    return [record.spec.name for record in found if stop or record.state not in (*ALIVE, State.RESTARTING)]
