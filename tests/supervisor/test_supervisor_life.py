"""What happens to a running container: restarts, health, stops, pauses, signals, hooks, lack of memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from composer import errors
from composer.control.messages import Kill, Pause, Restart, Start, Stop, Stopped, Unpause, Wait
from composer.planner.observed import HealthStatus, State
from composer.runtime.cgroup import freeze
from composer.runtime.cgroup.container import Cgroup
from composer.spec.cgroup import Resources
from composer.spec.policy import Hook, OnUnhealthy, Policy, RestartCondition, RestartPolicy, StopPolicy
from tests.supervisor.projects import FOREVER, MILLISECOND, SECOND, Shop, probe, wait_pid_gone

pytestmark = pytest.mark.root

ON_FAILURE = RestartPolicy(RestartCondition.ON_FAILURE, max_attempts=3)
ALWAYS = RestartPolicy(RestartCondition.ALWAYS)


def actions(shop: Shop, service: str = "web") -> list[str]:
    """All that happened to a service's first container."""
    return [event.action for event in shop.events() if event.name == shop.container(service)]


# ---- restarts


def test_on_failure_gives_up_after_so_many_attempts_with_growing_delays(shop: Shop) -> None:
    shop.up(shop.service("web", "exit 3", policy=Policy(restart=ON_FAILURE)))
    shop.request(Wait(("web",)))
    assert Stopped(shop.container("web"), "web", 3) in shop.answers
    assert actions(shop) == ["create", *["start", "die"] * 4]
    record = shop.record("web")
    assert (record.state, record.restart_count, record.exit_code) == (State.EXITED, 3, 3)
    times = [event.time_ns for event in shop.events() if event.action in ("start", "die")]
    delays = [(times[n + 1] - times[n]) // MILLISECOND for n in range(1, len(times) - 1, 2)]
    assert all(delay >= least for delay, least in zip(delays, (100, 200, 400), strict=True)), delays


def test_success_is_no_failure(shop: Shop) -> None:
    shop.up(shop.service("web", "exit 0", policy=Policy(restart=ON_FAILURE)))
    shop.request(Wait(("web",)))
    assert actions(shop) == ["create", "start", "die"]


def test_always_restarts_a_killed_one_and_a_stop_ends_that(shop: Shop) -> None:
    shop.up(shop.service("web", policy=Policy(restart=ALWAYS)))
    first = shop.record("web").pid
    os.kill(first, signal.SIGKILL)
    shop.wait_event("web", "start", count=2)
    assert shop.record("web").pid != first
    shop.request(Stop(("web",)))
    record = shop.record("web")
    assert (record.state, record.manually_stopped, record.restart_count) == (State.EXITED, True, 1)
    shop.request(Start(("web",)))
    assert (shop.record("web").state, shop.record("web").restart_count) == (State.RUNNING, 0)


def test_a_start_may_wait_for_health_and_not_for_ever(shop: Shop) -> None:
    shop.up(shop.service("web", policy=Policy(health=probe("false", interval_ns=3600 * SECOND))))
    shop.request(Stop(("web",)))
    with pytest.raises(errors.PycomposeError, match=r"within 0.2 s: \S*web-1 is running \(starting\)"):
        shop.request(Start(("web",), wait=True, wait_timeout_ns=SECOND // 5))


def test_restart_by_hand_takes_dependents_along_that_ask_for_it(shop: Shop) -> None:
    shop.up(shop.service("web"))
    before = shop.record("web").pid
    shop.request(Restart())
    assert shop.record("web").pid != before
    assert actions(shop)[-5:] == ["kill", "die", "stop", "start", "restart"]


# ---- health


@pytest.mark.parametrize(
    ("act", "restart", "expected"),
    [
        (OnUnhealthy.NONE, RestartPolicy(), []),
        (OnUnhealthy.RESTART, RestartPolicy(), ["kill", "die", "start"]),
        (OnUnhealthy.STOP, ALWAYS, ["kill", "die"]),
        (OnUnhealthy.KILL, ALWAYS, ["kill", "die", "start"]),
    ],
)
def test_an_unhealthy_container(shop: Shop, act: OnUnhealthy, restart: RestartPolicy, expected: list[str]) -> None:
    policy = Policy(restart=restart, health=probe("test ! -e /ill"), on_unhealthy=act)
    shop.up(shop.service("web", f"sleep 0.2; touch /ill; {FOREVER}", policy=policy))
    shop.wait_event("web", "health_status: unhealthy")
    if expected:
        shop.wait_event("web", expected[-1], count=2 if expected[-1] == "start" else 1)
    after = actions(shop)
    assert after[after.index("health_status: unhealthy") + 1 :][: len(expected)] == expected


def test_the_record_keeps_what_probes_said(shop: Shop) -> None:
    shop.up(shop.service("web", policy=Policy(health=probe("echo no answer; exit 3"))))
    shop.wait_event("web", "health_status: unhealthy")
    health = shop.record("web").health
    assert health is not None
    assert (health.status, health.failing_streak) == (HealthStatus.UNHEALTHY, 2)
    assert [(result.exit_code, result.output) for result in health.log] == [(3, "no answer\n")] * 2


def test_a_probe_that_takes_too_long_is_killed_with_its_children(shop: Shop) -> None:
    script = "echo waiting; sleep 4321 & sleep 4321"
    shop.up(shop.service("web", policy=Policy(health=probe(script, timeout_ns=100 * MILLISECOND, retries=1))))
    shop.wait_event("web", "health_status: unhealthy")
    health = shop.record("web").health
    assert health is not None
    assert health.log[-1].exit_code == -1
    assert health.log[-1].output == "Health check exceeded timeout (0.1s): waiting\n"
    shop.request(Stop(("web",)))
    assert "4321" not in _all_commands()


def _all_commands() -> str:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_text())
        except OSError:
            continue
    return "\n".join(found)


# ---- stopping


def test_who_does_not_heed_the_stop_signal_is_killed_with_all_its_children(shop: Shop) -> None:
    script = "trap '' TERM; sleep 4321 & while :; do sleep 4321; done"
    shop.up(shop.service("web", script, policy=Policy(stop=StopPolicy(grace_ns=200 * MILLISECOND))))
    cgroup = Cgroup(shop.record("web").cgroup)
    shop.request(Stop(("web",)))
    assert shop.record("web").exit_code == 137
    assert actions(shop)[-4:] == ["kill", "kill", "die", "stop"]
    assert "4321" not in _all_commands()
    assert not any(os.path.exists(directory) for directory in cgroup.distinct())


def test_the_stop_signal_and_a_stop_timeout(shop: Shop) -> None:
    policy = Policy(stop=StopPolicy(signal=signal.SIGUSR1, grace_ns=None))
    shop.up(shop.service("polite", "trap 'exit 9' USR1; while :; do sleep 1000 & wait; done", policy=policy))
    shop.up(shop.service("deaf", "trap '' USR1; while :; do sleep 1000 & wait; done", policy=policy))
    shop.request(Stop((), timeout_ns=300 * MILLISECOND))
    assert shop.record("deaf").exit_code == 137


@pytest.mark.parametrize(
    ("number", "trap", "stays"), [(signal.SIGHUP, "trap 'echo reloaded' HUP;", True), (signal.SIGKILL, "", False)]
)
def test_only_a_signal_that_ends_counts_as_a_stop(shop: Shop, number: int, trap: str, stays: bool) -> None:
    script = f"{trap} while :; do sleep 1000 & wait; done"
    shop.up(shop.service("web", script, policy=Policy(restart=ALWAYS)))
    shop.request(Kill(("web",), signal=number))
    if not stays:
        shop.request(Wait(("web",)))
    record = shop.record("web")
    assert (record.state, record.manually_stopped) == ((State.RUNNING, False) if stays else (State.EXITED, True))


def test_pause_and_unpause(shop: Shop) -> None:
    shop.up(shop.service("web"))
    cgroup = Cgroup(shop.record("web").cgroup)
    shop.request(Pause(("web",)))
    assert shop.record("web").state is State.PAUSED
    assert freeze.is_frozen(cgroup)
    shop.request(Unpause(("web",)))
    assert shop.record("web").state is State.RUNNING
    assert not freeze.is_frozen(cgroup)
    shop.request(Pause(("web",)))
    shop.request(Stop(("web",)))
    assert shop.record("web").exit_code == 0


# ---- hooks


def test_hooks_run_inside_after_the_start_and_before_the_stop(shop: Shop) -> None:
    policy = Policy(
        post_start=(Hook(("/bin/sh", "-c", 'echo "$WORD $(cat /proc/1/comm)"'), env=(("WORD", "hello"),)),),
        pre_stop=(Hook(("/bin/sh", "-c", "echo bye; touch /gone")),),
    )
    script = "trap 'ls /gone; exit 0' TERM; while :; do sleep 1000 & wait; done"
    shop.up(shop.service("web", script, policy=policy))
    shop.request(Stop(("web",)))
    assert shop.output("web").splitlines() == ["hello sh", "bye", "/gone"]


def test_a_post_start_hook_that_fails_fails_the_start(shop: Shop) -> None:
    policy = Policy(post_start=(Hook(("/bin/sh", "-c", "echo too bad; exit 6")),), restart=ALWAYS)
    with pytest.raises(errors.PycomposeError, match=r"post_start hook .* exited with status 6: too bad"):
        shop.up(shop.service("web", policy=policy))
    shop.request(Wait(("web",)))
    assert shop.record("web").state is State.EXITED


# ---- memory


def test_lack_of_memory_is_told(shop: Shop) -> None:
    limits = Resources(memory=16 << 20, memory_swap=16 << 20)
    shop.up(shop.service("web", "exec tail /dev/zero", resources=limits))
    shop.request(Wait(("web",)))
    record = shop.record("web")
    assert (record.oom_killed, record.exit_code, record.oom_kills >= 1) == (True, 137, True)
    assert actions(shop)[-2:] == ["oom", "die"]
    assert "pycompose: killed: out of memory (limit 16 MiB)" in shop.output("web")


def test_a_child_killed_for_lack_of_memory_is_told_while_its_container_goes_on(shop: Shop) -> None:
    limits = Resources(memory=16 << 20, memory_swap=16 << 20)
    shop.up(shop.service("web", f"tail /dev/zero; {FOREVER}", resources=limits))
    shop.wait_event("web", "oom")
    record = shop.record("web")
    assert (record.state, record.oom_killed, record.oom_kills) == (State.RUNNING, False, 1)


# ---- leaving


def test_both_processes_leave_when_nothing_is_left_to_do(shop: Shop) -> None:
    shop.up(shop.service("web", "read line < /dev/zero", init=False))
    supervisor = shop.pid_of_supervisor()
    os.kill(shop.record("web").pid, signal.SIGKILL)
    wait_pid_gone(supervisor)
    assert shop.record("web").state is State.EXITED
    shop.up(shop.service("web"), no_recreate=True)
    assert shop.pid_of_supervisor() != supervisor
