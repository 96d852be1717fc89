"""`pycompose exec`"""

from __future__ import annotations

import sys

from composer.cli.containers import running_one
from composer.cli.foreground import Foreground, exit_code
from composer.cli.invocation import Invocation
from composer.cli.options import Command, number, switch, text, texts
from composer.cli.project import existing_project
from composer.errors import HostError, NoSuchThing, UsageError
from composer.frozen import replace
from composer.planner.observed import State
from composer.spec.process import Process
from composer.store.observe import boot_id, is_kept_elsewhere
from composer.store.records import ContainerRecord

COMMAND = Command(
    operands="SERVICE COMMAND [ARGS...]",
    at_least=2,
    stops_at_operand=True,
    completes="services",
    example="pycompose exec -u postgres db psql",
    options=(
        switch("--detach", "-d", help="Do not wait for the command"),
        texts("--env", "-e", metavar="NAME=VALUE", help="An environment variable; without a value, one of ours"),
        number("--index", metavar="N", help="The container of this number"),
        switch("--interactive", "-i", help="Pass standard input on (it is anyway)"),
        switch("--no-tty", "-T", help="No terminal of its own (default where ours is none)"),
        switch("--no-TTY", help="The same", hidden=True),
        switch("--privileged", help="All capabilities, no system call filter"),
        switch("--tty", "-t", help="A terminal of its own"),
        text("--user", "-u", metavar="USER", help="Who to run it as: name, uid, name:group, uid:gid"),
        text("--workdir", "-w", metavar="DIR", help="Where to run it"),
    ),
)


def run(call: Invocation) -> int:
    """The exit status is the command's own."""
    call.refuse_dry_run()
    call.require_root()
    service, *argv = call.operands
    record = running_one(existing_project(call), service, index=call.arguments.number("index"))
    if record.state is State.PAUSED:
        raise HostError(f"cannot run a command in {record.spec.name}: it is paused", hint="pycompose unpause")
    words = argv[1:] if argv[0] == "--" else argv
    return execute(call, record, process_of(call, record, tuple(words)))


def process_of(call: Invocation, record: ContainerRecord, argv: tuple[str, ...]) -> Process:
    """What is to be executed: like the container's own process, but for what was said."""
    given = call.arguments
    own = record.spec.process
    env = dict(own.env) | dict(variables(given.texts("env"), call))
    return replace(
        own,
        argv=argv,
        env=tuple(env.items()),
        cwd=given.text("workdir") or own.cwd,
        user=given.text("user") or own.user,
        groups=() if given.text("user") else own.groups,
        tty=wants_terminal(call) and not given.switch("detach"),
        oom_score_adj=None,
    )


def wants_terminal(call: Invocation) -> bool:
    """A terminal where ours is one, unless -T or -t say otherwise."""
    given = call.arguments
    if given.switch("no-tty") or given.switch("no-TTY"):
        return False
    return given.switch("tty", default=call.console.interactive)


def variables(words: tuple[str, ...], call: Invocation) -> list[tuple[str, str]]:
    """NAME=VALUE words, NAME alone taking the value it has here, if any."""
    found = []
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise UsageError(f'--env cannot be "{word}"', hint="write NAME=VALUE, or NAME alone")
        if equals or name in call.environment:
            found.append((name, value if equals else call.environment[name]))
    return found


def execute(call: Invocation, record: ContainerRecord, process: Process) -> int:
    if is_kept_elsewhere(record, boot=boot_id()):
        from composer.cli import joining_ourselves  # the whole way into a container: not for a message to the launcher

        return joining_ourselves.execute(call, record, process)
    socket_path = call.paths.project(record.spec.project).launcher_socket
    status = _execute(call, socket_path, record.spec.name, process)
    if status is None:
        _have_adopted(call, record.spec.project)
        status = _execute(call, socket_path, record.spec.name, process)
    if status is None:
        raise NoSuchThing(f"cannot run a command in container {record.spec.name}: it has just ended")
    return status


def _have_adopted(call: Invocation, project: str) -> None:
    """The launcher has died: a new one looks after the container before its supervisor answers."""
    from composer.cli.operation import client
    from composer.control.messages import Ping

    for _ in client(call, project).request(Ping()):
        pass


def _execute(call: Invocation, socket_path: str, container: str, process: Process) -> int | None:
    """None where no launcher looks after the container."""
    from composer.cli import joining  # the launcher's language: not for `run`, which shares words with us

    detached = call.arguments.switch("detach")
    privileged = call.arguments.switch("privileged")
    with joining.connected(socket_path, container) as link:
        if link is None:
            return None
        with joining.null_streams() if detached else joining.our_streams() as streams:
            child = joining.start(link, container, process, streams=streams, privileged=privileged)
        if child is None:
            return None
        for warning in child.warnings:
            print(f"pycompose: {warning}", file=sys.stderr)
        return 0 if detached else exit_code(Foreground(child, master=child.master, reads_input=True).wait())
