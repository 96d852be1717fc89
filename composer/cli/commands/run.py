"""`pycompose run`"""

from __future__ import annotations

from composer.cli.invocation import Invocation
from composer.cli.options import Command, Option, number, switch, text, texts
from composer.errors import UsageError

COMMAND = Command(
    operands="SERVICE [COMMAND] [ARGS...]  |  --rootfs PATH [--] COMMAND [ARGS...]",
    at_least=1,
    stops_at_operand=True,
    completes="services",
    example=(
        "pycompose run --rm web python -m pytest\npycompose run --rootfs rootfs.tar --mem 100M --cpus 1.0 -- /bin/bash"
    ),
    options=(
        texts("--cap-add", metavar="CAP", help="Add a capability"),
        texts("--cap-drop", metavar="CAP", help="Take a capability away"),
        text("--cpus", metavar="NUMBER", help="How many processors at most"),
        text("--cpuset", metavar="LIST", help="Which processors: 0-2,5"),
        number("--cpu-shares", metavar="N", help="Share of the processors against others (1024 is usual)"),
        switch("--detach", "-d", help="Run in the background and print the container's name"),
        text("--entrypoint", metavar="COMMAND", help="Instead of the service's entrypoint"),
        texts("--env", "-e", metavar="NAME=VALUE", help="An environment variable; without a value, one of ours"),
        texts("--env-from-file", metavar="FILE", help="Environment variables from a file, as `env_file` reads it"),
        text("--hostname", metavar="NAME", help="The container's hostname"),
        switch("--interactive", "-i", help="Pass standard input on (it is, unless --interactive=false)"),
        texts("--label", "-l", metavar="KEY=VALUE", help="A label"),
        text("--mem", metavar="SIZE", help="How much memory at most: 100M"),
        Option("--memory", "-m", "SIZE", hidden=True),
        text("--name", metavar="NAME", help="The container's name"),
        switch("--no-deps", help="Do not start what the service depends on"),
        switch("--no-tty", "-T", help="No terminal of its own (default where ours is none)"),
        switch("--no-TTY", help="The same", hidden=True),
        switch("--privileged", help="All capabilities, all devices, nothing masked"),
        texts("--publish", "-p", metavar="PORT", help="Publish a port: 8080:80, 127.0.0.1:8080:80/tcp, 80"),
        switch("--quiet", "-q", help="Say nothing about dependencies", hidden=True),
        switch("--read-only", help="A root file system that cannot be written"),
        switch("--rm", help="Remove the container when it has ended"),
        text("--rootfs", metavar="PATH", help="No service: a directory, a tar archive, or / for the host's own root"),
        switch("--service-ports", "-P", help="Publish the service's ports as well"),
        switch("--tty", "-t", help="A terminal of its own"),
        switch("--use-aliases", help="Let others find it by the names of its service"),
        text("--user", "-u", metavar="USER", help="Who to run it as: name, uid, name:group, uid:gid"),
        texts("--volume", "-v", metavar="SOURCE:TARGET[:ro]", help="A directory, or a volume by its name on the host"),
        text("--workdir", "-w", metavar="DIR", help="Where to run it"),
    ),
)


def run(call: Invocation) -> int:
    """The exit status is that of the command."""
    call.refuse_dry_run(hint="`up --dry-run` shows what services would do")
    call.require_root()
    if call.arguments.text("rootfs") is not None:
        if call.arguments.texts("publish"):
            raise UsageError("cannot publish ports of a container without a network", hint="run one of a service")
        from composer.cli import running_bare

        return running_bare.run(call)
    from composer.cli import running_service  # pydantic and YAML come with it

    return running_service.run(call)
