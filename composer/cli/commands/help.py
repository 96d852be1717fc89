"""`pycompose help`"""

from __future__ import annotations

from composer.cli import help
from composer.cli.invocation import Invocation
from composer.cli.main import load_command
from composer.cli.options import Command

COMMAND = Command(operands="[COMMAND]", at_most=1, example="pycompose help up", completes="commands")


def run(call: Invocation) -> int:
    if not call.operands:
        print(help.overview())
    for name in call.operands:
        print(help.of_command(name, load_command(name).COMMAND))
    return 0
