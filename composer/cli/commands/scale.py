"""`pycompose scale`"""

from __future__ import annotations

from composer.cli.changing import scales
from composer.cli.compiling import compiled
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, TIMEOUT, Command, switch
from composer.cli.upping import converge, options_of

COMMAND = Command(
    operands="SERVICE=NUM...",
    at_least=1,
    completes="services",
    example="pycompose scale web=3 worker=2",
    options=(switch("--no-deps", help="Leave dependencies alone"), TIMEOUT, PLAN_FORMAT),
)


def run(call: Invocation) -> int:
    wanted = scales(call.operands)
    found = compiled(call, services=tuple(wanted), scale=wanted)
    return converge(call, found, options_of(call, services=tuple(wanted)))
