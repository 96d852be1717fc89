"""Walks a plan: a step begins once all it waits for has succeeded, everything else runs at the same time.

It carries no decision. A failed step fails what waits for it; what does not goes on. At the end one error tells all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import anyio

from composer import errors
from composer.control.messages import Answer, Planned, StepDone, StepFailed, StepStarted
from composer.frozen import frozen
from composer.planner.plan import (
    AwaitService,
    CreateNetwork,
    CreateVolume,
    Plan,
    PrepareRootfs,
    RemoveNetwork,
    RemoveVolume,
    StartContainer,
    Step,
)

Perform = Callable[[Step], Awaitable[str]]  # does one step, answers a note for the user or ""
Tell = Callable[[Answer], None]


async def execute(plan: Plan, perform: Perform, *, tell: Tell, service_of: Callable[[str], str]) -> None:
    """Carry out all steps. `service_of` names a container's service. Raises PycomposeError after all have ended."""
    tell(Planned(plan))
    walk = _Walk(perform, tell, {step.number: anyio.Event() for step in plan.steps})
    async with anyio.create_task_group() as group:
        for step in plan.steps:
            group.start_soon(walk.take, step)
    raise_failures(plan, walk.failures, service_of=service_of)


@frozen
class Failure:
    """Why a step has not succeeded: an error of its own, or the number of the step it waited for."""

    error: errors.PycomposeError | None = None
    because: int = 0


class _Walk:
    """The state of one execution."""

    def __init__(self, perform: Perform, tell: Tell, ended: dict[int, anyio.Event]) -> None:
        self._perform = perform
        self._tell = tell
        self._ended = ended
        self.failures: dict[int, Failure] = {}

    async def take(self, step: Step) -> None:
        for number in step.after:
            await self._ended[number].wait()
        failed = next((number for number in step.after if number in self.failures), None)
        if failed is None:
            await self._do(step)
        else:
            self._leave_out(step, failed)
        self._ended[step.number].set()

    def _leave_out(self, step: Step, failed: int) -> None:
        if isinstance(step.action, AwaitService) and not step.action.required:
            self._tell(StepDone(step.number, f"optional dependency {step.action.service} could not be started"))
            return
        self.failures[step.number] = Failure(because=failed)
        self._tell(StepFailed(step.number, f"step {failed} failed", skipped=True))

    async def _do(self, step: Step) -> None:
        self._tell(StepStarted(step.number))
        try:
            note = await self._perform(step)
        except errors.PycomposeError as error:
            self.failures[step.number] = Failure(error)
            self._tell(StepFailed(step.number, error.message))
        else:
            self._tell(StepDone(step.number, note))


def raise_failures(plan: Plan, failures: dict[int, Failure], *, service_of: Callable[[str], str]) -> None:
    """Raise one error for all failed steps, if any: each with what could not be done because of it."""
    found = list(_errors(plan, failures, service_of))
    if not found:
        return
    if len(found) == 1:
        raise found[0]
    combined = errors.PycomposeError("\n".join(error.message for error in found))
    combined.exit_status = found[0].exit_status
    combined.hint = next((error.hint for error in found if error.hint), None)
    raise combined


def _errors(
    plan: Plan, failures: dict[int, Failure], service_of: Callable[[str], str]
) -> Iterator[errors.PycomposeError]:
    steps = {step.number: step for step in plan.steps}
    for number, failure in failures.items():
        if failure.error is None:
            continue
        behind = [steps[n] for n in sorted(_behind(number, failures))]
        yield _with_chain(steps[number], failure.error, behind, service_of)


def _behind(root: int, failures: dict[int, Failure]) -> set[int]:
    """The steps that were left out because of step `root`, however far behind it."""
    found = {root}
    for number in sorted(failures):  # a plan's steps come after what they wait for
        if failures[number].because in found:
            found.add(number)
    return found - {root}


def _with_chain(
    step: Step, error: errors.PycomposeError, behind: list[Step], service_of: Callable[[str], str]
) -> errors.PycomposeError:
    """The error together with the services that did not start because of it, the outermost first."""
    chain = list(_chain(step, behind, service_of))
    if not chain:
        return error
    services = _and(list(dict.fromkeys(dependent for dependent, _ in chain)))
    if isinstance(step.action, AwaitService):
        links = ", ".join(f"{dependent} depends on {dependency}" for dependent, dependency in chain)
        message = f"cannot start {services}: {links}, and {error.message}"
    else:
        message = f"{error.message} (not started because of it: {services})"
    told = errors.DependencyFailed(message, hint=error.hint)
    told.exit_status = error.exit_status
    return told


def _chain(step: Step, behind: list[Step], service_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """(dependent, dependency), the outermost dependent first, each once."""
    services = {other.number: _service(other, service_of) for other in [step, *behind]}
    links: dict[tuple[str, str], None] = {}
    for other in behind:
        if isinstance(other.action, StartContainer):
            dependent = service_of(other.action.container)
            for number in other.after:
                if services.get(number, dependent) != dependent:
                    links[dependent, services[number]] = None
    return reversed(links)


def _service(step: Step, service_of: Callable[[str], str]) -> str:
    match step.action:
        case AwaitService(service=service):
            return service
        case PrepareRootfs(path=path):
            return path
        case CreateNetwork(network=name) | RemoveNetwork(network=name):
            return name
        case CreateVolume(volume=volume) | RemoveVolume(volume=volume):
            return volume
        case action:
            return service_of(action.container)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
