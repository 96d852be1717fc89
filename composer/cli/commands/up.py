"""`pycompose up`"""

from __future__ import annotations

from composer.cli import ahead
from composer.cli.invocation import Invocation
from composer.cli.options import (
    CREATION,
    PLAN_FORMAT,
    TIMEOUT,
    WAIT_TIMEOUT,
    WITHOUT_EFFECT,
    Command,
    switch,
    text,
    texts,
)

COMMAND = Command(
    operands="[SERVICE...]",
    completes="services",
    example="pycompose up -d --wait",
    options=(
        switch("--abort-on-container-exit", help="Stop all containers when one has ended"),
        switch("--abort-on-container-failure", help="Stop all containers when one has ended with a failure"),
        switch("--always-recreate-deps", help="Make what these services depend on anew"),
        texts("--attach", metavar="SERVICE", help="Show the output of these services only"),
        switch("--attach-dependencies", help="Show the output of dependencies as well"),
        switch("--detach", "-d", help="Do not stay: containers run in the background"),
        text("--exit-code-from", metavar="SERVICE", help="End with its exit status; implies --abort-on-container-exit"),
        *CREATION,
        texts("--no-attach", metavar="SERVICE", help="Do not show the output of these services"),
        switch("--no-color", help="No colours"),
        switch("--no-deps", help="Leave dependencies alone"),
        switch("--no-log-prefix", help="Lines without the container's name"),
        switch("--no-start", help="Make containers and do not start them"),
        switch("--supervise", help="Start the supervisor again when it has died (default true)"),
        TIMEOUT,
        switch("--timestamps", help="Put the time in front of each line"),
        switch("--wait", help="Do not stay; end when all run or are healthy, or fail saying which does not and why"),
        WAIT_TIMEOUT,
        PLAN_FORMAT,
        switch("--watch", "-w", help="Not available", hidden=True),
        *WITHOUT_EFFECT,
    ),
)


def run(call: Invocation) -> int:
    """Have it brought up, by processes that import what they need while we import the rest."""
    if not call.arguments.switch("dry-run"):
        ahead.start(call)
    from composer.cli import bringing_up

    return bringing_up.run(call)
