"""Runs one container's health probes when planner.health says, and reports each result.

A probe that is due does not wait for the one before: there is never more than one. While somebody waits for the
container to become healthy, probes come earlier.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import anyio

from composer import errors
from composer.frozen import frozen, replace
from composer.planner import health as machine
from composer.planner.health import Health, Probe
from composer.spec.policy import HealthCheck
from composer.spec.process import Process
from composer.store.records import ProbeResult
from composer.supervisor.changes import Changes
from composer.supervisor.inside import KILLED_AT_TIMEOUT, Result, run_inside
from composer.supervisor.launcher_link import LauncherGone, LauncherLink, ProcessRequest

_KEPT = 4096  # bytes of output, as Docker
_CANNOT_START = 125
_NS = 1_000_000_000


@frozen
class Probed:
    """A probe has ended, and what that makes of the container's health. `counted`: it was on Docker's schedule."""

    health: Health
    result: ProbeResult
    counted: bool


class Interest:
    """Who waits for a container to become healthy."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._count = 0

    @property
    def is_there(self) -> bool:
        return self._count > 0

    async def wait_until_there(self, *, already: bool) -> None:
        """Wait until somebody begins to wait; without end where somebody does `already`."""
        await self._changes.wait_for(lambda: True if self.is_there and not already else None)

    def __enter__(self) -> None:
        self._count += 1
        self._changes.tell()

    def __exit__(self, *_: object) -> None:
        self._count -= 1


class Prober:
    """The probes of one run of a container."""

    def __init__(
        self,
        link: LauncherLink,
        *,
        container: str,
        process: Process,
        check: HealthCheck,
        interest: Interest,
        age_ns: Callable[[], int],
    ) -> None:
        self._link = link
        self._request = ProcessRequest(container, probe_process(process, check))
        self._check = check
        self._interest = interest
        self._age_ns = age_ns

    async def results(self, health: Health) -> AsyncIterator[Probed]:
        """Probe until cancelled, or until there is no launcher any more, beginning with what is known."""
        while True:
            await self._wait_until_due(health)
            try:
                probed = await self._probe(health)
            except LauncherGone:
                return
            yield probed
            health = probed.health

    async def _wait_until_due(self, health: Health) -> None:
        """Sleep until the next probe; somebody who begins to wait meanwhile brings it forward."""
        is_due = False
        while not is_due:
            interested = self._interest.is_there
            delay_ns = machine.next_delay_ns(health, check=self._check, age_ns=self._age_ns(), waited_for=interested)
            with anyio.move_on_after(delay_ns / _NS) as sleep:
                await self._interest.wait_until_there(already=interested)
            is_due = sleep.cancelled_caught

    async def _probe(self, health: Health) -> Probed:
        began_ns, wall_ns = self._age_ns(), time.time_ns()
        timeout_ns = machine.timeout_ns(health, check=self._check, began_ns=began_ns)
        result = await self._run(timeout_ns)
        ended = Probe(result.exit_code, began_ns, self._age_ns())
        after = machine.record(health, ended, check=self._check)
        counted = result.exit_code == 0 or after.extra == health.extra
        return Probed(after, _kept(result, wall_ns, timeout_ns), counted)

    async def _run(self, timeout_ns: int) -> Result:
        try:
            return await run_inside(self._link, self._request, limit=_KEPT, timeout_ns=timeout_ns)
        except LauncherGone:
            raise
        except errors.PycomposeError as error:
            return Result(error.exit_status if error.exit_status > 1 else _CANNOT_START, error.message)


def probe_process(process: Process, check: HealthCheck) -> Process:
    """The probe's process: as the container's own user, in its working directory, with its environment."""
    return replace(process, argv=check.argv, tty=False, stdin_open=False)


def _kept(result: Result, start_ns: int, timeout_ns: int) -> ProbeResult:
    output = f"{result.output}..." if result.is_cut else result.output
    if result.exit_code == KILLED_AT_TIMEOUT:
        output = f"Health check exceeded timeout ({timeout_ns / _NS:g}s)" + (f": {output}" if output else "")
    return ProbeResult(start_ns, time.time_ns(), result.exit_code, output)
