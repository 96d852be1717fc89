"""`pycompose restart`"""

from __future__ import annotations

from composer.cli.changing import change, timeout_ns
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, TIMEOUT, Command, switch
from composer.control.messages import Restart
from composer.planner.operations import restart_plan
from composer.planner.options import RestartOptions

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose restart web",
    options=(switch("--no-deps", help="Leave services alone that ask to be restarted along"), TIMEOUT, PLAN_FORMAT),
)


def run(call: Invocation) -> int:
    options = RestartOptions(call.operands, no_deps=call.arguments.switch("no-deps"))
    return change(
        call,
        Restart(options, timeout_ns=timeout_ns(call)),
        planning=lambda desired, observed: restart_plan(desired, observed, options=options),
    )
