"""Plans are walked in order where there is one and all at once where there is none; errors name the chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

from composer import errors
from composer.control.messages import Answer, Planned, StepDone, StepFailed, StepStarted
from composer.planner.plan import Action, AwaitService, Plan, StartContainer, Step
from composer.spec.desired import Condition
from composer.supervisor.executor import execute

Behaviour = Callable[[], Awaitable[str]]


def start(number: int, service: str, *after: int) -> Step:
    return Step(number, StartContainer(f"shop-{service}-1"), "missing", after)


def wait_healthy(number: int, service: str, *after: int, required: bool = True) -> Step:
    action: Action = AwaitService(service, (f"shop-{service}-1",), Condition.HEALTHY, required)
    return Step(number, action, "depended on", after)


def failing(message: str, exit_status: int = 1) -> Behaviour:
    async def behave() -> str:
        error = errors.PycomposeError(message, hint="try something else")
        error.exit_status = exit_status
        raise error

    return behave


def walk(steps: list[Step], **behaviours: Behaviour) -> list[Answer]:
    """Walk a plan whose steps succeed unless `behaviours` says otherwise, by "sN"."""
    told: list[Answer] = []

    async def perform(step: Step) -> str:
        behave = behaviours.get(f"s{step.number}")
        return await behave() if behave else ""

    async def main() -> None:
        with anyio.fail_after(5):
            await execute(Plan(tuple(steps)), perform, tell=told.append, service_of=lambda name: name.split("-")[1])

    try:
        anyio.run(main)
    except errors.PycomposeError as error:
        error.told = told  # type: ignore[attr-defined]  # for the test that looks at both
        raise
    return told


def test_every_step_is_told_of() -> None:
    steps = [start(1, "db"), start(2, "web", 1)]
    assert walk(steps) == [
        Planned(Plan(tuple(steps))),
        StepStarted(1),
        StepDone(1),
        StepStarted(2),
        StepDone(2),
    ]


def test_independent_steps_run_at_the_same_time() -> None:
    async def main() -> None:
        meeting = [anyio.Event(), anyio.Event()]

        async def perform(step: Step) -> str:
            meeting[step.number - 1].set()
            await meeting[2 - step.number].wait()  # each waits for the other: one after the other never ends
            return ""

        plan = Plan((start(1, "db"), start(2, "web")))
        with anyio.fail_after(5):
            await execute(plan, perform, tell=lambda _: None, service_of=str)

    anyio.run(main)


def test_what_depends_on_a_failed_step_is_left_out_and_the_rest_goes_on() -> None:
    steps = [start(1, "db"), start(2, "web", 1), start(3, "mail")]
    with pytest.raises(errors.PycomposeError) as caught:
        walk(steps, s1=failing("cannot start container shop-db-1: no such file", exit_status=127))
    assert str(caught.value) == "cannot start container shop-db-1: no such file (not started because of it: web)"
    assert (caught.value.exit_status, caught.value.hint) == (127, "try something else")
    told = caught.value.told  # type: ignore[attr-defined]
    assert StepDone(3) in told
    assert StepStarted(2) not in told
    assert StepFailed(2, "step 1 failed", skipped=True) in told


def test_a_dependency_that_never_becomes_ready_names_the_chain() -> None:
    steps = [
        start(1, "db"),
        wait_healthy(2, "db", 1),
        start(3, "web", 2),
        wait_healthy(4, "web", 3),
        start(5, "proxy", 4),
    ]
    with pytest.raises(errors.DependencyFailed) as caught:
        walk(steps, s2=failing("db is unhealthy: its health check exited with status 2: no response"))
    assert str(caught.value) == (
        "cannot start proxy and web: proxy depends on web, web depends on db, "
        "and db is unhealthy: its health check exited with status 2: no response"
    )


def test_several_failures_are_told_together() -> None:
    with pytest.raises(errors.PycomposeError, match=r"^one\ntwo$"):
        walk([start(1, "db"), start(2, "web")], s1=failing("one"), s2=failing("two"))


def test_an_optional_dependency_that_fails_holds_nobody_up() -> None:
    steps = [start(1, "db"), wait_healthy(2, "db", 1, required=False), start(3, "web", 2)]
    with pytest.raises(errors.PycomposeError, match=r"^cannot start db$") as caught:
        walk(steps, s1=failing("cannot start db"))
    assert StepDone(3) in caught.value.told  # type: ignore[attr-defined]
