"""`pycompose commit`"""

from __future__ import annotations

import os
from contextlib import contextmanager

from composer.cli import exporting
from composer.cli.containers import one_of_service
from composer.cli.invocation import Invocation
from composer.cli.operation import perform
from composer.cli.options import Command, number, switch, text, texts
from composer.cli.project import existing_project
from composer.control.messages import Pause, Unpause
from composer.errors import UsageError
from composer.hints import Iterator
from composer.planner.observed import State
from composer.store.records import ContainerRecord

COMMAND = Command(
    operands="SERVICE [FILE]",
    at_least=1,
    at_most=2,
    completes="services",
    example='pycompose commit -m "with the fonts" web web-with-fonts.tar',
    options=(
        text("--author", "-a", metavar="NAME", help="Noted in the archive"),
        texts("--change", "-c", metavar="INSTRUCTION", help="Refused: a root file system has no settings"),
        number("--index", metavar="N", help="The container of this number"),
        text("--message", "-m", metavar="TEXT", help="Noted in the archive"),
        switch("--pause", "-p", help="Pause the service meanwhile; --pause=false does not"),
    ),
)


def run(call: Invocation) -> int:
    """Keep a container's file system as an archive that a service can have as its `rootfs`."""
    call.require_root()
    call.refuse_dry_run()
    if call.arguments.texts("change"):
        hint = "write it under the service: command, environment, user, working_dir, …"
        raise UsageError("--change: an archive of a root file system has no settings", hint=hint)
    record = one_of_service(existing_project(call), call.operands[0], index=call.arguments.number("index"))
    name = call.operands[1] if len(call.operands) > 1 else f"{record.spec.name}.tar"
    path = os.path.join(call.cwd, name)
    with exporting.output_file(path) as file, _paused(call, record):
        exporting.write(call, record, file, comment=_comment(call))
    print(path)
    return 0


@contextmanager
def _paused(call: Invocation, record: ContainerRecord) -> Iterator[None]:
    """With all of its service, so that the files fit each other; a one-off container goes on."""
    wanted = call.arguments.switch("pause", default=True)
    if not wanted or record.state is not State.RUNNING or record.spec.oneoff:
        yield
        return
    services = (record.spec.service,)
    perform(call, record.spec.project, Pause(services))
    try:
        yield
    finally:
        perform(call, record.spec.project, Unpause(services))


def _comment(call: Invocation) -> str:
    author, message = call.arguments.text("author"), call.arguments.text("message")
    return "\n".join(filter(None, (message, f"author: {author}" if author else "")))
