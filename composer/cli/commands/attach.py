"""`pycompose attach`"""

from __future__ import annotations

from composer.cli.attaching import Attaching
from composer.cli.containers import running_one
from composer.cli.invocation import Invocation
from composer.cli.operation import client
from composer.cli.options import Command, number, switch, text
from composer.cli.project import existing_project
from composer.cli.terminal import detach_sequence
from composer.errors import UsageError

COMMAND = Command(
    operands="SERVICE",
    at_least=1,
    at_most=1,
    completes="services",
    example="pycompose attach --detach-keys ctrl-x shell",
    options=(
        text("--detach-keys", metavar="KEYS", help="What to type to leave it running (default: ctrl-p,ctrl-q)"),
        number("--index", metavar="N", help="The container of this number"),
        switch("--no-stdin", help="Only look"),
        switch("--sig-proxy", help="Pass signals on (they are, unless --sig-proxy=false)"),
    ),
)


def run(call: Invocation) -> int:
    """The exit status is the container's, or 0 after the detach keys."""
    call.refuse_dry_run()
    call.require_root()
    paths = existing_project(call)
    record = running_one(paths, call.operands[0], index=call.arguments.number("index"))
    keys = call.arguments.text("detach-keys") or "ctrl-p,ctrl-q"
    try:
        sequence = detach_sequence(keys)
    except ValueError:
        raise UsageError(f'--detach-keys cannot be "{keys}"', hint="write keys like ctrl-p,ctrl-q or x") from None
    attaching = Attaching(
        client(call, record.spec.project),
        record,
        paths=paths,
        detach_keys=sequence,
        reads_input=not call.arguments.switch("no-stdin"),
        passes_signals=call.arguments.switch("sig-proxy", default=True),
    )
    return attaching.run()
