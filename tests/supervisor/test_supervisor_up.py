"""`up` and `down` on real containers: order, gates, convergence."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from composer import errors
from composer.control.messages import Done, Notice, Queued, StepDone, StepFailed, Stop, Up
from composer.planner.observed import HealthStatus, State
from composer.planner.options import UpOptions
from composer.spec.desired import Condition, Dependency
from composer.spec.policy import HealthCheck, Policy
from composer.store import records
from tests.supervisor.projects import FOREVER, SECOND, Shop, probe

pytestmark = pytest.mark.root

NEVER_HEALTHY = Policy(health=probe("echo no answer; exit 3"))


def order(shop: Shop, *wanted: str) -> list[str]:
    """Those of the events that are asked for, as they happened."""
    return [what for what in shop.happened if what in wanted]


def test_up_starts_and_down_leaves_nothing(shop: Shop) -> None:
    shop.up(shop.service("web", "echo hello; exec sleep 1000"))
    record = shop.record("web")
    assert (record.state, record.exit_code, record.error) == (State.RUNNING, None, "")
    assert Path(f"/proc/{record.pid}/cmdline").read_text() == "sleep\x001000\x00"
    shop.down()
    assert shop.happened == [f"{shop.name}-web-1 {action}" for action in ("kill", "die", "stop", "destroy")]
    assert not os.path.exists(shop.paths.project(shop.name).run)
    assert os.listdir(f"{shop.paths.root}/projects") == []


def test_a_second_up_finds_nothing_to_do(shop: Shop) -> None:
    web = shop.service("web")
    shop.up(web)
    before = shop.record("web")
    shop.up(web)
    assert (shop.plan, shop.happened, shop.record("web")) == ("", [], before)


def test_a_changed_service_is_recreated_and_others_are_left_alone(shop: Shop) -> None:
    db = shop.service("db")
    shop.up(db, shop.service("web", env=(("A", "1"),)))
    old_web, old_db = shop.record("web"), shop.record("db")
    shop.up(db, shop.service("web", env=(("A", "2"),)))
    assert shop.record("web").id != old_web.id
    assert shop.record("db") == old_db
    assert "configuration changed" in shop.plan


def test_scale_up_and_down(shop: Shop) -> None:
    shop.up(shop.service("web", scale=3))
    pids = {number: shop.record("web", number).pid for number in (1, 2, 3)}
    assert len(set(pids.values())) == 3
    shop.up(shop.service("web", scale=1))
    assert records.names(shop.paths.project(shop.name)) == [shop.container("web")]
    assert shop.record("web").pid == pids[1]


def test_orphans_are_named_and_removed_on_request(shop: Shop) -> None:
    web = shop.service("web")
    shop.up(web, shop.service("old"))
    notices = [answer.text for answer in shop.up(web) if isinstance(answer, Notice)]
    assert len(notices) == 1
    assert shop.container("old") in notices[0]
    shop.up(web, remove_orphans=True)
    assert records.names(shop.paths.project(shop.name)) == [shop.container("web")]


# ---- gates


def test_a_service_does_not_start_before_its_dependency_is_healthy(shop: Shop) -> None:
    health = Policy(health=probe("test -e /ready", interval_ns=30 * SECOND))
    db = shop.service("db", f"sleep 0.2; touch /ready; {FOREVER}", policy=health)
    shop.up(db, shop.service("web", depends_on=(Dependency("db", Condition.HEALTHY),)))
    wanted = [f"{shop.name}-db-1 health_status: healthy", f"{shop.name}-web-1 start"]
    assert order(shop, *wanted) == wanted
    health_record = shop.record("db").health
    assert health_record is not None
    assert (health_record.status, health_record.failing_streak) == (HealthStatus.HEALTHY, 0)


def test_a_service_does_not_start_before_its_dependency_has_completed(shop: Shop) -> None:
    job = shop.service("job", "sleep 0.2")
    shop.up(job, shop.service("web", depends_on=(Dependency("job", Condition.COMPLETED),)))
    wanted = [f"{shop.name}-job-1 die", f"{shop.name}-web-1 start"]
    assert order(shop, *wanted) == wanted


def test_independent_services_do_not_wait_for_each_other(shop: Shop) -> None:
    health = Policy(health=probe("test -e /ready", retries=1000))
    slow = shop.service("slow", f"sleep 0.5; touch /ready; {FOREVER}", policy=health)
    behind = shop.service("behind", depends_on=(Dependency("slow", Condition.HEALTHY),))
    shop.up(slow, behind, shop.service("free"))
    wanted = [f"{shop.name}-free-1 start", f"{shop.name}-slow-1 health_status: healthy"]
    assert order(shop, *wanted) == wanted


def test_an_unhealthy_dependency_is_told_with_the_chain_and_the_probes_last_words(shop: Shop) -> None:
    db = shop.service("db", policy=NEVER_HEALTHY)
    web = shop.service("web", depends_on=(Dependency("db", Condition.HEALTHY),))
    proxy = shop.service("proxy", depends_on=(Dependency("web"),))
    with pytest.raises(errors.PycomposeError) as caught:
        shop.up(db, web, proxy)
    assert str(caught.value) == (
        "cannot start proxy and web: proxy depends on web, web depends on db, "
        "and db is unhealthy: its health check exited with status 3: no answer"
    )
    assert records.names(shop.paths.project(shop.name)) == [shop.container("db")]
    assert [answer.skipped for answer in shop.answers if isinstance(answer, StepFailed)] == [False, True, True]


def test_a_dependency_that_exits_fails_what_waits_for_its_health(shop: Shop) -> None:
    db = shop.service("db", "exit 7", policy=Policy(health=probe("false", interval_ns=30 * SECOND)))
    with pytest.raises(errors.PycomposeError, match=r"web depends on db, and db exited with status 7 \(container "):
        shop.up(db, shop.service("web", depends_on=(Dependency("db", Condition.HEALTHY),)))


def test_a_job_that_fails_fails_what_waits_for_its_completion(shop: Shop) -> None:
    with pytest.raises(errors.PycomposeError, match="web depends on job, and job exited with status 4"):
        shop.up(
            shop.service("job", "exit 4"), shop.service("web", depends_on=(Dependency("job", Condition.COMPLETED),))
        )


def test_an_optional_dependency_that_fails_is_a_warning(shop: Shop) -> None:
    job = shop.service("job", "exit 4")
    shop.up(job, shop.service("web", depends_on=(Dependency("job", Condition.COMPLETED, required=False),)))
    assert shop.record("web").state is State.RUNNING
    notes = [answer.note for answer in shop.answers if isinstance(answer, StepDone) and answer.note]
    assert notes == [f"optional dependency job exited with status 4 (container {shop.container('job')})"]


def test_waiting_ends_when_all_are_healthy_and_fails_for_one_that_never_will_be(shop: Shop) -> None:
    healthy = Policy(health=probe("true", interval_ns=3600 * SECOND))
    shop.up(shop.service("web", policy=healthy), wait=True)
    assert shop.happened[-1] == f"{shop.name}-web-1 health_status: healthy"
    with pytest.raises(errors.PycomposeError, match="web exited with status 5"):
        shop.up(shop.service("web", "exit 5", policy=healthy), wait=True)


def test_waiting_has_a_limit(shop: Shop) -> None:
    never = Policy(health=probe("false", interval_ns=3600 * SECOND))
    up = Up(shop.desired(shop.service("web", policy=never)), UpOptions(wait=True), wait_timeout_ns=SECOND // 2)
    with pytest.raises(errors.PycomposeError, match=r"within 0.5 s: \S*web-1 is running \(starting\)"):
        shop.request(up)


def test_a_command_that_is_not_there(shop: Shop) -> None:
    spec = shop.spec("web", "")
    web = replace(shop.service("web"), containers=(replace(spec, process=replace(spec.process, argv=("/no/such",))),))
    with pytest.raises(errors.PycomposeError, match="/no/such") as caught:
        shop.up(web)
    assert caught.value.exit_status == 127
    record = shop.record("web")
    assert (record.state, record.pid, record.exit_code) == (State.CREATED, 0, 127)
    assert "/no/such" in record.error


# ---- several clients


def test_a_second_client_is_told_who_is_busy_and_down_ends_an_up_that_waits(shop: Shop) -> None:
    waiting = Policy(health=HealthCheck(("/bin/false",), interval_ns=3600 * SECOND))
    db = shop.service("db", policy=waiting)
    web = shop.service("web", depends_on=(Dependency("db", Condition.HEALTHY),))
    failures: list[errors.PycomposeError] = []

    def up() -> None:
        try:
            shop.up(db, web)
        except errors.PycomposeError as error:
            failures.append(error)

    first = threading.Thread(target=up)
    first.start()
    while not os.path.exists(shop.paths.project(shop.name).events):
        first.join(0.01)  # until the first supervisor writes its events
    shop.wait_event("db", "start")
    second = Shop(shop.paths, shop.rootfs, shop.name)
    with second.client.open(Up(second.desired(db))) as connection:
        queued = next(answer for answer in connection.answers() if isinstance(answer, Queued))
        assert queued.holder.startswith("test (pid ")
        second.down()
    first.join()
    assert [error.message.endswith("has taken over") for error in failures] == [True]


def test_a_stop_may_name_what_nobody_has_made_yet(shop: Shop) -> None:
    """Ctrl-C in an `up` that has not come so far: there is nothing to stop, and nothing wrong with that."""
    with pytest.raises(errors.PycomposeError, match='no such service: "web"'):
        shop.request(Stop(("web",)))
    assert shop.request(Stop(("web",), desired=shop.desired(shop.service("web"))))[-1] == Done()
