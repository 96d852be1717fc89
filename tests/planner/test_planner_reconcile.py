"""`up`: the text of the plan for a project as it should be and as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composer.errors import Conflict, InvalidFile, NoSuchThing
from composer.planner.observed import HealthStatus, Observed, State
from composer.planner.options import UpOptions
from composer.planner.plan import AwaitService
from composer.planner.reconcile import reconcile
from composer.spec.desired import Dependency, Desired
from tests.planner.planner_projects import COMPLETED, HEALTH, HEALTHY, project, running, service, with_oneoff, without

NOTHING = Observed()


def up(desired: Desired, observed: Observed = NOTHING, *services: str, **options: bool) -> str:
    return str(reconcile(desired, observed, options=UpOptions(services=services, **options)))


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


WEB_DB = project(service("web", Dependency("db", HEALTHY)), service("db", health=HEALTH))


def test_dependencies_come_first_and_are_waited_for() -> None:
    assert up(WEB_DB) == lines("""
        1. start container shop-db-1: missing
        2. wait until shop-db-1 is healthy: web depends on it [after 1]
        3. start container shop-web-1: missing [after 2]
    """)


def test_what_is_independent_waits_for_nothing() -> None:
    assert up(project(service("a"), service("b"), service("c", "a"))) == lines("""
        1. start container shop-a-1: missing
        2. start container shop-b-1: missing
        3. start container shop-c-1: missing [after 1]
    """)


def test_what_runs_unchanged_is_left_alone() -> None:
    assert up(WEB_DB, running(WEB_DB)) == ""


def test_what_is_in_place_is_left_alone_though_its_dependency_is_not() -> None:
    assert up(WEB_DB, without(running(WEB_DB), "db")) == "1. start container shop-db-1: missing"


def test_a_running_dependency_that_is_not_healthy_yet_is_waited_for() -> None:
    observed = without(running(WEB_DB), "web")
    starting = replace(observed, containers=(replace(observed.containers[0], health=HealthStatus.STARTING),))
    assert up(WEB_DB, observed) == "1. start container shop-web-1: missing"
    assert up(WEB_DB, starting) == lines("""
        1. wait until shop-db-1 is healthy: web depends on it
        2. start container shop-web-1: missing [after 1]
    """)


def test_one_wait_is_shared_by_all_who_need_it() -> None:
    need = Dependency("db", HEALTHY)
    desired = project(service("web", need), service("worker", need), service("db", health=HEALTH, replicas=2))
    assert up(desired) == lines("""
        1. start container shop-db-1: missing
        2. start container shop-db-2: missing
        3. wait until shop-db-1, shop-db-2 are healthy: web and worker depend on it [after 1, 2]
        4. start container shop-web-1: missing [after 3]
        5. start container shop-worker-1: missing [after 3]
    """)


def test_a_one_shot_must_be_through() -> None:
    assert up(project(service("web", Dependency("migrate", COMPLETED)), service("migrate"))) == lines("""
        1. start container shop-migrate-1: missing
        2. wait until shop-migrate-1 has completed successfully: web depends on it [after 1]
        3. start container shop-web-1: missing [after 2]
    """)


def test_a_dependency_that_is_not_required_is_waited_for_on_its_own() -> None:
    desired = project(
        service("web", Dependency("db", HEALTHY, required=False), Dependency("mail", required=False)),
        service("worker", Dependency("db", HEALTHY)),
        service("db", health=HEALTH),
        service("mail"),
    )
    plan = reconcile(desired, NOTHING, options=UpOptions())
    assert str(plan) == lines("""
        1. start container shop-db-1: missing
        2. start container shop-mail-1: missing
        3. wait until shop-db-1 is healthy: worker depends on it [after 1]
        4. start container shop-worker-1: missing [after 3]
        5. wait until shop-db-1 is healthy: web depends on it [after 1]
        6. wait until shop-mail-1 is running: web depends on it [after 2]
        7. start container shop-web-1: missing [after 5, 6]
    """)
    waits = [step.action for step in plan.steps if isinstance(step.action, AwaitService)]
    assert [wait.required for wait in waits] == [True, False, False]


def test_a_dependency_that_is_absent_and_not_required_is_no_matter() -> None:
    desired = project(service("web", Dependency("db", HEALTHY, required=False)), disabled=("db",))
    assert up(desired) == "1. start container shop-web-1: missing"


def test_a_dependency_of_no_containers_is_not_waited_for() -> None:
    desired = project(service("web", Dependency("db", HEALTHY)), service("db", replicas=0))
    assert up(desired) == "1. start container shop-web-1: missing"


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (State.EXITED, "1. start container shop-web-1: stopped"),
        (State.CREATED, "1. start container shop-web-1: never started"),
        (State.PAUSED, "1. unpause container shop-web-1: paused"),
        (State.RESTARTING, ""),
        (
            State.DEAD,
            "1. remove container shop-web-1: half removed\n2. start container shop-web-1: half removed [after 1]",
        ),
    ],
)
def test_each_state_on_the_way_to_running(state: State, step: str) -> None:
    desired = project(service("web"))
    assert up(desired, running(desired, web=state)) == step


CHANGED = project(service("web", Dependency("db", HEALTHY)), service("db", health=HEALTH, command="other"))


def test_what_changed_is_made_anew_and_its_dependents_are_left_alone() -> None:
    assert up(CHANGED, running(WEB_DB)) == lines("""
        1. stop container shop-db-1: configuration changed
        2. remove container shop-db-1: configuration changed [after 1]
        3. start container shop-db-1: configuration changed [after 2]
    """)


def test_a_stopped_container_that_changed_is_only_removed() -> None:
    assert up(CHANGED, running(WEB_DB, db=State.EXITED)) == lines("""
        1. remove container shop-db-1: configuration changed
        2. start container shop-db-1: configuration changed [after 1]
    """)


def test_a_dependent_is_replaced_after_its_dependency_is_ready() -> None:
    desired = project(service("web", Dependency("db", HEALTHY), command="new"), *CHANGED.services[1:])
    assert up(desired, running(WEB_DB)) == lines("""
        1. stop container shop-db-1: configuration changed
        2. remove container shop-db-1: configuration changed [after 1]
        3. start container shop-db-1: configuration changed [after 2]
        4. wait until shop-db-1 is healthy: web depends on it [after 3]
        5. stop container shop-web-1: configuration changed [after 4]
        6. remove container shop-web-1: configuration changed [after 5]
        7. start container shop-web-1: configuration changed [after 6]
    """)


def test_a_dependent_that_asks_for_it_is_restarted_around_its_dependency() -> None:
    need = Dependency("db", HEALTHY, restart=True)
    before = project(service("web", need), service("db", health=HEALTH))
    after = project(service("web", need), service("db", health=HEALTH, command="other"))
    assert up(after, running(before)) == lines("""
        1. stop container shop-web-1: db is recreated
        2. stop container shop-db-1: configuration changed [after 1]
        3. remove container shop-db-1: configuration changed [after 2]
        4. start container shop-db-1: configuration changed [after 3]
        5. wait until shop-db-1 is healthy: web depends on it [after 4]
        6. start container shop-web-1: db is recreated [after 1, 5]
    """)


def test_a_changed_dependent_that_asks_for_it_is_stopped_first_as_well() -> None:
    def pair(command: str) -> Desired:
        return project(service("web", Dependency("db", restart=True), command=command), service("db", command=command))

    assert up(pair("new"), running(pair("old"))) == lines("""
        1. stop container shop-web-1: configuration changed
        2. stop container shop-db-1: configuration changed [after 1]
        3. remove container shop-db-1: configuration changed [after 2]
        4. start container shop-db-1: configuration changed [after 3]
        5. remove container shop-web-1: configuration changed [after 1, 4]
        6. start container shop-web-1: configuration changed [after 5]
    """)


def test_a_dependency_that_is_made_anew_restarts_dependents_though_it_was_stopped() -> None:
    need = Dependency("db", restart=True)
    before, after = (
        project(service("web", need), service("db")),
        project(service("web", need), service("db", command="x")),
    )
    assert up(after, running(before, db=State.EXITED)) == lines("""
        1. stop container shop-web-1: db is recreated
        2. remove container shop-db-1: configuration changed [after 1]
        3. start container shop-db-1: configuration changed [after 2]
        4. start container shop-web-1: db is recreated [after 1, 3]
    """)


def test_restarts_carry_on_to_dependents_of_dependents() -> None:
    def chain(command: str) -> Desired:
        return project(
            service("web", Dependency("api", restart=True)),
            service("api", Dependency("db", restart=True)),
            service("db", command=command),
        )

    assert up(chain("new"), running(chain("old"))) == lines("""
        1. stop container shop-web-1: api is restarted
        2. stop container shop-api-1: db is recreated [after 1]
        3. stop container shop-db-1: configuration changed [after 2]
        4. remove container shop-db-1: configuration changed [after 3]
        5. start container shop-db-1: configuration changed [after 4]
        6. start container shop-api-1: db is recreated [after 2, 5]
        7. start container shop-web-1: api is restarted [after 1, 6]
    """)


def test_a_dependency_that_only_starts_restarts_nobody() -> None:
    desired = project(service("web", Dependency("db", restart=True)), service("db"))
    assert up(desired, running(desired, db=State.EXITED)) == "1. start container shop-db-1: stopped"


def test_who_lives_in_anothers_namespace_follows_its_every_start() -> None:
    desired = project(service("web", joins="shop-db-1"), service("db"))
    assert up(desired, running(desired, db=State.EXITED)) == lines("""
        1. stop container shop-web-1: db is started
        2. start container shop-db-1: stopped
        3. start container shop-web-1: db is started [after 1, 2]
    """)


def test_who_lives_in_anothers_namespace_follows_though_nobody_selected_it() -> None:
    desired = project(service("web", joins="shop-db-1"), service("db"))
    assert up(desired, running(desired), "db", no_deps=True, force_recreate=True) == lines("""
        1. stop container shop-web-1: db is recreated
        2. stop container shop-db-1: --force-recreate [after 1]
        3. remove container shop-db-1: --force-recreate [after 2]
        4. start container shop-db-1: --force-recreate [after 3]
        5. start container shop-web-1: db is recreated [after 1, 4]
    """)


def test_an_archive_is_unpacked_once_and_before_its_containers() -> None:
    desired = project(service("a", archive="/x.tar"), service("b", archive="/x.tar"), service("c"))
    assert up(desired) == lines("""
        1. unpack rootfs /x.tar: a is made from it
        2. start container shop-a-1: missing [after 1]
        3. start container shop-b-1: missing [after 1]
        4. start container shop-c-1: missing
    """)


def test_a_changed_archive_makes_the_container_anew() -> None:
    desired = project(service("web", archive="/x.tar"))
    observed = running(desired)
    assert up(desired, replace(observed, layers={"/x.tar": "sha256:old"})) == ""
    assert up(desired, replace(observed, layers={"/x.tar": "sha256:new"})) == lines("""
        1. unpack rootfs /x.tar: web is made from it
        2. stop container shop-web-1: rootfs changed [after 1]
        3. remove container shop-web-1: rootfs changed [after 2]
        4. start container shop-web-1: rootfs changed [after 3]
    """)


def test_a_smaller_scale_removes_the_highest_numbers() -> None:
    three, two = project(service("web", replicas=3)), project(service("web", replicas=2))
    assert up(two, running(three)) == lines("""
        1. stop container shop-web-3: scale is 2
        2. remove container shop-web-3: scale is 2 [after 1]
    """)
    assert up(three, running(two)) == "1. start container shop-web-3: missing"


def test_orphans_are_named_and_removed_only_on_request() -> None:
    desired = project(service("web"), disabled=("debug",))
    observed = running(project(service("web"), service("old"), service("debug")))
    plan = reconcile(desired, observed, options=UpOptions())
    assert (str(plan), plan.orphans) == ("", ("shop-old-1",))
    plan = reconcile(desired, observed, options=UpOptions(remove_orphans=True))
    assert plan.orphans == ()
    assert str(plan) == lines("""
        1. stop container shop-old-1: orphan: no service "old" in the files
        2. remove container shop-old-1: orphan: no service "old" in the files [after 1]
    """)


def test_one_off_containers_are_not_touched() -> None:
    desired = project(service("web"))
    observed = with_oneoff(with_oneoff(running(desired), "web"), "old")
    plan = reconcile(desired, observed, options=UpOptions(remove_orphans=True, force_recreate=True))
    assert plan.orphans == ()
    assert "run" not in str(plan)


def test_a_selection_pulls_in_its_dependencies_and_nothing_else() -> None:
    desired = project(service("web", "db"), service("db"), service("mail"))
    assert up(desired, NOTHING, "web") == lines("""
        1. start container shop-db-1: missing
        2. start container shop-web-1: missing [after 1]
    """)
    assert up(desired, NOTHING, "web", no_deps=True) == "1. start container shop-web-1: missing"


def test_recreation_can_be_forced_for_what_is_named_and_for_its_dependencies() -> None:
    desired = project(service("web", "db"), service("db"))
    forced = up(desired, running(desired), "web", force_recreate=True)
    assert forced == lines("""
        1. stop container shop-web-1: --force-recreate
        2. remove container shop-web-1: --force-recreate [after 1]
        3. start container shop-web-1: --force-recreate [after 2]
    """)
    assert "stop container shop-db-1: --always-recreate-deps" in up(
        desired, running(desired), "web", always_recreate_deps=True
    )
    assert up(CHANGED, running(WEB_DB), no_recreate=True) == ""


def test_nothing_is_started_where_only_making_is_asked_for() -> None:
    desired = project(*WEB_DB.services, service("old", archive="/x.tar"))
    observed = without(running(desired, old=State.EXITED), "db", "web")
    assert up(desired, observed, start=False) == lines("""
        1. create container shop-db-1: missing
        2. create container shop-web-1: missing
    """)
    assert up(CHANGED, running(WEB_DB), start=False) == lines("""
        1. stop container shop-db-1: configuration changed
        2. remove container shop-db-1: configuration changed [after 1]
        3. create container shop-db-1: configuration changed [after 2]
    """)


def test_wait_ends_with_what_each_service_is_to_reach() -> None:
    desired = project(service("web", Dependency("job", COMPLETED), health=HEALTH), service("job"), service("log"))
    assert up(desired, wait=True) == lines("""
        1. start container shop-job-1: missing
        2. start container shop-log-1: missing
        3. wait until shop-job-1 has completed successfully: web depends on it [after 1]
        4. start container shop-web-1: missing [after 3]
        5. wait until shop-log-1 is running: --wait [after 2]
        6. wait until shop-web-1 is healthy: --wait [after 4]
    """)


def test_a_name_passes_from_a_removed_orphan_to_its_successor() -> None:
    desired = project(service("new", container_name="front"))
    observed = running(project(service("old", container_name="front")))
    with pytest.raises(Conflict, match="cannot create container front for service new: a container of service old has"):
        up(desired, observed)
    assert up(desired, observed, remove_orphans=True) == lines("""
        1. stop container front: orphan: no service "old" in the files
        2. remove container front: orphan: no service "old" in the files [after 1]
        3. start container front: missing [after 2]
    """)


def test_a_new_container_name_makes_the_container_anew() -> None:
    assert up(project(service("web", container_name="front")), running(project(service("web")))) == lines("""
        1. stop container shop-web-1: configuration changed
        2. remove container shop-web-1: configuration changed [after 1]
        3. start container front: configuration changed [after 2]
    """)


def test_services_that_are_not_there() -> None:
    with pytest.raises(NoSuchThing) as caught:
        up(WEB_DB, NOTHING, "wbe")
    assert (caught.value.message, caught.value.hint) == ('no such service: "wbe"', "did you mean web?")
    with pytest.raises(NoSuchThing, match="none of its profiles is active"):
        up(project(service("web"), disabled=("debug",)), NOTHING, "debug")


def test_a_cycle_is_named() -> None:
    with pytest.raises(InvalidFile, match=r"they depend on each other: (a → b → a|b → a → b)$"):
        up(project(service("a", "b"), service("b", "a")))
