"""Commands that read what is on disk, called as a person does; what is there is written as the supervisor would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from composer.cli.render import human
from composer.linux.identity import age_ns, start_time
from composer.planner.observed import HealthStatus, State
from composer.spec.cgroup import Resources
from composer.spec.container import ContainerSpec, LogPolicy
from composer.spec.desired import Desired, Service
from composer.spec.policy import HealthCheck, Policy
from composer.spec.process import Process
from composer.spec.rootfs import HostRoot
from composer.store import observe, records, wanted
from composer.store.events import Event, EventLog
from composer.store.logs.block import STDERR, STDOUT
from composer.store.logs.writer import LogWriter
from composer.store.paths import Paths
from composer.store.records import ContainerRecord, Health, ProbeResult
from tests.conftest import Pycompose

SECOND = 1_000_000_000


def spec(service: str, number: int = 1, **changes: object) -> ContainerSpec:
    made = ContainerSpec(
        name=f"shop-{service}-{number}",
        project="shop",
        service=service,
        number=number,
        rootfs=HostRoot(),
        process=Process(argv=("sleep", "1000"), env=(("A", "1"),)),
        resources=Resources(memory=524288000, nano_cpus=500000000),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a table of changes


def record(container: ContainerSpec, state: State = State.EXITED, **changes: object) -> ContainerRecord:
    made = ContainerRecord(
        id=container.name.encode().hex().ljust(64, "0"),
        spec=container,
        policy=Policy(),
        fingerprint="f",
        state=state,
        created_ns=time.time_ns() - 3600 * SECOND,
        started_ns=time.time_ns() - 120 * SECOND,
        finished_ns=time.time_ns() - 60 * SECOND,
        exit_code=3 if state is State.EXITED else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a table of changes


class Shop:
    """A project on disk: web runs (it is this very process), db has ended, the files say there is a cache as well."""

    def __init__(self, paths: Paths, directory: Path) -> None:
        self.paths = paths.project("shop")
        pid = os.getpid()
        running = {"pid": pid, "start_time": start_time(pid), "boot_id": observe.boot_id()}
        health = Health(HealthStatus.HEALTHY, 0, (ProbeResult(1, 2, 0, "fine"),))
        web = record(spec("web"), State.RUNNING, health=health, **running)
        self.save(replace(web, policy=Policy(health=HealthCheck(("true",)))))
        self.save(record(spec("db")))
        services = tuple(Service(name, (spec(name),)) for name in ("web", "db", "cache"))
        desired = Desired("shop", services, working_dir=str(directory), config_files=(f"{directory}/compose.yaml",))
        wanted.write(self.paths, desired)

    def save(self, it: ContainerRecord) -> None:
        records.save(self.paths, it)

    def log(self, container: str, *entries: tuple[int, int, bytes]) -> None:
        writer = LogWriter.open(self.paths.log(container), LogPolicy())
        for time_ns, stream, data in entries:
            writer.write(stream, data, time_ns=time_ns)
        writer.close()

    def event(self, action: str, time_ns: int, service: str = "web") -> None:
        log = EventLog(self.paths.events)
        log.append(Event(time_ns, action, "abc", service, (("name", f"shop-{service}-1"),)))
        log.close()


@pytest.fixture
def command(paths: Paths, tmp_path: Path) -> Pycompose:
    """`pycompose` over a project that nobody has to take down."""
    (tmp_path / "compose.yaml").write_text("name: shop\nservices: {web: {rootfs: /, command: sleep 1}}\n")
    return Pycompose(paths, tmp_path)


@pytest.fixture
def shop(paths: Paths, command: Pycompose) -> Shop:
    return Shop(paths, command.directory)


def up() -> str:
    """The status of this very process."""
    return f"Up {human.duration(age_ns(start_time(os.getpid())) / SECOND)} (healthy)"


def test_ps_shows_what_runs(command: Pycompose, shop: Shop) -> None:
    before = up()
    header, *rows = command("ps").stdout.splitlines()
    assert header.split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"]
    assert len(rows) == 1
    assert rows[0].split("   ")[0] == "shop-web-1"
    assert rows[0].split("   ")[-1] in (before, up())
    assert '"sleep 1000"' in rows[0]


def test_ps_shows_what_has_ended_if_asked(command: Pycompose, shop: Shop) -> None:
    assert "Exited (3) About a minute ago" in command("ps", "-a").stdout
    assert command("ps", "-a", "--services").stdout == "db\nweb\n"
    assert command("ps", "--status", "exited", "--format", "{{.Name}}").stdout == "shop-db-1\n"
    assert command("ps", "--filter", "status=exited", "--services").stdout == "db\n"
    assert command("ps", "-a", "-q", "db").stdout.strip() == record(spec("db")).id


def test_ps_for_programs(command: Pycompose, shop: Shop) -> None:
    (line,) = command("ps", "--format", "json").stdout.splitlines()
    row = json.loads(line)
    assert (row["Service"], row["State"], row["Health"], row["ExitCode"]) == ("web", "running", "healthy", 0)
    table = command("ps", "--format", r"table {{.Service}}\t{{.State}}").stdout
    assert table == "SERVICE   STATE\nweb       running\n"


def test_ps_tells_of_an_out_of_memory_kill(command: Pycompose, shop: Shop) -> None:
    shop.save(record(spec("db"), exit_code=137, oom_killed=True, oom_kills=1))
    assert "Exited (137) About a minute ago, out of memory" in command("ps", "-a").stdout


def test_a_record_is_not_believed_when_the_process_is_gone(command: Pycompose, shop: Shop) -> None:
    shop.save(record(spec("db"), State.RUNNING, pid=os.getpid(), start_time=1, boot_id=observe.boot_id()))
    shop.save(record(spec("cache"), State.RUNNING, pid=os.getpid(), start_time=start_time(os.getpid()), boot_id="old"))
    assert command("ps", "--services").stdout == "web\n"
    assert "Exited (unknown)" in command("ps", "-a", "db").stdout


@pytest.mark.parametrize("words", ["ps", "logs", "top", "inspect web", "exec web true", "down", "up -d"])
def test_a_project_of_a_newer_version_is_refused(command: Pycompose, shop: Shop, words: str) -> None:
    Path(shop.paths.form).write_text('{"form": 99, "pycompose": "42.0"}')
    refused = command(*words.split(), check=False)
    assert refused.returncode == 1
    assert "cannot use project shop: pycompose 42.0 runs it, in a form (99) that 0.1.0 does not know" in refused.stderr
    assert "use pycompose 42.0 or newer" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_project_of_a_newer_version_does_not_hide_the_others(command: Pycompose, shop: Shop) -> None:
    Path(shop.paths.form).write_text('{"form": 99, "pycompose": "42.0"}')
    told = command("ls", "-a")
    assert told.stdout.split() == ["NAME", "STATUS", "CONFIG", "FILES"]
    assert "pycompose 42.0 runs it" in told.stderr


@pytest.mark.parametrize("content", ["", "{", '{"id": 5}', "null", "\x00\xff"])
def test_a_damaged_record_costs_a_word_and_no_traceback(command: Pycompose, shop: Shop, content: str) -> None:
    Path(shop.paths.state("shop-db-1"), "record.json").write_text(content)
    done = command("ps", "-a")
    assert "cannot read the record of shop-db-1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "shop-web-1" in done.stdout


@pytest.mark.parametrize(
    ("place", "value"), [(("state",), "asleep"), (("spec",), 7), (("spec", "shape"), 1), (("spec", "number"), "one")]
)
@pytest.mark.parametrize("words", [("ps", "-a"), ("logs",), ("logs", "-f", "--until", "0s"), ("inspect",)])
def test_damage_where_everybody_looks_costs_a_word(
    command: Pycompose, shop: Shop, place: tuple[str, ...], value: object, words: tuple[str, ...]
) -> None:
    damage(shop, *place, value=value)
    shop.log("shop-web-1", (1, STDOUT, b"of shop-web-1\n"))
    done = command(*words)
    assert "cannot read the record of shop-db-1: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "shop-web-1" in done.stdout


def damage(shop: Shop, *place: str, value: object) -> None:
    file = Path(shop.paths.state("shop-db-1"), "record.json")
    tree = part = json.loads(file.read_text())
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    file.write_text(json.dumps(tree))


def test_damage_elsewhere_in_a_record_is_told_by_who_looks_there(command: Pycompose, shop: Shop) -> None:
    damage(shop, "spec", "process", "argv", value=7)
    assert command("ps", "-aq").returncode == 0
    done = command("ps", "-a", check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "pycompose: cannot read argv of a Process: 'int' object is not iterable\n"
        "hint: what is kept of it on disk is damaged, or another version of pycompose has written it\n"
    )


@pytest.mark.parametrize(
    "words", [("logs", "wbe"), ("ps", "wbe"), ("inspect", "wbe"), ("top", "wbe"), ("events", "wbe")]
)
def test_a_service_that_is_not_there(command: Pycompose, shop: Shop, words: tuple[str, ...]) -> None:
    done = command(*words, check=False)
    assert done.returncode == 1
    assert done.stderr == 'pycompose: there is no service "wbe"\nhint: did you mean web?\n'


def test_a_project_that_is_not_there(command: Pycompose, shop: Shop) -> None:
    done = command("-p", "shpo", "ps", check=False)
    assert (done.returncode, done.stderr) == (
        1,
        'pycompose: there is no project "shpo"\nhint: did you mean shop?\n',
    )


def test_a_project_that_is_not_up_yet_has_no_containers(command: Pycompose) -> None:
    assert len(command("ps").stdout.splitlines()) == 1
    assert command("down").stdout == ""


def test_the_project_is_found(command: Pycompose, shop: Shop) -> None:
    file = command.directory / "compose.yaml"
    services = ("ps", "--services")
    below = command.directory / "below"
    below.mkdir()
    file.write_text("services: [\nno longer valid")  # it was brought up from this very file: that is enough
    assert command(*services).stdout == "web\n"
    assert Pycompose(Paths(command.paths.run, command.paths.root), below)(*services).stdout == "web\n"
    assert command("-f", str(file), *services).stdout == "web\n"
    file.unlink()
    assert command("-p", "shop", *services).stdout == "web\n"
    command.environment["COMPOSE_PROJECT_NAME"] = "shop"
    assert command(*services).stdout == "web\n"
    del command.environment["COMPOSE_PROJECT_NAME"]
    (command.directory / ".env").write_text("OTHER=1\nCOMPOSE_PROJECT_NAME=shop\n")
    assert command(*services).stdout == "web\n"
    (command.directory / ".env").unlink()
    done = command(*services, check=False)
    assert done.returncode == 14
    assert "hint: name a project with -p: there are shop" in done.stderr


def test_ls(command: Pycompose, shop: Shop) -> None:
    assert command("ls").stdout.splitlines()[1].split("   ")[0] == "shop"
    (row,) = json.loads(command("ls", "-a", "--format", "json").stdout)
    assert row["Status"] == "exited(1), running(1)"
    assert row["ConfigFiles"] == f"{command.directory}/compose.yaml"
    assert command("ls", "-q", "--filter", "name=nothing").stdout == ""


def test_inspect_has_docker_names(command: Pycompose, shop: Shop) -> None:
    web, db = (json.loads(command("inspect", name).stdout)[0] for name in ("web", "db"))
    assert web["HostConfig"]["Memory"] == 524288000
    assert web["HostConfig"]["NanoCpus"] == 500000000
    assert web["State"]["Health"]["Status"] == "healthy"
    assert web["State"]["Health"]["Log"][0]["Output"] == "fine"
    assert web["State"]["Running"] is True
    assert web["Config"]["Env"] == ["A=1"]
    assert (web["Path"], web["Args"]) == ("sleep", ["1000"])
    assert (db["State"]["Status"], db["State"]["ExitCode"], db["RestartCount"]) == ("exited", 3, 0)
    assert command("inspect", "-f", "{{.State.Status}}", "db").stdout == "exited\n"


def test_top_shows_this_process(command: Pycompose, shop: Shop) -> None:
    directory = next(Path("/sys/fs/cgroup").glob("**/cgroup.procs"), None)
    if directory is None:
        pytest.skip("no cgroup file system")
    shop.save(replace(load(shop, "web"), cgroup=(("any", str(directory.parent)),)))
    lines = command("top", "web").stdout.splitlines()
    assert lines[0].split() == ["SERVICE", "#", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any(line.split()[3] == "1" for line in lines[1:])


def load(shop: Shop, service: str) -> ContainerRecord:
    found = records.load(shop.paths, f"shop-{service}-1")
    assert found is not None
    return found


def test_logs_are_merged_in_order_of_time(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", (1, STDOUT, b"one\n"), (3, STDERR, b"three\n"))
    shop.log("shop-db-1", (2, STDOUT, b"two\xff\n"), (4, STDOUT, b"four"))
    done = subprocess.run(
        command.argv("logs"), env=command.environment, cwd=command.directory, capture_output=True, check=True
    )
    assert done.stdout == b"web-1  | one\ndb-1   | two\xff\nweb-1  | three\ndb-1   | four\n"
    assert command("logs", "--no-log-prefix", "-n", "1").stdout == "three\nfour\n"
    assert command("logs", "-t", "web", "--since", "0.000000002").stdout == (
        "web-1  | 1970-01-01T00:00:00.000000003Z three\n"
    )
    assert command("logs", "--index", "2").stdout == ""


@contextmanager
def following(command: Pycompose, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command.argv(*words), env=command.environment, cwd=command.directory, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_following_logs_ends_when_nothing_runs(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", (1, STDOUT, b"one\n"))
    with following(command, "logs", "-f") as process:
        assert line_of(process) == b"web-1  | one\n"
        shop.log("shop-web-1", (2, STDOUT, b"two\n"))
        assert line_of(process) == b"web-1  | two\n"
        shop.save(record(spec("cache"), State.CREATED))
        shop.log("shop-cache-1", (3, STDOUT, b"new here\n"))
        assert line_of(process) == b"cache-1  | new here\n"
        shop.log("shop-web-1", (4, STDOUT, b"last words"))
        shop.save(record(spec("web")))
        shop.event("die", time.time_ns())
        assert line_of(process) == b"web-1    | last words\n"
        assert process.wait(10) == 0


def slept(pid: int) -> tuple[str, str]:
    """How long a process has run, and how often it was put on a processor: schedstat's first and last number."""
    ran, _, times = Path(f"/proc/{pid}/schedstat").read_text().split()
    return ran, times


def test_following_costs_nothing_while_nothing_is_written(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", (1, STDOUT, b"one\n"))
    with following(command, "logs", "-f") as process:
        assert line_of(process) == b"web-1  | one\n"
        shop.log("shop-web-1", (2, STDOUT, b"two\n"))
        assert line_of(process) == b"web-1  | two\n"
        wait_asleep(process.pid)
        before = slept(process.pid)
        time.sleep(2)  # the very thing that is measured: two seconds of nothing
        assert slept(process.pid) == before
        shop.log("shop-web-1", (3, STDOUT, b"three\n"))
        assert line_of(process) == b"web-1  | three\n"
        assert slept(process.pid) != before


def wait_asleep(pid: int) -> None:
    """Until it waits in poll(2) or select(2), where nothing but an event wakes it."""
    deadline = time.monotonic() + 10
    while not Path(f"/proc/{pid}/wchan").read_text().startswith(("do_select", "poll_schedule", "do_poll")):
        assert time.monotonic() < deadline, Path(f"/proc/{pid}/wchan").read_text()
        time.sleep(0.01)


def test_logs_as_objects(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", (1, STDOUT, b"one\ntwo\n"), (2, STDERR, b"bad \xff"))
    found = [json.loads(line) for line in command("logs", "--format", "json").stdout.splitlines()]
    assert [(it["service"], it["container"], it["stream"], it["message"]) for it in found] == [
        ("web", "shop-web-1", "stdout", "one"),
        ("web", "shop-web-1", "stdout", "two"),
        ("web", "shop-web-1", "stderr", "bad \ufffd"),
    ]
    assert (found[0]["time"], found[2]["message_base64"]) == ("1970-01-01T00:00:00.000000001Z", "YmFkIP8=")


def test_logs_of_a_level_that_match(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", (1, STDOUT, b'{"level":"error","n":1}\nplain 1\n'), (2, STDERR, b"Traceback 1\n"))
    shop.log("shop-db-1", (3, STDOUT, b"level=warn n=3\nlevel=info n=1\n"), (4, STDOUT, b"plain 1"))
    bare = ("logs", "--no-log-prefix")
    assert command(*bare, "--level", "warn").stdout == '{"level":"error","n":1}\nTraceback 1\nlevel=warn n=3\n'
    assert command(*bare, "--level", "warn", "--grep", "1").stdout == '{"level":"error","n":1}\nTraceback 1\n'
    assert command(*bare, "--grep", "plain", "-n", "1").stdout == "plain 1\nplain 1\n"
    assert "--level" in command("logs", "--level", "loud", check=False).stderr
    assert command("logs", "--grep", "(", check=False).returncode == 2


def test_following_sifts_and_ends_at_a_time(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", (1, STDOUT, b"one\n"), (2, STDOUT, b"two\n"))
    until = f"{time.time() + 3:.9f}"
    with following(command, "logs", "-f", "--grep", "o", "-n", "1", "--until", until) as process:
        assert line_of(process) == b"web-1  | two\n"
        shop.log("shop-web-1", (time.time_ns(), STDOUT, b"three\nfour\n"))
        assert line_of(process) == b"web-1  | four\n"
        assert process.wait(20) == 0


@pytest.mark.parametrize("words", [("logs", "-f"), ("events",), ("stats",)])
def test_an_interrupt_ends_quietly(command: Pycompose, shop: Shop, words: tuple[str, ...]) -> None:
    shop.log("shop-web-1", (1, STDOUT, b"one\n"))
    shop.event("start", 1)
    argv = command.argv(*words, *(("--since", "0") if words == ("events",) else ()))
    with subprocess.Popen(
        argv, env=command.environment, cwd=command.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert line_of(process)  # it is at work
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (130, b"")


def test_a_reader_that_leaves_is_no_error(command: Pycompose, shop: Shop) -> None:
    shop.log("shop-web-1", *((n, STDOUT, b"x" * 100 + b"\n") for n in range(1, 3000)))
    with subprocess.Popen(
        command.argv("logs"),
        env=command.environment,
        cwd=command.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert line_of(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(10) == 141


def test_events_of_the_past(command: Pycompose, shop: Shop) -> None:
    shop.event("start", 1 * SECOND)
    shop.event("die", 2 * SECOND, "db")
    shop.event("stop", 3 * SECOND)
    lines = command("events", "--json", "--since", "2", "--until", "3").stdout.splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["die", "stop"]
    text = command("events", "--since", "2", "--until", "3", "db").stdout
    assert text.endswith("container die abc (name=shop-db-1)\n")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("pss",), 2, 'pycompose: unknown command "pss"\nhint: did you mean ps?\n'),
        (("logs", "--fllow"), 2, "pycompose: unknown option --fllow\nhint: did you mean --follow?\n"),
        (
            ("logs", "--since", "soon"),
            2,
            'pycompose: cannot read "soon" as a time\nhint: write 2024-01-02T13:23:37Z, or 42m for 42 minutes ago\n',
        ),
        (
            ("exec", "db", "true"),
            1,
            'pycompose: container shop-db-1 of service "db" is not running\n'
            "hint: it is exited; `pycompose start db` starts it\n",
        ),
        (
            ("exec", "--index", "4", "web", "true"),
            1,
            'pycompose: service "web" has no container number 4\nhint: `pycompose up -d` makes it\n',
        ),
        (("-p", "No Good", "ps"), 2, None),
        (("-f", "nothing.yaml", "config"), 14, None),
        (("run", "--rootfs", "nothing.tar", "--", "true"), 14, None),
        (("run", "--rootfs", "/", "--mem", "much", "--", "true"), 2, None),
        (("run", "--rootfs", "/", "-v", "n:/there", "--", "true"), 2, None),
        (("kill", "-s", "SIGFOO"), 2, None),
        (("up", "-d", "--abort-on-container-exit"), 2, None),
        (("scale", "web"), 2, None),
        (("scale", "wbe=2"), 1, None),
        (("attach", "--detach-keys", "ctrl", "web"), 2, None),
    ],
)
@pytest.mark.root
def test_mistakes_end_in_a_message(
    command: Pycompose, shop: Shop, words: tuple[str, ...], status: int, message: str | None
) -> None:
    done = command(*words, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("pycompose: ")
    assert "Traceback" not in done.stderr
    if message is not None:
        assert done.stderr == message


def test_dry_runs_do_nothing(command: Pycompose, shop: Shop) -> None:
    before = sorted(map(str, Path(command.paths.run).rglob("*")))
    assert "stop container shop-web-1" in command("stop", "--dry-run").stdout
    assert "remove container shop-db-1" in command("down", "--dry-run").stdout
    assert "send signal 9 to container shop-web-1" in command("--dry-run", "kill").stdout
    plan = json.loads(command("up", "--dry-run", "--format", "json").stdout)
    assert plan["steps"]
    assert sorted(map(str, Path(command.paths.run).rglob("*"))) == before


def test_config(command: Pycompose) -> None:
    (command.directory / "compose.yaml").write_text(
        "name: shop\nservices:\n  web: {rootfs: /, command: 'a b', depends_on: [db]}\n  db: {rootfs: /, command: c}\n"
        "  x: {rootfs: /, profiles: [more]}\n"
    )
    assert command("config", "--services").stdout.split() == ["web", "db"]
    assert command("config", "--profiles").stdout == "more\n"
    assert command("config", "-q").stdout == ""
    tree = json.loads(command("config", "--format", "json", "db").stdout)
    assert list(tree["services"]) == ["db"]
    assert list(json.loads(command("config", "--format", "json", "web").stdout)["services"]) == ["db", "web"]
    first = command("config", "--hash", "web").stdout
    assert first.startswith("web ")
    command("config", "-o", "out.yaml")
    assert (command.directory / "out.yaml").read_text() == command("config").stdout
    done = command("config", "wbe", check=False)
    assert 'there is no service "wbe"' in done.stderr


def test_mistakes_in_a_file_come_all_at_once(command: Pycompose) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    rootfs: /\n    enviroment: {A: 1}\n    mem_limit: lots\n"
    )
    done = command("config", check=False)
    assert done.returncode == 15
    assert "compose.yaml:4:5: error: services.web.enviroment" in done.stderr
    assert "compose.yaml:5:16: error: services.web.mem_limit" in done.stderr
    assert "  4 |     enviroment: {A: 1}\n    |     ^^^^^^^^^^\n" in done.stderr
    lines = command("--progress", "json", "config", check=False).stderr.splitlines()
    *told, summary = map(json.loads, lines)
    assert [(it["code"], it["range"]["start"]["line"]) for it in told] == [("unknown-key", 4), ("bad-value", 5)]
    assert summary == {"error": "cannot use compose.yaml: 2 mistakes"}


def test_warnings_are_lines_of_json_as_well(command: Pycompose) -> None:
    (command.directory / "compose.yaml").write_text("version: '3'\nservices:\n  web: {rootfs: /}\n")
    done = command("--progress", "json", "config", "-q")
    (warning,) = map(json.loads, done.stderr.splitlines())
    assert (warning["severity"], warning["code"], warning["path"]) == ("warning", "obsolete", "version")


def test_check_tells_what_the_kernel_offers(command: Pycompose) -> None:
    found = json.loads(command("check", "--format", "json", check=False).stdout)
    assert {"kernel", "overlay file system", "cgroups", "memory controller", "openat2(2)"} <= {
        it["feature"] for it in found
    }
    network = {"bridge interfaces", "veth interfaces", "ipvlan interfaces", "nftables", "net.ipv4.ip_forward"}
    assert network <= {it["feature"] for it in found}
    [forwarding] = [it for it in found if it["feature"] == "net.ipv4.ip_forward"]
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as file:
        assert forwarding["detail"].startswith("off: " if file.read().strip() == "0" else "on")
    done = command("check", check=False)
    missing = any(it["needed"] and not it["there"] for it in found)
    assert done.returncode == (1 if missing else 0)
    assert ("ready to run containers" in done.stdout) is not missing


def test_the_schema_is_shipped(command: Pycompose) -> None:
    tree = json.loads(command("schema").stdout)
    assert {"rootfs", "x-rootfs", "x-on-unhealthy"} <= set(
        tree["properties"]["services"]["additionalProperties"]["properties"]
    )
