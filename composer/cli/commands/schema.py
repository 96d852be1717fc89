"""`pycompose schema`"""

from __future__ import annotations

import os
import sys

from composer import loader
from composer.cli.invocation import Invocation
from composer.cli.options import Command

COMMAND = Command(operands="", at_most=0, example="pycompose schema > compose.schema.json")

_SHIPPED = os.path.join(os.path.dirname(loader.__file__), "compose.schema.json")  # written by `make schema`


def run(_call: Invocation) -> int:
    with open(_SHIPPED, encoding="utf-8") as file:
        sys.stdout.write(file.read())
    return 0
