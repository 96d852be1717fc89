"""What `up` does once the project's processes are on their way."""

from __future__ import annotations

import sys

from composer.cli.changing import scales, timeout_ns
from composer.cli.compiling import compiled
from composer.cli.invocation import Invocation
from composer.cli.operation import perform
from composer.cli.options import WAIT_TIMEOUT
from composer.cli.upping import exclude, ineffective, options_of, show_plan
from composer.control.client import Deposits
from composer.control.messages import Up
from composer.errors import UsageError
from composer.planner.options import UpOptions
from composer.spec.desired import Desired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.cli.attached import Attachment

_STAYING = (
    *("abort-on-container-exit", "abort-on-container-failure", "exit-code-from", "attach", "attach-dependencies"),
    "no-attach",
)


def run(call: Invocation) -> int:
    """From the files to containers that run; the exit status."""
    given = call.arguments
    _check(call)
    found = compiled(call, services=call.operands, scale=scales(given.texts("scale")))
    named = (given.text("exit-code-from") or "", *given.texts("attach"), *given.texts("no-attach"))
    found.check_services(tuple(filter(None, named)))
    desired = found.desired
    options = options_of(call, services=call.operands, start=not given.switch("no-start"), wait=given.switch("wait"))
    if given.switch("dry-run"):
        return show_plan(call, desired, options)
    call.require_root()
    operation = _operation(call, desired, options)
    deposits = found.deposits(call)
    found.remember(call)
    if given.switch("detach") or given.switch("wait") or given.switch("no-start"):
        perform(call, desired.project, operation, deposits=deposits)
        return 0
    from composer.cli.attached import attach

    return attach(call, _attachment(call, operation, deposits))


def _check(call: Invocation) -> None:
    exclude(call, "detach", _STAYING)
    exclude(call, "wait", _STAYING)
    exclude(call, "abort-on-container-failure", ("abort-on-container-exit",))
    if call.arguments.switch("watch"):
        raise UsageError("cannot watch source files: there is no such thing here")
    if word := ineffective(call):
        print(f"pycompose: {word}", file=sys.stderr)


def _operation(call: Invocation, desired: Desired, options: UpOptions) -> Up:
    return Up(
        desired,
        options,
        timeout_ns=timeout_ns(call),
        wait_timeout_ns=timeout_ns(call, option=WAIT_TIMEOUT),
        supervise=call.arguments.switch("supervise", default=True),
    )


def _attachment(call: Invocation, operation: Up, deposits: Deposits) -> Attachment:
    from composer.cli.attached import Attachment, Cascade

    given = call.arguments
    cascade = Cascade.NONE
    if given.switch("abort-on-container-failure"):
        cascade = Cascade.FAILURE
    elif given.switch("abort-on-container-exit") or given.text("exit-code-from"):
        cascade = Cascade.EXIT
    return Attachment(
        operation,
        shown=_shown_services(call, operation.desired),
        cascade=cascade,
        exit_code_from=given.text("exit-code-from"),
        deposits=deposits,
    )


def _shown_services(call: Invocation, desired: Desired) -> frozenset[str]:
    """Whose output is shown: the services named, else all that do not say `attach: false`."""
    given = call.arguments
    services = {service.name: service for service in desired.services}
    shown = frozenset(given.texts("attach")) or frozenset(name for name, service in services.items() if service.attach)
    if call.operands and not given.texts("attach"):
        wanted = set(call.operands)
        if given.switch("attach-dependencies"):
            _add_dependencies(wanted, {name: [edge.service for edge in it.depends_on] for name, it in services.items()})
        shown &= wanted
    return shown - frozenset(given.texts("no-attach"))


def _add_dependencies(wanted: set[str], edges: dict[str, list[str]]) -> None:
    pending = list(wanted)
    while pending:
        for dependency in edges.get(pending.pop(), ()):
            if dependency not in wanted:
                wanted.add(dependency)
                pending.append(dependency)
