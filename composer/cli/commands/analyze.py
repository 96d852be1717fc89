"""`pycompose analyze`"""

from __future__ import annotations

import os
import sys
import time

from composer.cli.changing import recorded_desired
from composer.cli.containers import no_such_service
from composer.cli.invocation import Invocation
from composer.cli.options import Command, switch, text
from composer.cli.project import existing_project
from composer.cli.render import timeline, timeline_json, timeline_svg
from composer.control.client import turn_holder
from composer.errors import HostError, NoSuchThing
from composer.planner.analysis import Analysis, analyze
from composer.planner.walk import Walk
from composer.spec.codec import DecodeError
from composer.spec.desired import Desired
from composer.store import walks
from composer.store.paths import ProjectPaths

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose analyze\npycompose analyze --format svg -o start.svg",
    options=(
        switch("--all", "-a", help="A row for each container, however many a service has"),
        text("--format", metavar="FORMAT", choices=("text", "svg", "json"), help="text, svg or json"),
        text("--output", "-o", metavar="FILE", help="A file, instead of standard output"),
    ),
)


def run(call: Invocation) -> int:
    paths = existing_project(call)
    walk, desired = _last_start(paths), recorded_desired(paths)
    _check_services(call, desired)
    found = analyze(
        walk,
        desired,
        services=call.operands,
        now_ns=_now_ns(paths, walk),
        summary=not call.arguments.switch("all"),
    )
    path = call.arguments.text("output")
    drawn = _drawn(call, found, to_terminal=path is None and sys.stdout.isatty())
    if path is None:
        print(drawn)
    else:
        from composer.cli.exporting import output_file

        with output_file(os.path.join(call.cwd, path)) as file:
            file.write(f"{drawn}\n".encode(errors="surrogateescape"))
    return 0


def _last_start(paths: ProjectPaths) -> Walk:
    project = os.path.basename(paths.run)
    try:
        walk = walks.read(paths)
    except DecodeError as error:
        hint = "the next `pycompose up` writes it anew"
        raise HostError(f"cannot read how project {project} was started last: {error}", hint=hint) from None
    if walk is None:
        hint = "`pycompose up` and `pycompose start` write it down as they go"
        raise NoSuchThing(f"cannot analyze project {project}: nothing tells how it was started", hint=hint)
    return walk


def _check_services(call: Invocation, desired: Desired) -> None:
    known = tuple(service.name for service in desired.services)
    for name in call.operands:
        if name not in known:
            raise no_such_service(name, known)


def _now_ns(paths: ProjectPaths, walk: Walk) -> int | None:
    """How late it is in a start that is still under way; None where it is over, or nobody goes on with it."""
    if walk.finished is not None or not turn_holder(paths.supervisor_socket):
        return None
    return time.time_ns() - walk.begun.asked_ns


def _drawn(call: Invocation, found: Analysis, *, to_terminal: bool) -> str:
    match call.arguments.text("format"):
        case "svg":
            return timeline_svg.render(found)
        case "json":
            return timeline_json.render(found)
    if to_terminal:
        return timeline.chart(found, columns=call.console.columns, colour=call.console.colour_out)
    return timeline.columns(found)
