"""`pycompose pause`"""

from __future__ import annotations

from composer.cli.changing import change
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, Command
from composer.control.messages import Pause
from composer.planner.operations import pause_plan

COMMAND = Command(
    operands="[SERVICE...]", completes="services", example="pycompose pause worker", options=(PLAN_FORMAT,)
)


def run(call: Invocation) -> int:
    return change(
        call,
        Pause(call.operands),
        planning=lambda desired, observed: pause_plan(desired, observed, services=call.operands),
    )
