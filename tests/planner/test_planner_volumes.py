"""Volumes in plans: made before who uses them, removed after, and what is refused before anything is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composer.errors import FileNotFound, HostError, NoSuchThing, PycomposeError
from composer.planner.observed import Observed, ObservedVolume
from composer.planner.operations import remove_plan
from composer.planner.options import DownOptions, RemoveOptions, UpOptions
from composer.planner.reconcile import reconcile
from composer.planner.teardown import teardown
from composer.planner.volumes import differences
from composer.spec.desired import Desired, Service
from composer.spec.grant import Grant, HostFile
from composer.spec.mounts import Bind, Mount, VolumeMount
from composer.spec.volume import Volume
from tests.planner.planner_projects import project, running, service

PROJECT = (("com.docker.compose.project", "shop"),)
DATA = Volume("shop_data", labels=PROJECT)
GIVEN = Volume("given", external=True)


def with_mounts(made: Service, *mounts: Mount) -> Service:
    return replace(made, containers=tuple(replace(spec, mounts=mounts) for spec in made.containers))


def there(volume: Volume, *, container: str = "") -> ObservedVolume:
    return ObservedVolume(volume.name, volume.options, volume.labels, container)


SHARED = replace(
    project(
        with_mounts(service("web", "db"), VolumeMount("/www", "shop_data")),
        with_mounts(
            service("db"), VolumeMount("/data", "shop_data"), VolumeMount("/given", "given"), VolumeMount("/a")
        ),
    ),
    volumes=(DATA, GIVEN),
)


def up(desired: Desired, observed: Observed) -> str:
    return str(reconcile(desired, observed, options=UpOptions()))


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_a_volume_is_made_once_before_all_who_use_it() -> None:
    assert up(SHARED, Observed(volumes=(there(GIVEN),))) == lines("""
        1. create volume shop_data: missing
        2. start container shop-db-1: missing [after 1]
        3. start container shop-web-1: missing [after 1, 2]
    """)


def test_a_volume_that_is_there_is_not_made() -> None:
    observed = replace(running(SHARED), volumes=(there(DATA), there(GIVEN)))
    assert up(SHARED, observed) == ""


def test_an_external_volume_that_is_missing_is_refused() -> None:
    with pytest.raises(NoSuchThing, match="cannot start service db: the external volume given does not exist"):
        up(SHARED, Observed())


@pytest.mark.parametrize(
    ("made", "error", "says"),
    [
        (with_mounts(service("web"), Bind("/gone", "/data")), HostError, "it binds /gone on /data, and it is missing"),
        (
            with_mounts(service("web"), VolumeMount("/x", "shown")),
            HostError,
            "volume shown shows /gone, and it is missing",
        ),
        (
            replace(
                service("web"),
                containers=(
                    replace(
                        service("web").containers[0],
                        grants=(Grant("secret key", "/run/secrets/key", HostFile("/gone")),),
                    ),
                ),
            ),
            FileNotFound,
            "it has the secret key, and it is missing",
        ),
    ],
)
def test_what_the_host_lacks_is_refused(made: Service, error: type[PycomposeError], says: str) -> None:
    shown = Volume("shown", options=(("device", "/gone"), ("o", "bind")))
    desired = replace(project(made), volumes=(shown,))
    with pytest.raises(error, match=says):
        up(desired, Observed(missing={"/gone": "it is missing"}))


def test_recreation_keeps_anonymous_volumes_unless_they_are_to_be_new() -> None:
    observed = replace(running(SHARED), volumes=(there(DATA), there(GIVEN)))
    kept = reconcile(SHARED, observed, options=UpOptions(force_recreate=True))
    renewed = reconcile(SHARED, observed, options=UpOptions(force_recreate=True, renew_volumes=True))
    assert {step.action.anonymous.name for step in kept.steps if hasattr(step.action, "anonymous")} == {"KEEP"}
    assert {step.action.anonymous.name for step in renewed.steps if hasattr(step.action, "anonymous")} == {"RELEASE"}


OTHERS = ObservedVolume("other_data", (), (("com.docker.compose.project", "other"),), "")


def test_down_keeps_volumes() -> None:
    observed = replace(running(SHARED), volumes=(there(DATA), there(GIVEN), OTHERS))
    assert str(teardown(observed, SHARED, options=DownOptions())) == lines("""
        1. stop container shop-web-1: down
        2. remove container shop-web-1: down [after 1]
        3. stop container shop-db-1: down [after 1]
        4. remove container shop-db-1: down [after 3]
    """)


def test_down_with_volumes_removes_what_the_project_has_made() -> None:
    mine = replace(there(Volume("0123", labels=PROJECT)), container="shop-db-1")
    left = there(Volume("4567", labels=PROJECT))
    observed = replace(running(SHARED), volumes=(there(DATA), there(GIVEN), OTHERS, mine, left), project="shop")
    assert str(teardown(observed, SHARED, options=DownOptions(volumes=True))) == lines("""
        1. stop container shop-web-1: down
        2. remove container shop-web-1 and its anonymous volumes: down [after 1]
        3. stop container shop-db-1: down [after 1]
        4. remove container shop-db-1 and its anonymous volumes: down [after 3]
        5. remove volume shop_data: down --volumes [after 2, 4]
        6. remove volume 4567: down --volumes [after 2, 4]
    """)


def test_rm_with_volumes_removes_anonymous_ones_only() -> None:
    observed = replace(running(SHARED), volumes=(there(DATA),))
    plan = str(remove_plan(SHARED, observed, options=RemoveOptions(services=("db",), stop=True, volumes=True)))
    assert "remove container shop-db-1 and its anonymous volumes" in plan
    assert "remove volume" not in plan


def test_a_volume_that_is_not_as_the_files_say_is_told_and_used() -> None:
    desired = replace(SHARED, volumes=(replace(DATA, options=(("o", "size=2m"),)),))
    as_made = replace(there(DATA), options=(("o", "size=1m"),), labels=())
    assert differences(desired, Observed(volumes=(as_made,))) == (
        "volume shop_data was made by hand and is used as it is (external: true says that this is meant)",
        "volume shop_data is used as it was made: o is 'size=1m' and the files say 'size=2m'; to have it made anew, "
        "and lose what is in it: pycompose down && pycompose volume rm shop_data",
    )
    assert differences(SHARED, Observed(volumes=(there(DATA),))) == ()
