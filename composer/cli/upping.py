"""What `up`, `create` and `scale` have in common: the options that say what to recreate, and the way to a plan."""

from __future__ import annotations

import sys

from composer.cli.changing import observed, print_plan, timeout_ns
from composer.cli.compiling import Compiled
from composer.cli.invocation import Invocation
from composer.cli.operation import perform
from composer.control.messages import Up
from composer.errors import UsageError
from composer.planner.options import UpOptions
from composer.spec.desired import Desired
from composer.spec.rootfs import Archive

_WORTH_A_WORD = ("build", "pull", "menu")


def options_of(call: Invocation, *, services: tuple[str, ...], start: bool = True, wait: bool = False) -> UpOptions:
    """The options of the plan. Raises UsageError for two that exclude each other."""
    given = call.arguments
    exclude(call, "no-recreate", ("force-recreate", "always-recreate-deps"))
    return UpOptions(
        services=services,
        no_deps=given.switch("no-deps"),
        force_recreate=given.switch("force-recreate"),
        no_recreate=given.switch("no-recreate"),
        always_recreate_deps=given.switch("always-recreate-deps"),
        remove_orphans=given.switch("remove-orphans"),
        renew_volumes=given.switch("renew-anon-volumes"),
        start=start,
        wait=wait,
    )


def exclude(call: Invocation, key: str, others: tuple[str, ...]) -> None:
    """Raises UsageError if an option was given along with one it excludes."""
    if not call.arguments.values.get(key):
        return
    for other in others:
        if call.arguments.values.get(other):
            raise UsageError(f"--{key} and --{other} exclude each other")


def ineffective(call: Invocation) -> str:
    """A word about options that were accepted and do nothing; "" where there are none."""
    given = [f"--{key}" for key in _WORTH_A_WORD if call.arguments.values.get(key)]
    return f"{' and '.join(given)} {'has' if len(given) == 1 else 'have'} no effect here" if given else ""


def show_plan(call: Invocation, desired: Desired, options: UpOptions) -> int:
    """What `up` would do."""
    from composer.planner.reconcile import reconcile
    from composer.planner.volumes import differences

    places = call.paths.project(desired.project)
    there = observed(call, places, desired=desired, layers=_layers(call, desired))
    print_plan(call, reconcile(desired, there, options=options))
    for sentence in differences(desired, there):
        print(f"pycompose: {sentence}", file=sys.stderr)
    return 0


def _layers(call: Invocation, desired: Desired) -> dict[str, str]:
    """What the archives hold now, where that is known without unpacking them."""
    from composer.images import current_digest

    sources = {spec.rootfs for service in desired.services for spec in service.containers}
    archives = [source for source in sources if isinstance(source, Archive)]
    digests = {source.path: current_digest(source, store_root=call.paths.root) for source in archives}
    return {path: digest for path, digest in digests.items() if digest is not None}


def converge(call: Invocation, found: Compiled, options: UpOptions) -> int:
    """Do it and do not stay."""
    desired = found.desired
    if call.arguments.switch("dry-run"):
        return show_plan(call, desired, options)
    call.require_root()
    found.remember(call)
    perform(
        call,
        desired.project,
        Up(desired, options, timeout_ns=timeout_ns(call)),
        deposits=found.deposits(call),
    )
    return 0
