"""A process in a container: the service's own, a health probe, an exec, a hook."""

from __future__ import annotations

from composer.frozen import frozen


@frozen
class Rlimit:
    """A resource limit (getrlimit(2)). `name` as Compose writes it: nofile, nproc, core ...; -1 is unlimited."""

    name: str
    soft: int
    hard: int


@frozen
class Process:
    """What is executed and as whom."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user: str = ""  # "", "name", "uid", "name:group", "uid:gid"; names are looked up inside the container
    groups: tuple[str, ...] = ()  # supplementary groups by name or number, beside those of /etc/group
    capabilities: tuple[str, ...] = ()  # bounding set, as CAP_* names in the kernel's order
    no_new_privileges: bool = False
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None
    tty: bool = False
    stdin_open: bool = False
