"""Our own processes are killed; containers run on, nothing that happened is lost, the next ones adopt."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from composer.control.messages import Down, Leave, Pause, Ping, Stop, Unpause, Up, Wait
from composer.linux import inotify
from composer.planner.observed import HealthStatus, State
from composer.runtime import births, exits
from composer.runtime.births import Birth
from composer.runtime.cgroup.container import Cgroup
from composer.runtime.launcher import client as launcher
from composer.runtime.launcher.protocol import Hello, StartProcess
from composer.spec.desired import Condition, Dependency
from composer.spec.policy import Policy, RestartCondition, RestartPolicy
from composer.spec.process import Process
from composer.store import observe, records
from composer.store.records import ContainerRecord
from composer.supervisor.journal import happened
from composer.supervisor.main import LASTED
from tests.chaos import host
from tests.supervisor.projects import FOREVER, SECOND, Shop, probe, wait_pid_gone

pytestmark = pytest.mark.root

COUNTING = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done"


def kill(pid: int) -> None:
    """End a process of the project, that is not our child, and wait until it has."""
    os.kill(pid, signal.SIGKILL)
    wait_pid_gone(pid)


def pid_of_launcher(shop: Shop) -> int:
    with launcher.connect(shop.paths.project(shop.name).launcher_socket) as peer:
        received = launcher.receive(peer)
    assert received is not None
    assert isinstance(received.message, Hello)
    return received.message.pid


def pid_of_holder(shop: Shop) -> int:
    (pid,) = host.find("holder", shop.paths.run)
    return pid


@contextmanager
def created(path: str) -> Iterator[None]:
    """Wait, after the body, until there is something new under a name."""
    watch = inotify.inotify_init1()
    try:
        inotify.inotify_add_watch(watch, os.path.dirname(path), mask=inotify.IN_MOVED_TO)
        yield
        while os.path.basename(path) not in [event.name for event in inotify.read_events(watch)]:
            assert select.select([watch], [], [], 20)[0]
    finally:
        os.close(watch)


def kill_both(shop: Shop) -> None:
    """Stop the one that would react to the other's death first."""
    supervisor, parent = shop.pid_of_supervisor(), pid_of_launcher(shop)
    os.kill(supervisor, signal.SIGSTOP)
    kill(parent)
    kill(supervisor)


def kill_all(shop: Shop) -> None:
    """In one moment: none of them sees another's death."""
    doomed = [shop.pid_of_supervisor(), pid_of_launcher(shop), pid_of_holder(shop)]
    for pid in doomed:
        os.kill(pid, signal.SIGSTOP)
    for pid in doomed:
        kill(pid)


def unwrite(shop: Shop, record: ContainerRecord) -> None:
    """Make its state as it was when its program had begun and the supervisor did not know yet."""
    places = shop.paths.project(shop.name)
    state = places.state(record.spec.name)
    fd = births.prepare(state)
    births.mark(fd)
    births.write(fd, state, Birth(record.pid, record.start_time, Cgroup(record.cgroup), record.attachments))
    os.close(fd)
    records.save(places, replace(record, state=State.CREATED, pid=0, start_time=0, cgroup=(), started_ns=0))


def wait_output(shop: Shop, service: str, lines: int) -> list[str]:
    """The container's output once it has so many lines."""
    deadline = time.monotonic() + 20
    while len(found := shop.output(service).splitlines()) < lines:
        assert time.monotonic() < deadline, f"{len(found)} lines"
        time.sleep(0.01)  # the log has no event for "so many lines"; bounded
    return found


def test_ps_shows_who_is_who_although_most_are_forks(shop: Shop) -> None:
    shop.up(shop.service("web"))
    for kind in ("launcher", "supervisor"):
        (pid,) = host.find(kind, shop.paths.run)
        assert f"/{kind}/__main__.py\0".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_killed_supervisor_is_replaced_and_no_output_is_lost(shop: Shop) -> None:
    shop.up(shop.service("web", COUNTING))
    before, first = shop.record("web"), shop.pid_of_supervisor()
    kill(first)
    second = shop.pid_of_supervisor()
    assert second != first
    assert shop.record("web") == before
    written = wait_output(shop, "web", 100)
    assert written == [str(number) for number in range(1, len(written) + 1)]
    shop.up(shop.service("web", COUNTING))
    assert shop.plan == ""


def test_a_killed_supervisor_that_is_not_to_be_replaced_is_so_when_somebody_comes(shop: Shop) -> None:
    web = shop.service("web", COUNTING)
    shop.request(Up(shop.desired(web), supervise=False))
    supervisor, container = shop.pid_of_supervisor(), shop.record("web").pid
    kill(supervisor)
    log = Path(shop.paths.project(shop.name).launcher_log)
    while "the next one starts when a command comes" not in log.read_text():
        time.sleep(0.01)
    time.sleep(0.5)  # longer than the first delay of one that is replaced
    assert host.find("supervisor", shop.paths.run) == []
    shop.request(Ping())
    assert shop.pid_of_supervisor() != supervisor
    assert shop.record("web").pid == container
    shop.up(web)  # from here on as usual
    kill(shop.pid_of_supervisor())
    written = wait_output(shop, "web", 100)
    assert written == [str(number) for number in range(1, len(written) + 1)]


def test_a_container_that_ends_while_no_supervisor_is_there(shop: Shop) -> None:
    shop.up(shop.service("web", "read line; echo last words; exit 9", stdin_open=True))
    supervisor = shop.pid_of_supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    state = shop.paths.project(shop.name).state(shop.container("web"))
    pid = shop.record("web").pid
    Path(state, "stdin").write_text("\n")
    wait_pid_gone(pid)
    kill(supervisor)
    shop.request(Wait(("web",)))
    record = shop.record("web")
    assert (record.state, record.exit_code, record.pid) == (State.EXITED, 9, 0)
    assert shop.output("web") == "last words\n"


def test_restart_policies_and_probes_go_on_after_a_crash(shop: Shop) -> None:
    policy = Policy(restart=RestartPolicy(RestartCondition.ALWAYS), health=probe("test ! -e /ill"))
    shop.up(shop.service("web", f"sleep 0.5; touch /ill; {FOREVER}", policy=policy), wait=True)
    kill(shop.pid_of_supervisor())
    shop.wait_event("web", "health_status: unhealthy")
    os.kill(shop.record("web").pid, signal.SIGKILL)
    shop.wait_event("web", "start", count=2)
    record = shop.record("web")
    assert record.restart_count == 1
    assert record.health is not None
    assert record.health.status is not HealthStatus.UNHEALTHY


def test_both_killed_the_next_command_adopts(shop: Shop) -> None:
    policy = Policy(health=probe("true", interval_ns=SECOND // 5))
    shop.up(shop.service("web", COUNTING, policy=policy))
    before = shop.record("web")
    kill_both(shop)
    boot = observe.boot_id()
    assert observe.is_alive(shop.record("web"), boot=boot)
    shop.up(shop.service("web", COUNTING, policy=policy))
    assert shop.plan == ""
    assert shop.record("web").pid == before.pid
    lines = len(shop.output("web").splitlines())
    written = wait_output(shop, "web", lines + 20)
    assert written == [str(number) for number in range(1, len(written) + 1)]
    events = len(shop.events())
    shop.request(Stop(("web",), timeout_ns=0))
    record = shop.record("web")
    assert record.state is State.EXITED
    assert record.exit_code in (137, None)  # whoever inherited it may not have reaped it when it was looked at
    assert [event.action for event in shop.events()[events:]][-2:] == ["die", "stop"]


def test_a_container_whose_start_nobody_lived_to_write_down_is_adopted(shop: Shop) -> None:
    """Launcher, holder and supervisor are killed between the start of its program and the supervisor's record."""
    shop.up(shop.service("web", COUNTING))
    before = shop.record("web")
    assert births.read(shop.paths.project(shop.name).state(before.spec.name)) is None  # it is in the record
    kill_all(shop)
    unwrite(shop, before)
    shop.up(shop.service("web", COUNTING))
    after = shop.record("web")
    assert (after.state, after.pid, after.start_time) == (State.RUNNING, before.pid, before.start_time)
    assert after.cgroup == before.cgroup
    written = wait_output(shop, "web", len(shop.output("web").splitlines()) + 20)
    assert len(set(written)) == len(written)


def test_a_run_that_nobody_lived_to_write_down_is_told_although_it_has_ended(shop: Shop) -> None:
    """As above, and it ends before the next ones come: its standard input closes with those who held it."""
    policy = Policy(restart=RestartPolicy(RestartCondition.ALWAYS))
    web = shop.service("web", "read line", policy=policy, stdin_open=True)
    shop.up(web)
    before, told = shop.record("web"), len(shop.events())
    kill_all(shop)
    wait_pid_gone(before.pid)
    os.waitpid(before.pid, 0)  # orphans are ours, see tests/conftest.py
    unwrite(shop, before)
    shop.up(web)
    shop.wait_event("web", "start", count=3)
    events = [event for event in shop.events()[told:] if event.action in ("start", "die")]
    assert [event.action for event in events] == ["start", "die", "start"]
    assert dict(events[1].attributes)["exitCode"] == "unknown"
    assert shop.record("web").restart_count == 1
    kill_both(shop)  # whoever comes next does not take it for one more
    shop.request(Ping())
    assert [event.action for event in shop.events()][-1] == "start"


def test_both_killed_and_nobody_comes_the_holder_starts_them_again(shop: Shop) -> None:
    policy = Policy(restart=RestartPolicy(RestartCondition.ALWAYS))
    shop.up(shop.service("web", policy=policy))
    before = shop.record("web")
    with created(shop.paths.project(shop.name).supervisor_socket):
        kill_both(shop)
    kill(before.pid)
    shop.wait_event("web", "start", count=2)
    assert shop.record("web").restart_count == 1


def test_a_supervisor_waits_until_the_one_before_it_is_gone(shop: Shop) -> None:
    """One that is stopped, or busy, has not seen yet that its launcher has died."""
    shop.up(shop.service("web", COUNTING))
    with stopped(shop.pid_of_supervisor()) as first:
        kill(pid_of_launcher(shop))
        second = wait_waiting(shop)
    wait_pid_gone(first)
    assert shop.pid_of_supervisor() == second
    written = wait_output(shop, "web", len(shop.output("web").splitlines()) + 20)
    assert written == [str(number) for number in range(1, len(written) + 1)]


def test_a_supervisor_that_waits_for_its_turn_ends_with_its_launcher(shop: Shop) -> None:
    shop.up(shop.service("web", COUNTING))
    with stopped(shop.pid_of_supervisor()) as first:
        kill(pid_of_launcher(shop))
        second = wait_waiting(shop)
        kill(pid_of_launcher(shop))
        wait_pid_gone(second)
        third = wait_waiting(shop, but=second)
    wait_pid_gone(first)
    assert shop.pid_of_supervisor() == third


@contextmanager
def stopped(pid: int) -> Iterator[int]:
    """A process that does nothing while the body runs, not even end."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_waiting(shop: Shop, *, but: int = 0) -> int:
    """The process id of a supervisor that waits for its turn, once there is one."""
    log = Path(shop.paths.project(shop.name).supervisor_log)
    deadline = time.monotonic() + 20
    while True:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        waiting = [int(line["pid"]) for line in lines if line["event"].startswith("waits")]
        if waiting and waiting[-1] != but:
            return waiting[-1]
        assert time.monotonic() < deadline, lines
        time.sleep(0.01)  # a log has no events; bounded


@pytest.mark.parametrize("told", ["start", "no start"])
def test_an_event_is_told_once_although_its_teller_was_killed(shop: Shop, told: str) -> None:
    shop.up(shop.service("web"))
    leave(shop)
    path = Path(shop.paths.project(shop.name).events)
    lines = path.read_bytes().splitlines(keepends=True)
    if told == "no start":  # killed between the record and the event
        path.write_bytes(b"".join(lines[:-1]))
    shop.request(Ping())
    assert path.read_bytes() == b"".join(lines)
    assert [event.action for event in shop.events()] == ["create", "start"]


def test_an_end_is_told_once_although_two_saw_it(shop: Shop) -> None:
    """A supervisor that was about to leave by its own eyes, and the launcher that came after the one it lost."""
    shop.up(shop.service("web", "exit 3"))
    shop.request(Wait(("web",)))
    record, told = shop.record("web"), shop.events()
    assert (record.exit_code, record.restart_count) == (3, 0)
    leave(shop)
    pid, start_time = record.ended
    end = exits.describe(pid=pid, start_time=start_time, status=3 << 8, oom_kills=0, finished_ns=time.time_ns())
    exits.write(shop.paths.project(shop.name).state(record.spec.name), end)
    shop.request(Ping())
    assert shop.events() == told


@pytest.mark.parametrize("reaped", [True, False])
def test_what_ended_while_nobody_was_there_has_its_status_once_it_is_reaped(shop: Shop, reaped: bool) -> None:
    """The holder had a pidfd (Linux 6.15); of a zombie that its new parent leaves alone nobody can know."""
    shop.up(shop.service("web", policy=Policy()))
    cgroup = Cgroup(shop.record("web").cgroup)
    kill_both(shop)
    pid = shop.record("web").pid
    kill(pid)
    if reaped:
        os.waitpid(pid, 0)  # orphans are ours, see tests/conftest.py
    shop.request(Wait(("web",)))
    record = shop.record("web")
    assert (record.state, record.exit_code, record.pid) == (State.EXITED, 137 if reaped else None, 0)
    assert [event.action for event in shop.events()] == ["create", "start", "die"]
    assert not any(os.path.exists(directory) for directory in cgroup.distinct())
    shop.up(shop.service("web", policy=Policy()))
    assert shop.record("web").state is State.RUNNING


def test_a_client_does_not_notice_that_the_supervisor_died_half_way(shop: Shop) -> None:
    policy = Policy(health=probe("test -e /ready", retries=1000))
    db = shop.service("db", "read line; touch /ready; exec sleep 1000", policy=policy, stdin_open=True)
    up = threading.Thread(
        target=shop.up, args=(db, shop.service("web", depends_on=(Dependency("db", Condition.HEALTHY),)))
    )
    other = Shop(shop.paths, shop.rootfs, shop.name)
    up.start()
    while not os.path.exists(shop.paths.project(shop.name).events):
        up.join(0.01)  # until the first supervisor writes its events
    shop.wait_event("db", "start")
    kill(other.pid_of_supervisor())
    Path(shop.paths.project(shop.name).state(shop.container("db")), "stdin").write_text("\n")
    up.join()
    assert shop.record("web").state is State.RUNNING
    assert [event.action for event in shop.events() if event.name == shop.container("db")].count("start") == 1


def test_a_removal_cut_short_is_finished_by_the_next_supervisor(shop: Shop) -> None:
    shop.up(shop.service("other"), shop.service("web", "exit 0"))
    shop.request(Wait(("web",)))
    places = shop.paths.project(shop.name)
    leave(shop)
    records.save(places, replace(shop.record("web"), state=State.REMOVING))
    shop.request(Ping())
    assert records.names(places) == [shop.container("other")]
    assert [event.action for event in shop.events() if event.service == "web"][-1] == "destroy"


def test_a_removal_is_told_although_nothing_of_the_container_is_left(shop: Shop) -> None:
    shop.up(shop.service("other"), shop.service("web", "exit 0"))
    shop.request(Wait(("web",)))
    places = shop.paths.project(shop.name)
    leave(shop)
    record = shop.record("web")
    gone = happened(record, "destroy")
    records.save(places, replace(record, story=(gone,), story_at=os.path.getsize(places.events)))
    records.put_away(places, record.spec.name)
    shop.request(Ping())
    assert shop.events()[-1] == gone
    assert not os.path.exists(places.removed)


def test_a_project_that_is_used_anew_is_not_swept_away(shop: Shop) -> None:
    """By a `down` that waits for the processes to leave, while another command has them make a container and leave."""
    places = shop.paths.project(shop.name)
    shop.up(shop.service("web"))
    with socket.socket(socket.AF_UNIX) as somebody:
        somebody.connect(places.supervisor_socket)  # keeps the supervisor
        shop.request(Down(timeout_ns=0))
        sweeper = threading.Thread(target=shop.client.sweep)
        sweeper.start()
        wait_locked(places.lock)
        shop.up(shop.service("web"), start=False)
        assert sweeper.is_alive()
    sweeper.join()
    assert shop.record("web").state is State.CREATED


def wait_locked(path: str) -> None:
    with open(path, "rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(0.01)  # a lock tells nobody that it is taken


def test_a_killed_launcher_is_succeeded_by_its_supervisor(shop: Shop) -> None:
    shop.up(shop.service("web", COUNTING))
    supervisor, parent = shop.pid_of_supervisor(), pid_of_launcher(shop)
    time.sleep(LASTED)  # what dies sooner is not succeeded
    with created(shop.paths.project(shop.name).supervisor_socket):
        kill(parent)
    assert shop.pid_of_supervisor() != supervisor
    assert pid_of_launcher(shop) == supervisor
    assert os.statvfs(f"/proc/{supervisor}/exe").f_flag & os.ST_RDONLY  # as that of the first launcher
    lines = len(shop.output("web").splitlines())
    wait_output(shop, "web", lines + 5)


def test_a_launcher_that_is_killed_during_a_probe_does_not_crash_the_supervisor(shop: Shop) -> None:
    silent = probe("exec sleep 1000 >/dev/null 2>&1", timeout_ns=1000 * SECOND)  # nothing is to be read of it any more
    shop.up(shop.service("web", FOREVER, policy=Policy(health=silent)))
    supervisor, parent = shop.pid_of_supervisor(), pid_of_launcher(shop)
    probing = wait_child("sleep", of=parent)
    kill(parent)
    wait_pid_gone(supervisor)
    os.kill(probing, signal.SIGKILL)
    os.waitpid(probing, 0)  # an orphan is ours to reap
    assert shop.pid_of_supervisor() != supervisor
    told = Path(shop.paths.project(shop.name).supervisor_log).read_text()
    assert '"crashed"' not in told
    assert '"launcher_died": true' in told


def test_a_fork_that_does_not_run_keeps_nobody_from_taking_the_launchers_place(shop: Shop) -> None:
    """A probe begun in a paused container is frozen where it is born, with all that the launcher has open."""
    shop.up(shop.service("web", COUNTING), shop.service("db"))
    shop.request(Pause(("web",)))
    supervisor, parent = shop.pid_of_supervisor(), pid_of_launcher(shop)
    with (
        launcher.connect(shop.paths.project(shop.name).launcher_socket) as peer,
        open("/dev/null", "r+b") as null,
    ):
        probing = StartProcess(1, shop.container("web"), Process(("true",)))
        launcher.send(peer, probing, (null.fileno(),) * 3)
        frozen = wait_child("pycompose-launc", of=parent)
        kill(parent)
    wait_pid_gone(supervisor)
    shop.request(Stop(("db",), timeout_ns=0))
    assert shop.record("db").state is State.EXITED
    shop.request(Unpause(("web",)))
    os.waitpid(frozen, 0)  # an orphan is ours to reap
    assert shop.record("web").state is State.RUNNING
    wait_output(shop, "web", len(shop.output("web").splitlines()) + 20)


def wait_child(name: str, *, of: int) -> int:
    """A child of a process, once it has one of that name, or that executes the program of that name."""
    deadline = time.monotonic() + 20
    while True:
        for child in Path(f"/proc/{of}/task/{of}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == f"{name}\n":
                return int(child)
        assert time.monotonic() < deadline, f"no {name}"
        time.sleep(0.01)  # nothing tells of an execve; bounded


def leave(shop: Shop) -> None:
    """Have both processes leave, and wait until they have."""
    supervisor, parent = shop.pid_of_supervisor(), pid_of_launcher(shop)
    with shop.client.open(Leave()):
        wait_pid_gone(supervisor)
        wait_pid_gone(parent)


def test_leaving_and_coming_back(shop: Shop) -> None:
    shop.up(shop.service("web", COUNTING))
    before, supervisor = shop.record("web"), shop.pid_of_supervisor()
    leave(shop)
    assert observe.is_alive(before, boot=observe.boot_id())
    assert shop.pid_of_supervisor() != supervisor
    assert shop.record("web").pid == before.pid
