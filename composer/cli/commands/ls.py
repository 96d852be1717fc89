"""`pycompose ls`"""

from __future__ import annotations

import json
import sys
from collections import Counter

from composer.cli.containers import RUNNING, containers
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text, texts
from composer.cli.project import projects
from composer.cli.render.table import table
from composer.errors import HostError, UsageError
from composer.store import wanted

COMMAND = Command(
    operands="",
    at_most=0,
    example="pycompose ls --all",
    options=(
        switch("--all", "-a", help="Also projects of which nothing runs"),
        texts("--filter", metavar="KEY=VALUE", help="Only those that match: name=TEXT"),
        text("--format", metavar="FORMAT", choices=("table", "json"), help="table or json"),
        switch("--quiet", "-q", help="Names only"),
    ),
)


def run(call: Invocation) -> int:
    rows = [row for name in projects(call) if (row := _row(call, name)) is not None]
    if call.arguments.switch("quiet"):
        print("".join(f"{row['Name']}\n" for row in rows), end="")
    elif call.arguments.text("format") == "json":
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print(table(("NAME", "STATUS", "CONFIG FILES"), [tuple(row.values()) for row in rows]))
    return 0


def _row(call: Invocation, name: str) -> dict[str, str] | None:
    if not _matches(call, name):
        return None
    paths = call.paths.project(name)
    try:
        states = Counter(record.state for record in containers(paths))
    except HostError as error:  # of one project; the others are to be seen
        print(f"pycompose: {error.message}", file=sys.stderr)
        return None
    if not call.arguments.switch("all") and not any(state in RUNNING for state in states):
        return None
    status = ", ".join(
        f"{state.value}({count})" for state, count in sorted(states.items(), key=lambda item: item[0].value)
    )
    return {"Name": name, "Status": status, "ConfigFiles": ",".join(wanted.outline(paths).config_files)}


def _matches(call: Invocation, name: str) -> bool:
    for given in call.arguments.texts("filter"):
        key, _, value = given.partition("=")
        if key != "name":
            raise UsageError(f'cannot filter projects by "{key}"', hint="there is name=TEXT")
        if value not in name:
            return False
    return True
