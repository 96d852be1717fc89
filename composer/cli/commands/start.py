"""`pycompose start`"""

from __future__ import annotations

from composer.cli.changing import change, timeout_ns
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, WAIT_TIMEOUT, Command, switch
from composer.control.messages import Start
from composer.planner.operations import start_plan

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose start web",
    options=(
        switch("--wait", help="End when all run or are healthy, or fail saying which does not and why"),
        WAIT_TIMEOUT,
        PLAN_FORMAT,
    ),
)


def run(call: Invocation) -> int:
    wait = call.arguments.switch("wait")
    return change(
        call,
        Start(call.operands, wait=wait, wait_timeout_ns=timeout_ns(call, option=WAIT_TIMEOUT)),
        planning=lambda desired, observed: start_plan(desired, observed, services=call.operands, wait=wait),
    )
