"""`pycompose start`"""

from __future__ import annotations

from composer.cli.changing import PLAN_FORMAT, change
from composer.cli.invocation import Invocation
from composer.cli.options import Command
from composer.control.messages import Start
from composer.planner.operations import start_plan

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose start web",
    options=(PLAN_FORMAT,),
)


def run(call: Invocation) -> int:
    return change(
        call,
        Start(call.operands),
        planning=lambda desired, observed: start_plan(desired, observed, services=call.operands),
    )
