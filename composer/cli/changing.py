"""What the commands that change containers which exist have in common: check, plan or perform."""

from __future__ import annotations

from composer.cli.containers import containers, of_services
from composer.cli.invocation import Invocation
from composer.cli.operation import perform
from composer.cli.options import TIMEOUT, Option
from composer.cli.project import existing_project
from composer.control.messages import Operation
from composer.errors import HostError, UsageError
from composer.hints import Callable
from composer.planner.observed import Observed
from composer.planner.plan import Plan
from composer.spec import codec
from composer.spec.desired import Desired
from composer.store import volumes, wanted
from composer.store.missing import missing
from composer.store.observe import observed_container
from composer.store.paths import ProjectPaths

_NS = 1_000_000_000

Planning = Callable[[Desired, Observed], Plan]


def change(call: Invocation, operation: Operation, *, planning: Planning) -> int:
    """Perform `operation` on containers that exist; with --dry-run print its plan."""
    paths = existing_project(call)
    of_services(paths, call.operands)  # an unknown name is told at once
    if call.arguments.switch("dry-run"):
        desired = recorded_desired(paths)
        print_plan(call, planning(desired, observed(call, paths, desired=desired)))
        return 0
    call.require_root()
    perform(call, project_of(paths), operation)
    return 0


def print_plan(call: Invocation, plan: Plan) -> None:
    """What would be done."""
    from composer.cli.render import plan as plans

    if call.arguments.text("format") == "json":
        print(plans.as_json(plan))
        return
    print(plans.render(plan))
    for orphan in plan.orphans:
        print(f"leave container {orphan} alone: its service is not in the files (--remove-orphans removes it)")


def recorded_desired(paths: ProjectPaths) -> Desired:
    """What was last asked of a project. Raises HostError where the record of that is damaged."""
    try:
        return wanted.read(paths) or Desired(project_of(paths), services=())
    except codec.DecodeError as error:
        hint = "`pycompose up` writes it anew"
        raise HostError(f"cannot read what project {project_of(paths)} should be: {error}", hint=hint) from None


def observed(
    call: Invocation,
    paths: ProjectPaths,
    *,
    desired: Desired | None = None,
    layers: dict[str, str] | None = None,
) -> Observed:
    """The project as its records tell it, `layers` being what archives hold now, with the networks and volumes of this
    host, what `desired` misses, and whose the ports are that it asks for."""
    from composer.runtime.network import networks
    from composer.runtime.ports import holders

    there = networks.observe()
    return Observed(
        tuple(map(observed_container, containers(paths))),
        layers or {},
        networks=networks.observed(there, directory=call.paths.networks),
        subnets=there.subnets,
        obstacles=networks.obstacles(desired.networks, there) if desired and not call.uid else {},  # only root is told
        volumes=volumes.observed(call.paths),
        missing=missing(desired) if desired else {},
        project=project_of(paths),
        ports=holders.observe_claims(desired, run=call.paths.run) if desired else (),
    )


def project_of(paths: ProjectPaths) -> str:
    return paths.run.rpartition("/")[2]


def timeout_ns(call: Invocation, *, option: Option = TIMEOUT) -> int | None:
    """A number of seconds on the command line in nanoseconds; -1 stays. Raises UsageError."""
    seconds = call.arguments.number(option.key)
    if seconds is not None and seconds < -1:
        raise UsageError(f'{option.name} cannot be "{seconds}"', hint="give seconds, or -1 for any time")
    return seconds if seconds is None or seconds == -1 else seconds * _NS


def scales(given: tuple[str, ...]) -> dict[str, int]:
    """SERVICE=NUM words as a mapping. Raises UsageError."""
    numbers = {}
    for word in given:
        service, equals, count = word.partition("=")
        if not (service and equals and count.isdecimal()):
            raise UsageError(f'cannot read "{word}"', hint="write SERVICE=NUMBER, like web=3")
        numbers[service] = int(count)
    return numbers
