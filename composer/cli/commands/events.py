"""`pycompose events`"""

from __future__ import annotations

import os
import sys
import time

from composer.cli.containers import containers, no_such_service, service_names
from composer.cli.invocation import Invocation
from composer.cli.moments import moment
from composer.cli.options import Command, switch, text
from composer.cli.project import existing_project
from composer.hints import Iterator
from composer.store import events
from composer.store.events import Event
from composer.store.paths import ProjectPaths

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose events --json --since 10m web",
    options=(
        switch("--json", help="One JSON object a line"),
        text("--since", metavar="TIME", help="Begin with what happened after a time (2024-01-02T13:23:37Z, 10m)"),
        text("--until", metavar="TIME", help="End at a time"),
    ),
)


def run(call: Invocation) -> int:
    paths = existing_project(call, or_empty=True)
    _check_services(call, paths)
    for event in _wanted(call, paths):
        if not call.operands or event.service in call.operands:
            sys.stdout.write(_as_json(event) if call.arguments.switch("json") else _as_text(event))
            sys.stdout.flush()
    return 0


def _check_services(call: Invocation, paths: ProjectPaths) -> None:
    known = service_names(paths, containers(paths)) if call.operands else ()
    for name in call.operands:
        if name not in known:
            raise no_such_service(name, known)


def _wanted(call: Invocation, paths: ProjectPaths) -> Iterator[Event]:
    """What has happened since, if asked for, and what happens; only the former where it is to end in the past."""
    now = time.time_ns()
    since, until = call.arguments.text("since"), call.arguments.text("until")
    since_ns = moment(since, now_ns=now) if since else now
    until_ns = moment(until, now_ns=now) if until else None
    if until_ns is not None and until_ns <= now:
        return events.read(paths.events, since_ns=since_ns, until_ns=until_ns)
    if not os.path.exists(paths.events):
        return iter(())  # it is not up: nobody is there to whom something could happen
    return events.follow(paths.events, since_ns=since_ns, until_ns=until_ns)


def _as_json(event: Event) -> str:
    return events.encode(event).decode(errors="surrogateescape")


def _as_text(event: Event) -> str:
    seconds, rest = divmod(event.time_ns, 1_000_000_000)
    moment = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{rest // 1000:06}"
    attributes = ", ".join(f"{key}={value}" for key, value in event.attributes)
    return f"{moment} {event.type} {event.action} {event.id} ({attributes})\n"
