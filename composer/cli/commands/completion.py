"""`pycompose completion`"""

from __future__ import annotations

from composer.cli.catalogue import COMMANDS
from composer.cli.invocation import Invocation
from composer.cli.main import load_command
from composer.cli.options import Command
from composer.cli.render import completion
from composer.errors import UsageError

SHELLS = {"bash": completion.bash, "zsh": completion.zsh, "fish": completion.fish}

COMMAND = Command(
    operands="bash|zsh|fish",
    at_least=1,
    at_most=1,
    completes="bash,zsh,fish",
    example='eval "$(pycompose completion bash)"',
)


def run(call: Invocation) -> int:
    shell = call.operands[0]
    if shell not in SHELLS:
        raise UsageError(f'cannot complete for "{shell}"', hint="choose bash, zsh or fish")
    print(SHELLS[shell]({name: load_command(name).COMMAND for name in COMMANDS}))
    return 0
