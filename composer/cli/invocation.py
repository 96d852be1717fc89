"""All that a command is handed: what was typed, and what was true of the process when it was."""

from __future__ import annotations

from composer.cli.parse import Arguments
from composer.errors import HostError, UsageError
from composer.frozen import frozen
from composer.hints import Mapping
from composer.store.paths import Paths, from_environment

CAP_SYS_ADMIN = 21


@frozen
class Console:
    """What the terminal can show. Progress and mistakes go to standard error, results to standard output."""

    colour_out: bool = False
    colour_error: bool = False
    progress: str = "plain"  # tty, plain, json, quiet
    columns: int = 80
    interactive: bool = False  # standard input and output are a terminal


@frozen
class Invocation:
    """One call of one command."""

    command: str
    arguments: Arguments
    environment: Mapping[str, str]
    cwd: str
    uid: int
    paths: Paths
    console: Console = Console()

    @property
    def operands(self) -> tuple[str, ...]:
        return tuple(self.arguments.operands)

    def refuse_dry_run(self, *, hint: str | None = None) -> None:
        """For what has no plan to print. Raises UsageError."""
        if self.arguments.switch("dry-run"):
            raise UsageError(f"cannot try `{self.command}` without doing it", hint=hint)

    def require_root(self) -> None:
        """Raises HostError: making namespaces, mounts and cgroups needs root."""
        if self.uid:
            raise HostError(f"cannot {self.command}: only root may", hint=f"sudo pycompose {self.command} ...")
        if not _effective_capabilities() >> CAP_SYS_ADMIN & 1:
            raise HostError(
                f"cannot {self.command}: this root has no CAP_SYS_ADMIN, which namespaces and mounts take",
                hint="run it outside of an unprivileged container; `pycompose check` tells what else is missing",
            )


def _effective_capabilities() -> int:
    """As a bit mask. From /proc, which imports nothing."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))


def invocation(
    command: str, arguments: Arguments, *, environment: Mapping[str, str], cwd: str, uid: int, console: Console
) -> Invocation:
    """An invocation whose places come from the environment."""
    paths = from_environment(dict(environment), uid=uid)
    return Invocation(command, arguments, environment, cwd, uid, paths, console)
