"""`pycompose logs`"""

from __future__ import annotations

import sys
import time

from composer.cli.containers import containers, label, of_services
from composer.cli.following import Following, Selector, raise_descriptor_limit
from composer.cli.invocation import Invocation
from composer.cli.moments import moment
from composer.cli.options import Command, number, switch, text
from composer.cli.project import existing_project
from composer.cli.render.logs import LogLines
from composer.errors import UsageError
from composer.store.logs.reader import Selection, merge, read
from composer.store.paths import ProjectPaths

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose logs -f --tail 20 web",
    options=(
        switch("--follow", "-f", help="Go on with what is printed from now on"),
        number("--index", metavar="N", help="Only the container of this number"),
        switch("--no-color", help="No colours"),
        switch("--no-log-prefix", help="Lines without the container's name"),
        text("--since", metavar="TIME", help="Only after a time (2024-01-02T13:23:37Z) or a span ago (42m)"),
        text("--tail", "-n", metavar="N", help="Only the last lines of each container (default: all)"),
        switch("--timestamps", "-t", help="Put the time in front of each line"),
        text("--until", metavar="TIME", help="Only before a time (2024-01-02T13:23:37Z) or a span ago (42m)"),
    ),
)


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    of_services(paths, call.operands)  # an unknown name is told before anything is printed
    project = paths.run.rpartition("/")[2]
    selects = Selector(paths, project, services=call.operands, index=call.arguments.number("index"))
    if call.arguments.switch("follow"):
        with Following(paths, selects=selects, lines=_lines(call, paths, selects)) as following:
            following.print_history(_selection(call))
            following.wait_until_idle()
    else:
        _print(call, paths, selects)
    return 0


def _print(call: Invocation, paths: ProjectPaths, selects: Selector) -> None:
    raise_descriptor_limit()
    lines, selection = _lines(call, paths, selects), _selection(call)
    logs = [(name, read(paths.log(name), selection=selection)) for name in lines.labels]
    for name, part in merge(logs):
        sys.stdout.buffer.write(lines.draw(name, part))


def _lines(call: Invocation, paths: ProjectPaths, selects: Selector) -> LogLines:
    return LogLines(
        labels={record.spec.name: label(record) for record in containers(paths) if selects(record.spec.name)},
        colour=call.console.colour_out and not call.arguments.switch("no-color"),
        prefix=not call.arguments.switch("no-log-prefix"),
        timestamps=call.arguments.switch("timestamps"),
    )


def _selection(call: Invocation) -> Selection:
    now = time.time_ns()
    since, until = call.arguments.text("since"), call.arguments.text("until")
    return Selection(
        tail=_tail(call.arguments.text("tail") or "all"),
        since_ns=moment(since, now_ns=now) if since else None,
        until_ns=moment(until, now_ns=now) if until else None,
    )


def _tail(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f'--tail cannot be "{text}"', hint="give a number of lines, or all")
    return int(text)
