"""`pycompose logs`"""

from __future__ import annotations

import sys
import time

from composer.cli.containers import containers, of_services, service_names
from composer.cli.invocation import Invocation
from composer.cli.options import Command, number, switch, text
from composer.cli.project import existing_project
from composer.cli.render.logs import Drawing, JsonLines, LogLines, Origin
from composer.cli.selecting import Selector, origins, raise_descriptor_limit
from composer.cli.sieve import LEVELS, Sieve, sieve, sifted
from composer.errors import UsageError
from composer.store.logs.reader import Selection, merge, read
from composer.store.paths import ProjectPaths

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose logs -f --tail 20 web",
    options=(
        switch("--follow", "-f", help="Go on with what is printed from now on"),
        text("--format", metavar="FORMAT", choices=("text", "json"), help="text, or json: one object a line"),
        text("--grep", metavar="REGEX", help="Only lines that match a regular expression"),
        number("--index", metavar="N", help="Only the container of this number"),
        text(
            "--level",
            metavar="LEVEL",
            choices=LEVELS,
            help="Only lines of this level or above: trace, debug, info, warn, error or fatal; "
            "lines that do not say theirs are info, on standard error error",
        ),
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
    if call.operands:
        of_services(paths, call.operands)  # an unknown name is told before anything is printed
    there = containers(paths)
    project = paths.run.rpartition("/")[2]
    selects = Selector(paths, project, services=call.operands, index=call.arguments.number("index"))
    selection, by = _selection(call), sieve(grep=call.arguments.text("grep"), level=call.arguments.text("level"))
    # what is sifted is counted afterwards: the last lines that match
    matching = None if by == Sieve() else selection.tail
    if matching is not None:
        selection = Selection(since_ns=selection.since_ns, until_ns=selection.until_ns)
    shown = origins(record for record in there if selects.shows(record))
    lines = _lines(call, shown, services=service_names(paths, there))
    if call.arguments.switch("follow"):
        from composer.cli.following import Following  # sockets, inotify: not for who looks once

        with Following(paths, selects=selects, lines=lines, sieve=by, until_ns=selection.until_ns) as following:
            following.print_history(selection, matching=matching)
            following.wait_until_idle()
    else:
        _print(paths, lines, by, selection=selection, matching=matching)
    return 0


def _print(paths: ProjectPaths, lines: Drawing, by: Sieve, *, selection: Selection, matching: int | None) -> None:
    raise_descriptor_limit()
    logs = [
        (name, sifted(read(paths.log(name), selection=selection), by, tail=matching)) for name in tuple(lines.origins)
    ]
    for name, part in merge(logs):
        sys.stdout.buffer.write(lines.draw(name, part))


def _lines(call: Invocation, shown: dict[str, Origin], *, services: tuple[str, ...]) -> Drawing:
    if call.arguments.text("format") == "json":
        return JsonLines(shown)
    return LogLines(
        shown,
        services=services,
        colour=call.console.colour_out and not call.arguments.switch("no-color"),
        prefix=not call.arguments.switch("no-log-prefix"),
        timestamps=call.arguments.switch("timestamps"),
    )


def _selection(call: Invocation) -> Selection:
    since, until = call.arguments.text("since"), call.arguments.text("until")
    tail = _tail(call.arguments.text("tail") or "all")
    if not since and not until:
        return Selection(tail=tail)
    from composer.cli.moments import moment  # regular expressions

    now = time.time_ns()
    return Selection(
        tail=tail,
        since_ns=moment(since, now_ns=now) if since else None,
        until_ns=moment(until, now_ns=now) if until else None,
    )


def _tail(text: str) -> int | None:
    if text == "all" or (text[:1] == "-" and text[1:].isdecimal()):  # as docker
        return None
    if not text.isdecimal():
        raise UsageError(f'--tail cannot be "{text}"', hint="give a number of lines, or all")
    return int(text)
