"""`pycompose kill`"""

from __future__ import annotations

import signal

from composer.cli.changing import change
from composer.cli.invocation import Invocation
from composer.cli.options import PLAN_FORMAT, Command, text
from composer.control.messages import Kill
from composer.errors import UsageError
from composer.loader.nearest import did_you_mean
from composer.planner.operations import kill_plan

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose kill -s SIGHUP web",
    options=(text("--signal", "-s", metavar="SIGNAL", help="Which one (default: SIGKILL)"), PLAN_FORMAT),
)

_LAST = 64  # signal(7): 1 to 64 on Linux


def run(call: Invocation) -> int:
    number = signal_number(call.arguments.text("signal") or "SIGKILL")
    return change(
        call,
        Kill(call.operands, signal=number),
        planning=lambda desired, observed: kill_plan(desired, observed, signal=number, services=call.operands),
    )


def signal_number(text: str) -> int:
    """SIGTERM, TERM, term or 15. Raises UsageError."""
    if text.isdecimal() and 1 <= int(text) <= _LAST:
        return int(text)
    name = f"SIG{text.upper().removeprefix('SIG')}"
    if name not in signal.Signals.__members__:
        hint = did_you_mean(name, signal.Signals.__members__) or "give a name like SIGTERM or a number"
        raise UsageError(f'there is no signal "{text}"', hint=hint)
    return int(signal.Signals[name])
