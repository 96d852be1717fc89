"""A container with no file at all: `run --rootfs`. Plain values in, no model of a Compose file is imported.

It is a one-off of its own project, isolated and limited like any service, on a network of its own.
"""

from __future__ import annotations

from composer.errors import UsageError
from composer.frozen import frozen
from composer.lowering import capabilities, defaults, files, labels, names, placing
from composer.lowering.host import HostFacts
from composer.spec.cgroup import Resources
from composer.spec.container import ContainerSpec, DefaultSeccomp, Unconfined
from composer.spec.mounts import Mount
from composer.spec.policy import Policy
from composer.spec.process import Process
from composer.spec.rootfs import RootfsSource


@frozen
class BareRequest:
    """What was said on the command line, sizes and numbers already read."""

    rootfs: RootfsSource
    argv: tuple[str, ...]
    project: str
    name: str
    entrypoint: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    cwd: str = "/"
    hostname: str = ""
    memory: int | None = None  # bytes
    nano_cpus: int | None = None
    cpuset: str = ""
    cpu_shares: int | None = None
    read_only: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    tty: bool = False
    stdin_open: bool = False
    init: bool = False


def bare(request: BareRequest, *, host: HostFacts) -> tuple[ContainerSpec, Policy]:
    """Raises UsageError for a command that is missing, and for names and capabilities that cannot be."""
    _refuse_impossible(request)
    hostname = request.hostname or names.hostname(request.name)
    mounted = placing.combine(defaults.mounts(privileged=request.privileged), request.mounts)
    made = ContainerSpec(
        name=request.name,
        project=request.project,
        service=request.name,
        number=1,
        rootfs=request.rootfs,
        process=_process(request, hostname),
        oneoff=True,
        init=request.init,
        privileged=request.privileged,
        read_only=request.read_only,
        hostname=hostname,
        mounts=mounted,
        files=files.generated(
            hostname=hostname,
            reach=files.Reach.NOTHING,
            host=host,
            resolving=files.Resolving(),
            taken={mount.target for mount in mounted},
        ),
        masked_paths=() if request.privileged else defaults.MASKED_PATHS,
        readonly_paths=() if request.privileged else defaults.READONLY_PATHS,
        seccomp=Unconfined() if request.privileged else DefaultSeccomp(),
        resources=_resources(request),
        labels=labels.of(dict(request.labels), project=request.project, service=request.name, number=1, oneoff=True),
    )
    return made, Policy()


def _refuse_impossible(request: BareRequest) -> None:
    names.refuse_unfit(container=request.name, project=request.project, hostname=request.hostname)
    if not (*request.entrypoint, *request.argv):
        raise UsageError(
            "cannot run a container without a command: a rootfs carries no default",
            hint="pycompose run --rootfs rootfs.tar -- /bin/sh",
        )
    for option, names_ in (("--cap-add", request.cap_add), ("--cap-drop", request.cap_drop)):
        for name in capabilities.unknown(names_):
            raise UsageError(f'{option}: "{name}" is not a capability', hint="write a name such as NET_ADMIN, or ALL")


def _process(request: BareRequest, hostname: str) -> Process:
    environment = {**defaults.environment(hostname=hostname, tty=request.tty), **dict(request.env)}
    return Process(
        argv=(*request.entrypoint, *request.argv),
        env=tuple(environment.items()),
        cwd=request.cwd,
        user=request.user,
        capabilities=capabilities.tweaked(add=request.cap_add, drop=request.cap_drop, privileged=request.privileged),
        tty=request.tty,
        stdin_open=request.stdin_open,
    )


def _resources(request: BareRequest) -> Resources:
    return Resources(
        memory=request.memory or None,
        nano_cpus=request.nano_cpus or None,
        cpu_shares=request.cpu_shares or None,
        cpuset_cpus=request.cpuset,
    )
