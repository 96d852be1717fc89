"""Commands of the user's own inside a running container: post_start, pre_stop."""

from __future__ import annotations

from composer import errors
from composer.frozen import replace
from composer.spec.policy import Hook
from composer.spec.process import Process
from composer.supervisor.inside import Result, run_inside
from composer.supervisor.launcher_link import LauncherLink, ProcessRequest

_KEPT = 64 * 1024  # bytes of a hook's output
_QUOTED = 500  # characters of it in a message


async def run_hook(link: LauncherLink, hook: Hook, *, container: str, process: Process, kind: str) -> Result:
    """Run one hook to its end. Raises PycomposeError: it could not be started, or failed."""
    request = ProcessRequest(container, process_of(hook, process), privileged=hook.privileged)
    result = await run_inside(link, request, limit=_KEPT)
    if result.exit_code != 0:
        raise errors.PycomposeError(
            f"{kind} hook {' '.join(hook.argv)!r} of container {container} {failure(result)}",
        )
    return result


def process_of(hook: Hook, process: Process) -> Process:
    """The hook's process: the container's own, with what the hook says otherwise."""
    return replace(
        process,
        argv=hook.argv,
        env=(*process.env, *hook.env),
        user=hook.user or process.user,
        cwd=hook.cwd or process.cwd,
        tty=False,
        stdin_open=False,
    )


def failure(result: Result) -> str:
    """How a command ended and what it last said: "exited with status 2: connection refused"."""
    text = result.output.strip()
    quoted = f": {text[-_QUOTED:]}" if text else ""
    return f"exited with status {result.exit_code}{quoted}"
