"""`down`, stop, start, restart, rm and the like: the texts of their plans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composer.errors import NoSuchThing
from composer.planner.observed import Observed, State
from composer.planner.operations import (
    kill_plan,
    pause_plan,
    remove_plan,
    restart_plan,
    start_plan,
    stop_plan,
    unpause_plan,
)
from composer.planner.options import DownOptions, RemoveOptions, RestartOptions
from composer.planner.teardown import teardown
from composer.spec.desired import Dependency
from tests.planner.planner_projects import HEALTH, HEALTHY, project, running, service, with_oneoff

DESIRED = project(
    service("web", Dependency("db", HEALTHY, restart=True)), service("db", health=HEALTH), service("mail")
)
RUNNING = running(DESIRED)


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_down_goes_in_reverse_order_and_in_parallel_where_independent() -> None:
    assert str(teardown(RUNNING, DESIRED, options=DownOptions())) == lines("""
        1. stop container shop-web-1: down
        2. remove container shop-web-1: down [after 1]
        3. stop container shop-mail-1: down
        4. remove container shop-mail-1: down [after 3]
        5. stop container shop-db-1: down [after 1]
        6. remove container shop-db-1: down [after 5]
    """)


def test_down_waits_for_dependents_of_dependents_where_the_one_between_is_gone() -> None:
    desired = project(service("web", "api"), service("api", "db"), service("db"))
    observed = replace(running(desired), containers=tuple(c for c in running(desired).containers if c.service != "api"))
    assert str(teardown(observed, desired, options=DownOptions())) == lines("""
        1. stop container shop-web-1: down
        2. remove container shop-web-1: down [after 1]
        3. stop container shop-db-1: down [after 1]
        4. remove container shop-db-1: down [after 3]
    """)


def test_down_only_removes_what_does_not_run() -> None:
    observed = running(DESIRED, web=State.EXITED, db=State.CREATED, mail=State.RESTARTING)
    assert str(teardown(observed, DESIRED, options=DownOptions())) == lines("""
        1. remove container shop-web-1: down
        2. stop container shop-mail-1: down
        3. remove container shop-mail-1: down [after 2]
        4. remove container shop-db-1: down
    """)


def test_down_takes_one_offs_along_but_leaves_orphans_unless_asked() -> None:
    desired = project(service("web"))
    observed = with_oneoff(running(project(service("web"), service("old"))), "web")
    plan = teardown(observed, desired, options=DownOptions())
    assert plan.orphans == ("shop-old-1",)
    assert str(plan) == lines("""
        1. stop container shop-web-1: down
        2. remove container shop-web-1: down [after 1]
        3. stop container shop-web-run-1: down
        4. remove container shop-web-run-1: down [after 3]
    """)
    plan = teardown(observed, desired, options=DownOptions(remove_orphans=True))
    assert plan.orphans == ()
    assert "remove container shop-old-1: down" in str(plan)


def test_down_of_some_services_leaves_the_rest() -> None:
    observed = with_oneoff(RUNNING, "db")
    assert str(teardown(observed, DESIRED, options=DownOptions(services=("db",)))) == lines("""
        1. stop container shop-db-1: down
        2. remove container shop-db-1: down [after 1]
    """)
    with pytest.raises(NoSuchThing, match='no such service: "dbb"'):
        teardown(RUNNING, DESIRED, options=DownOptions(services=("dbb",)))


def test_down_of_a_project_without_files_takes_everything() -> None:
    plan = teardown(with_oneoff(RUNNING, "web"), options=DownOptions())
    assert plan.orphans == ()
    assert sum("remove container" in str(step) for step in plan.steps) == 4
    with pytest.raises(NoSuchThing) as caught:
        teardown(RUNNING, options=DownOptions(services=("wbe",)))
    assert caught.value.hint == "did you mean web?"


def test_down_of_a_service_whose_profile_is_not_active() -> None:
    desired = project(service("web"), disabled=("debug",))
    observed = running(project(service("web"), service("debug")))
    assert str(teardown(observed, desired, options=DownOptions(services=("debug",)))).startswith(
        "1. stop container sho"
    )
    assert str(teardown(running(desired), desired, options=DownOptions(services=("debug",)))) == ""


def test_stop_goes_in_reverse_order() -> None:
    assert str(stop_plan(DESIRED, RUNNING)) == lines("""
        1. stop container shop-web-1: stop
        2. stop container shop-mail-1: stop
        3. stop container shop-db-1: stop [after 1]
    """)
    assert str(stop_plan(DESIRED, RUNNING, services=("db",))) == "1. stop container shop-db-1: stop"
    assert str(stop_plan(DESIRED, running(DESIRED, db=State.EXITED), services=("db",))) == ""


def test_start_waits_for_conditions_and_pulls_dependencies_in() -> None:
    stopped = running(DESIRED, web=State.EXITED, db=State.EXITED)
    assert str(start_plan(DESIRED, stopped, services=("web",))) == lines("""
        1. start container shop-db-1: stopped
        2. wait until shop-db-1 is healthy: web depends on it [after 1]
        3. start container shop-web-1: stopped [after 2]
    """)
    assert str(start_plan(DESIRED, RUNNING)) == ""
    assert str(start_plan(DESIRED, running(DESIRED, db=State.PAUSED))) == "1. unpause container shop-db-1: paused"
    with pytest.raises(NoSuchThing, match="cannot start service web: it has no container"):
        start_plan(DESIRED, Observed(), services=("web",))


def test_start_with_wait_ends_when_the_services_named_are_ready() -> None:
    assert str(start_plan(DESIRED, running(DESIRED, db=State.EXITED), services=("db",), wait=True)) == lines("""
        1. start container shop-db-1: stopped
        2. wait until shop-db-1 is healthy: --wait [after 1]
    """)
    assert str(start_plan(DESIRED, RUNNING, services=("web",), wait=True)) == lines("""
        1. wait until shop-web-1 is running: --wait
    """)


def test_restart_takes_along_those_that_ask_for_it() -> None:
    assert str(restart_plan(DESIRED, RUNNING, options=RestartOptions(services=("db",)))) == lines("""
        1. restart container shop-db-1: restart
        2. wait until shop-db-1 is healthy: web depends on it [after 1]
        3. restart container shop-web-1: db is restarted [after 2]
    """)
    only = restart_plan(DESIRED, RUNNING, options=RestartOptions(services=("db",), no_deps=True))
    assert str(only) == "1. restart container shop-db-1: restart"
    stopped = restart_plan(DESIRED, running(DESIRED, web=State.EXITED), options=RestartOptions(services=("db",)))
    assert str(stopped) == "1. restart container shop-db-1: restart"


def test_restart_of_one_service_restarts_what_is_stopped_too() -> None:
    plan = restart_plan(DESIRED, running(DESIRED, mail=State.EXITED), options=RestartOptions(services=("mail",)))
    assert str(plan) == "1. restart container shop-mail-1: restart"


def test_rm_takes_what_is_stopped() -> None:
    half = with_oneoff(running(DESIRED, mail=State.EXITED), "mail")
    assert str(remove_plan(DESIRED, half, options=RemoveOptions())) == "1. remove container shop-mail-1: rm"
    assert str(remove_plan(DESIRED, half, options=RemoveOptions(services=("db", "mail"), stop=True))) == lines("""
        1. stop container shop-db-1: rm --stop
        2. remove container shop-db-1: rm [after 1]
        3. remove container shop-mail-1: rm
    """)


def test_kill_pause_and_unpause_find_whom_they_concern() -> None:
    observed = running(DESIRED, web=State.PAUSED, mail=State.EXITED)
    assert str(kill_plan(DESIRED, observed, signal=1)) == lines("""
        1. send signal 1 to container shop-web-1: kill
        2. send signal 1 to container shop-db-1: kill
    """)
    assert str(pause_plan(DESIRED, observed)) == "1. pause container shop-db-1: pause"
    assert str(unpause_plan(DESIRED, observed)) == "1. unpause container shop-web-1: unpause"
