"""What a service's container executes, as whom, with which environment and limits."""

from __future__ import annotations

from composer.lowering import defaults, security
from composer.lowering.mistake import refused
from composer.model.service import Service
from composer.spec.process import Process, Rlimit


def lower(service: Service, *, hostname: str) -> Process:
    """Raises InvalidFile for a service that says no command, or an empty one."""
    return Process(
        argv=argv(service),
        env=environment(service, hostname=hostname),
        cwd=service.working_dir or "/",
        user=str(service.user or ""),
        groups=service.group_add,
        capabilities=security.capabilities_of(service),
        no_new_privileges=security.no_new_privileges(service),
        rlimits=rlimits(service),
        oom_score_adj=service.oom_score_adj,
        tty=service.tty,
        stdin_open=service.stdin_open,
    )


_GOOD = 'write command: ["program", "argument"]'


def argv(service: Service) -> tuple[str, ...]:
    """Entrypoint and command. A root file system says neither, as an image would, so the file must."""
    words = (*(service.entrypoint or ()), *(service.command or ()))
    if not words:
        raise refused(
            "no-command", "has no command: its rootfs carries no default", "services", service.name, hint=_GOOD
        )
    if not words[0]:
        key = "entrypoint" if service.entrypoint else "command"
        raise refused("no-command", "has an empty text for a command", "services", service.name, key, hint=_GOOD)
    return words


def environment(service: Service, *, hostname: str) -> tuple[tuple[str, str], ...]:
    """The defaults, then the file's variables in its order; a default that the file sets anew keeps its place."""
    said = {**defaults.environment(hostname=hostname, tty=service.tty), **service.environment}
    return tuple((name, value) for name, value in said.items() if value is not None)


def rlimits(service: Service) -> tuple[Rlimit, ...]:
    return tuple(Rlimit(name, limit.soft, limit.hard) for name, limit in sorted(service.ulimits.items()))
