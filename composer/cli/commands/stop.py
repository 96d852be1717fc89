"""`pycompose stop`"""

from __future__ import annotations

from composer.cli.changing import change, timeout_ns
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, TIMEOUT, Command
from composer.control.messages import Stop
from composer.planner.operations import stop_plan

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose stop -t 30 db",
    options=(TIMEOUT, PLAN_FORMAT),
)


def run(call: Invocation) -> int:
    operation = Stop(call.operands, timeout_ns=timeout_ns(call))
    return change(
        call, operation, planning=lambda desired, observed: stop_plan(desired, observed, services=call.operands)
    )
