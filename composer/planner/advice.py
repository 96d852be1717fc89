"""What to change so that a start gets faster: only what follows from how it went, with what it would gain.

Each rule looks at one step of the critical chain; what lies beside the chain gains nothing. The gain is what the whole
start would have been shorter by, not the step.
"""

from __future__ import annotations

from composer.frozen import frozen
from composer.hints import Iterator
from composer.planner.critical import Link, saved_ns
from composer.planner.plan import AwaitService, PrepareRootfs, StartContainer, StopContainer
from composer.planner.timeline import Phase, Row, Steps, Timeline
from composer.planner.walk import Probing
from composer.spec.desired import Condition, Desired
from composer.spec.policy import HealthCheck, Policy

LEAST_NS = 50_000_000  # less than this is not worth a word
_LEAST_SHARE = 20  # nor is less than a twentieth of the start
_MS = 1_000_000
_S = 1_000_000_000
_INTERVALS = (100 * _MS, 200 * _MS, 500 * _MS, _S, 2 * _S, 5 * _S)  # that one would write in a file
_SLOW_ARCHIVES = (".xz", ".bz2", ".txz", ".tbz2")


@frozen
class Advice:
    """What took time, and what to do about it."""

    finding: str
    change: str
    gain_ns: int  # the start would have been shorter by at most that
    is_own: bool = False  # it is the service's own work that took it, and no setting


def advise(timeline: Timeline, steps: Steps, desired: Desired, chain: tuple[Link, ...]) -> tuple[Advice, ...]:
    """Settings first, then what the services themselves need; what would help most comes first."""
    case = _Case(timeline, steps, desired)
    found = [*_beforehand(case), *(advice for it in range(len(chain)) for advice in _about(case, chain, it))]
    least_ns = max(LEAST_NS, timeline.now_ns // _LEAST_SHARE)
    return tuple(sorted((it for it in found if it.gain_ns >= least_ns), key=lambda it: (it.is_own, -it.gain_ns)))


class _Case:
    """All there is to look at."""

    def __init__(self, timeline: Timeline, steps: Steps, desired: Desired) -> None:
        self.timeline = timeline
        self.steps = steps
        self._policies = {spec.name: service.policy for service in desired.services for spec in service.containers}
        self._services = {spec.name: service.name for service in desired.services for spec in service.containers}
        self._rows = {row.name: row for row in timeline.rows}

    def policy(self, container: str) -> Policy:
        return self._policies.get(container) or Policy()

    def service(self, container: str) -> str:
        return self._services.get(container) or container

    def row(self, container: str) -> Row | None:
        return self._rows.get(container)

    def gain_ns(self, link: Link, cut_ns: int) -> int:
        return saved_ns(self.steps, link.step.number, cut_ns=min(cut_ns, link.took_ns))


# ---- before the plan --------------------------------------------------------------------------------------------


def _beforehand(case: _Case) -> Iterator[Advice]:
    begun = case.timeline.walk.begun
    if (queued_ns := begun.turn_ns - begun.received_ns) > 0:
        yield Advice(
            f"It waited {span(queued_ns)} for another command that was changing this project.",
            "Start it when the other one is through.",
            queued_ns,
        )


# ---- on the chain -----------------------------------------------------------------------------------------------


def _about(case: _Case, chain: tuple[Link, ...], place: int) -> Iterator[Advice]:
    link = chain[place]
    if link.under_way:
        return
    match link.step.action:
        case AwaitService(condition=Condition.HEALTHY):
            yield from _healthy(case, link, waiter=_waiter(case, chain, place))
        case AwaitService(condition=Condition.COMPLETED):
            yield from _completed(case, link, waiter=_waiter(case, chain, place))
        case PrepareRootfs(path):
            yield _unpacked(case, link, path)
        case StopContainer():
            yield _stopped(case, link)
        case StartContainer():
            yield from _started(case, link)


def _waiter(case: _Case, chain: tuple[Link, ...], place: int) -> str:
    """Who waited for a step: "web", or the command."""
    if place + 1 < len(chain) and chain[place + 1].container:
        return case.service(chain[place + 1].container)
    return "`--wait`" if chain[place].step.cause == "--wait" else "The start"


def _healthy(case: _Case, link: Link, *, waiter: str) -> Iterator[Advice]:
    container = link.container
    service, check, row = case.service(container), case.policy(container).health, case.row(container)
    waited = f"{waiter} waited {span(link.took_ns)} for {service} to become healthy"
    if row is not None and row.restarts:
        yield from _crashed(case, link, row)
    probing = _probing(case, link)
    if check is None or probing is None:
        return
    if row is not None and probing.failed_ns:
        yield _gap(case, link, probing, check=check, row=row, waited=waited)
    if (took_ns := link.ended_ns - probing.last_ns) > 0:
        yield Advice(
            f"{waited}: the test that found it so took {span(took_ns)} itself.",
            f"Make the test of {service} cheaper: fewer programs, no interpreter that starts first.",
            case.gain_ns(link, took_ns),
        )
    if probing.failed_ns > link.began_ns:
        alone_ns = probing.failed_ns - link.began_ns
        yield Advice(
            f"{waited}: {span(alone_ns)} of that {service} needed for itself, its probes said so.",
            f"Make {service} itself start faster; or, if {waiter} tries again by itself, let it start along with it "
            "(condition: service_started)."
            if waiter not in ("`--wait`", "The start")
            else f"Make {service} itself start faster.",
            case.gain_ns(link, alone_ns),
            is_own=True,
        )


def _probing(case: _Case, link: Link) -> Probing | None:
    """What was known of the probes when it became healthy."""
    moments = case.steps.moments.get(link.container, ())
    return next(
        (
            moment.probing
            for moment in reversed(moments)
            if moment.action == "health_status: healthy" and moment.at_ns <= link.ended_ns
        ),
        None,
    )


def _gap(case: _Case, link: Link, probing: Probing, *, check: HealthCheck, row: Row, waited: str) -> Advice:
    """Between a probe that failed and the next: it may have been healthy all that time."""
    gap_ns = probing.last_ns - max(probing.failed_ns, link.began_ns)
    born_ns = next((it.began_ns for it in row.spans if it.phase is Phase.PROBING), link.began_ns)
    within = probing.failed_ns - born_ns < check.start_period_ns
    key, now_ns = ("start_interval", check.start_interval_ns) if within else ("interval", check.interval_ns)
    better_ns = max((it for it in _INTERVALS if it <= gap_ns // 4), default=_INTERVALS[0])
    service = case.service(link.container)
    change = f"Set start_interval: {written(better_ns)} in the healthcheck of {service} ({key} is {written(now_ns)})"
    if not within:
        change += f", and a start_period of more than {written(_whole(link.ended_ns - born_ns))}, for which it counts"
    return Advice(
        f"{waited}: {span(gap_ns)} of that passed between the last probe that failed and the next one.",
        f"{change}.",
        case.gain_ns(link, gap_ns - better_ns),
    )


def _completed(case: _Case, link: Link, *, waiter: str) -> Iterator[Advice]:
    row, service = case.row(link.container), case.service(link.container)
    if row is not None and row.restarts:
        yield from _crashed(case, link, row)
    yield Advice(
        f"{waiter} waited {span(link.took_ns)} for {service} to complete.",
        f"Make {service} do less at each start; or let {waiter} start along with it (condition: service_started) if it "
        "can do without for a while."
        if waiter not in ("`--wait`", "The start")
        else f"Make {service} do less at each start.",
        case.gain_ns(link, link.took_ns),
        is_own=True,
    )


def _crashed(case: _Case, link: Link, row: Row) -> Iterator[Advice]:
    """It ended and was started again before it was what was waited for."""
    launches = [it for it in case.steps.moments.get(link.container, ()) if it.action == "start"]
    launches = [it for it in launches if it.at_ns <= link.ended_ns]
    codes = [it.exit_code for it in case.steps.moments.get(link.container, ()) if it.action == "die"]
    times = "once" if row.restarts == 1 else f"{row.restarts} times"
    if len(launches) > 1:
        yield Advice(
            f"{row.name} ended {times} (exit code {codes[0] if codes else 'unknown'}) and was started again before.",
            f"`pycompose logs {row.service}` tells why; what it misses may be a service to depend on.",
            case.gain_ns(link, launches[-1].at_ns - link.began_ns),
        )


def _unpacked(case: _Case, link: Link, path: str) -> Advice:
    change = "It is kept: the next start finds it unpacked. A directory as rootfs needs no unpacking."
    if path.endswith(_SLOW_ARCHIVES):
        change += " zstd or gzip unpack faster than this."
    return Advice(
        f"Unpacking {path} took {span(link.took_ns)}.",
        change,
        case.gain_ns(link, link.took_ns),
    )


def _stopped(case: _Case, link: Link) -> Advice:
    grace_ns = case.policy(link.container).stop.grace_ns
    service = case.service(link.container)
    if grace_ns is not None and link.took_ns >= grace_ns > 0:
        return Advice(
            f"Stopping the {link.container} that was there took {span(link.took_ns)}: it did not heed its stop signal "
            f"and was killed after {written(grace_ns)}.",
            f"Let {service} end at its stop signal: `init: true`, `exec` in a shell's command, or another stop_signal; "
            "or set a shorter stop_grace_period.",
            case.gain_ns(link, link.took_ns),
        )
    return Advice(
        f"Stopping the {link.container} that was there took {span(link.took_ns)}.",
        f"Make {service} end faster at its stop signal.",
        case.gain_ns(link, link.took_ns),
    )


def _started(case: _Case, link: Link) -> Iterator[Advice]:
    row = case.row(link.container)
    hooks_ns = row.took_ns(Phase.HOOKS) if row is not None else 0
    if hooks_ns:
        yield Advice(
            f"The post_start hooks of {link.container} took {span(hooks_ns)}.",
            "What need not be done before others start can be done by the service itself.",
            case.gain_ns(link, hooks_ns),
        )
    launching_ns = link.took_ns - hooks_ns
    if launching_ns >= _S // 2:
        yield Advice(
            f"Launching {link.container} took {span(launching_ns)}.",
            "Volumes that are filled from the root file system, or a busy host, do that: `pycompose stats`, `vmstat`.",
            case.gain_ns(link, launching_ns),
        )


# ---- words ------------------------------------------------------------------------------------------------------


def span(ns: int) -> str:
    """A duration for people: "83 ms", "4.83 s", "1 min 5 s"."""
    if ns < _S - _MS // 2:
        return f"{ns / _MS:.0f} ms"
    if ns < 60 * _S - _S // 200:
        return f"{ns / _S:.2f} s"
    minutes, rest = divmod(round(ns / _S), 60)
    return f"{minutes} min {rest} s"


def written(ns: int) -> str:
    """A duration as Compose files have it: "500ms", "5s"."""
    return f"{ns // _MS}ms" if ns % _S else f"{ns // _S}s"


def _whole(ns: int) -> int:
    """Rounded up to whole seconds."""
    return -(-ns // _S) * _S
