"""`pycompose unpause`"""

from __future__ import annotations

from composer.cli.changing import change
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, Command
from composer.control.messages import Unpause
from composer.planner.operations import unpause_plan

COMMAND = Command(
    operands="[SERVICE...]", completes="services", example="pycompose unpause worker", options=(PLAN_FORMAT,)
)


def run(call: Invocation) -> int:
    return change(
        call,
        Unpause(call.operands),
        planning=lambda desired, observed: unpause_plan(desired, observed, services=call.operands),
    )
