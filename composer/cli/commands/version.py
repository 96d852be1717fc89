"""`pycompose version`"""

from __future__ import annotations

from composer import __version__
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text

COMMAND = Command(
    operands="",
    at_most=0,
    example="pycompose version --short",
    options=(
        text("--format", "-f", metavar="FORMAT", choices=("pretty", "json"), help="pretty or json"),
        switch("--short", help="The number alone"),
    ),
)


def run(call: Invocation) -> int:
    if call.arguments.switch("short"):
        print(__version__)
    elif call.arguments.text("format") == "json":
        print(f'{{"version":"{__version__}"}}')
    else:
        print(f"pycompose version {__version__}")
    return 0
