"""Records, and whether what they say is still true."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from composer.linux.identity import start_time
from composer.planner.observed import HealthStatus, State
from composer.spec.codec import DecodeError
from composer.spec.container import ContainerSpec
from composer.spec.policy import Policy
from composer.spec.process import Process
from composer.spec.rootfs import HostRoot
from composer.store import observe, records
from composer.store.paths import ProjectPaths
from composer.store.records import ContainerRecord, Health, ProbeResult

BOOT = observe.boot_id()


def record(**fields: object) -> ContainerRecord:
    spec = ContainerSpec("shop-web-1", "shop", "web", 1, HostRoot(), Process(("true",)))
    made = ContainerRecord("ab" * 32, spec, Policy(), "fingerprint", State.RUNNING, created_ns=5, boot_id=BOOT)
    return replace(made, **fields)  # type: ignore[arg-type]  # the tests name fields of the record


@pytest.fixture
def places(tmp_path: Path) -> ProjectPaths:
    return ProjectPaths(run=str(tmp_path / "run"), bundles=str(tmp_path / "bundles"))


def test_a_record_comes_back_as_it_was(places: ProjectPaths) -> None:
    whole = record(
        pid=7,
        cgroup=(("memory", "/sys/fs/cgroup/memory/x"),),
        exit_code=137,
        oom_killed=True,
        health=Health(HealthStatus.UNHEALTHY, 3, (ProbeResult(1, 2, -1, "ö\udce4"),)),
    )
    records.save(places, whole)
    assert records.load(places, "shop-web-1") == whole
    assert list(records.load_all(places)) == [whole]
    assert records.names(places) == ["shop-web-1"]


def test_nothing_there_is_no_record(places: ProjectPaths) -> None:
    assert records.load(places, "shop-web-1") is None
    assert list(records.load_all(places)) == []


def test_a_damaged_record_is_told_apart(places: ProjectPaths) -> None:
    records.save(places, record())
    Path(places.state("shop-web-1"), "record.json").write_text('{"id":')
    with pytest.raises(DecodeError):
        records.load(places, "shop-web-1")


def test_a_record_is_believed_when_its_process_is_there() -> None:
    own = record(pid=os.getpid(), start_time=start_time(os.getpid()))
    assert observe.is_alive(own, boot=BOOT)
    assert observe.as_it_is(own, boot=BOOT) == own


@pytest.mark.parametrize(
    "lie",
    [
        {"boot_id": "another"},
        {"start_time": 1},
        {"pid": 0},
    ],
    ids=["of an earlier boot", "pid of another process", "no process"],
)
def test_a_record_is_not_believed(lie: dict[str, object]) -> None:
    stale = record(**{"pid": os.getpid(), "start_time": start_time(os.getpid()), **lie})
    seen = observe.as_it_is(stale, boot=BOOT)
    assert (seen.state, seen.pid, seen.exit_code) == (State.EXITED, 0, None)


def test_a_process_that_has_ended_is_not_alive() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        ended = record(pid=process.pid, start_time=start_time(process.pid))
        process.kill()
        process.wait()
    assert observe.as_it_is(ended, boot=BOOT).state is State.EXITED


def test_what_is_at_rest_needs_no_proof() -> None:
    for state in (State.CREATED, State.EXITED, State.RESTARTING):
        assert observe.as_it_is(record(state=state), boot=BOOT).state is state


def test_observing_a_project(places: ProjectPaths) -> None:
    records.save(places, record(pid=1, start_time=0, health=Health(HealthStatus.HEALTHY), layer="sha256:1"))
    [there] = observe.observe(places, layers={"/x.tar": "d"}).containers
    assert (there.name, there.state, there.health, there.layer) == (
        "shop-web-1",
        State.EXITED,
        HealthStatus.HEALTHY,
        "sha256:1",
    )
