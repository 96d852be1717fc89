"""`pycompose create`"""

from __future__ import annotations

from composer.cli.changing import scales
from composer.cli.compiling import compiled
from composer.cli.invocation import Invocation
from composer.cli.options import CREATION, PLAN_FORMAT, TIMEOUT, WITHOUT_EFFECT, Command
from composer.cli.upping import converge, options_of

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose create web",
    options=(*CREATION, TIMEOUT, PLAN_FORMAT, *WITHOUT_EFFECT),
)


def run(call: Invocation) -> int:
    found = compiled(call, services=call.operands, scale=scales(call.arguments.texts("scale")))
    return converge(call, found, options_of(call, services=call.operands, start=False))
