"""What bad input gets, from the command line: one clear message, the right exit status, nothing left behind.

One table, a row a mistake. `Case.says` are parts of the message in their order; the rest of the wording is the
business of the room that says it. Rows that start nothing need neither root nor a kernel.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Pycompose

WEB = 'services:\n  web:\n    rootfs: /\n    command: [sleep, "60"]\n    stop_grace_period: 0s\n'
CHECK = ("config", "-q")
UP = ("up", "-d")
BARE = ("run", "--rootfs", "/")


@dataclass(frozen=True, slots=True)
class Case:
    """Words typed in a directory with these files, and what comes of it."""

    name: str
    text: str | bytes
    says: tuple[str, ...]
    status: int = 15
    words: tuple[str, ...] = CHECK
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""


def service(**keys: str) -> str:
    """A file with one service; a key's value is YAML."""
    own = {"rootfs": "/", "command": '[sleep, "60"]', "stop_grace_period": "0s"} | keys
    return "services:\n  web:\n" + "".join(f"    {key}: {value}\n" for key, value in own.items())


def bomb(levels: int) -> str:
    lines = ["  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "x-bomb:\n" + "\n".join(lines) + "\n" + WEB


def tar(*members: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in members:
            archive.addfile(tarfile.TarInfo(name))
    return content.getvalue()


FILES = [
    Case("not YAML", "services: [a: b\n  }}}", ("compose.yaml:2:3: error: a list in brackets is not closed",)),
    Case("tab", "services:\n\tweb:\n", ("compose.yaml:2:1:", "a tab stands where", "indent with spaces")),
    Case("key twice", WEB + "    rootfs: /x\n", ("compose.yaml:6:5:", '"rootfs" is given twice; first on line 3')),
    Case("empty", "", ("compose.yaml:1:1:", "the Compose file is empty", 'begin with "services:"')),
    Case("binary", bytes(range(256)), ("the byte 0x80 is not UTF-8",)),
    Case("NUL", WEB + '    hostname: "a\0b"\n', ("compose.yaml:6:17:", "the control character U+0000")),
    Case("a text", "hello", ('a mapping that begins with "services:", found the text "hello"',)),
    Case("services as a list", "services:\n - web\n", ("services: found a list where a mapping is needed",)),
    Case("alias bomb", bomb(11), ("more than 100000 nodes",)),
    Case("alias of itself", "x-a: &a [*a]\n" + WEB, ('the alias "*a" contains itself',)),
    Case("nested deep", f"x-a: {'[' * 5000}{']' * 5000}\n" + WEB, ("nested deeper than 100 levels",)),
    Case("code in a tag", "x-a: !!python/object/apply:os.system [id]\n" + WEB, ("the tag", "is not known here")),
    Case("larger than a file may be", "#" * 17_000_000, ("more than 16777216 bytes are too many",)),
    Case(
        "all mistakes at once",
        "services:\n  web: {rootfs: /, enviroment: {}}\n  db: {imge: x}\nservces: {}\n",
        (
            "2:20",
            "did you mean environment?",
            "db: the service has no rootfs",
            "did you mean image?",
            "did you mean services?",
            "4 mistakes",
        ),
    ),
    Case("cycle", "services:\n  a: {rootfs: /, depends_on: [b]}\n  b: {rootfs: /, depends_on: [a]}\n", ("a → b → a",)),
    Case(
        "undefined dependency", service(depends_on="[wbe]"), ('the service "wbe" is not defined', "did you mean web?")
    ),
    Case(
        "dependency of a profile",
        service(depends_on="[db]") + "  db: {rootfs: /, profiles: [x]}\n",
        ('the service "db" is disabled by its profiles (x)', "--profile x"),
    ),
    Case(
        "name taken",
        "services:\n  a: {rootfs: /, container_name: same}\n  b: {rootfs: /, container_name: same}\n",
        ('the container name "same" is taken by the service a',),
    ),
    Case("unset variable", service(hostname="${X:?set X}"), ("the required variable X is not set: set X", "1 mistake")),
    Case("unreadable template", service(hostname="${X"), ('"${X" is not closed', "1 mistake")),
    Case("env file missing", service(env_file="no.env"), ("cannot read the env file no.env: there is no such file",)),
    Case("env file is a directory", service(env_file="."), ("cannot read the env file .: it is a directory",)),
    Case(".env", WEB, (".env:1:3:", "a quoted value is not closed", "cannot use .env"), files={".env": "A='x\n"}),
    Case(".env binary", WEB, (".env:1:1:", "the byte 0xff is not UTF-8"), files={".env": b"\xff\xfe\0"}),
    Case("too many", service(scale="100000000"), ("100000000 containers are too many",)),
    Case("sysctl out of its tree", service(sysctls="[net/../kernel/panic=1]"), ("is not the name of a kernel",)),
    Case(
        "owner of a secret",
        service(secrets='[{source: s, uid: root, gid: "-1"}]') + "secrets: {s: {file: ./s}}\n",
        ("compose.yaml:6:32:", '"root" is not the number of an owner', '"-1" is not the number of an owner'),
    ),
    Case(
        "two secrets in one place",
        service(secrets="[s, {source: t, target: s}]") + "secrets: {s: {file: ./s}, t: {file: ./t}}\n",
        ("compose.yaml:6:", "/run/secrets/s is secrets[0] already", "write another target"),
    ),
    Case(
        "volume driver",
        service(volumes='["d1:/data"]') + "volumes: {d1: {driver: rexray}}\n",
        ("compose.yaml:", 'volumes.d1.driver: the volume cannot have driver "rexray"', "write driver: local"),
        words=UP,
    ),
    Case("terminal codes", 'services:\n  "\\e[2J": {rootfs: /}\n', ("\\x1b[2J",)),
]

# Accepted by docker compose although certainly wrong.
VALUES = [  # key, value, what is said of it
    ("restart", "sometimes", '"sometimes" is not a restart policy'),
    ("restart", "on-failure:abc", '"abc" is not a number of retries'),
    ("deploy", "{restart_policy: {condition: maybe}}", '"maybe" is not a value of condition'),
    ("stop_signal", "SIGFOO", '"SIGFOO" is not a signal'),
    ("mem_limit", "1.5", "the size 1.5 has no unit"),
    ("mem_limit", "1e3", "has no unit"),
    ("mem_limit", "99999999999999999999", "more than the kernel can count"),
    ("volumes", "[/a:/b:foo]", '"foo" is not an option of a volume'),
    ("volumes", "[/a:/x, /b:/x/]", "/x is a mount of volumes[0] already"),
    ("volumes", "[d:/data]", "has one letter"),
    ("stop_grace_period", "-3s", "is a negative duration"),
    ("healthcheck", "{interval: 30}", "the duration 30 has no unit"),
    ("profiles", "[a b]", '"a b" is not a profile name'),
    ("labels", "{com.docker.compose.project: x}", "is reserved"),
    ("cpuset", "1-0", "is not a CPU or a range of them"),
    ("ulimits", "{nofile: {soft: 10, hard: 5}}", "the soft limit 10 is above the hard limit 5"),
    ("working_dir", "a/b", "is not absolute"),
]

WORDS = [
    Case("named file missing", WEB, ("cannot read the Compose file no.yaml",), 14, ("-f", "no.yaml", *CHECK)),
    Case("named file is a directory", WEB, ("cannot read the Compose file .: it is",), 14, ("-f", ".", *CHECK)),
    Case("standard input", WEB, ("<stdin>:1:1:", 'found the text "foo"'), 15, ("-f", "-", *CHECK), stdin=b"foo"),
    Case("unknown command", WEB, ('unknown command "upp"', "did you mean up?"), 2, ("upp",)),
    Case(
        "unknown option", WEB, ("unknown option --forse-recreate", "--force-recreate?"), 2, ("up", "--forse-recreate")
    ),
    Case("unknown service", WEB, ('there is no service "wbe"', "did you mean web?"), 1, ("up", "-d", "wbe")),
    Case("timeout", WEB, ('--timeout cannot be "abc"',), 2, ("up", "-d", "-t", "abc")),
    Case("scale without a number", WEB, ('cannot read "web"', "web=3"), 2, ("up", "--scale", "web")),
    Case("scale nobody", WEB, ('there is no service "nope"',), 1, ("up", "-d", "--scale", "nope=2")),
    Case("scale beyond", WEB, ("at most 10000",), 2, ("up", "--dry-run", "--scale", "web=99999999999")),
    Case("contradiction", WEB, ("exclude each other",), 2, ("up", "-d", "--no-recreate", "--force-recreate")),
    Case("project name", WEB, ('cannot use "My P" of -p', "myp would do"), 2, ("-p", "My P", "ps")),
    Case("since", WEB, ('cannot read "nonsense" as a time',), 2, ("logs", "--since", "nonsense")),
    Case("tail", WEB, ('--tail cannot be "x"',), 2, ("logs", "--tail", "x")),
    Case("run without a command", WEB, ("is missing",), 2, ("run", "--rootfs", "/")),
    Case("run nowhere", WEB, ("cannot find the root file system",), 14, ("run", "--rootfs", "./no", "--", "true")),
    Case("run under a bad name", WEB, ('cannot call a container "../x"',), 2, (*BARE, "--name", "../x", "--", "true")),
    Case("run in a bad project", WEB, ('cannot use "../x"',), 2, ("-p", "../x", *BARE, "--", "true")),
    Case("run on a bad host", WEB, ('cannot use "a b" as hostname',), 2, (*BARE, "--hostname", "a b", "--", "true")),
    Case("variable without a name", WEB, ('--env cannot be "=x"',), 2, (*BARE, "-e", "=x", "--", "true")),
    Case("reading a file that is missing", WEB, ("cannot read the Compose file",), 14, ("-f", "no.yaml", "ps")),
    Case("relative place", WEB, ('PYCOMPOSE_RUN cannot be "x"',), 2, ("ps",), environment={"PYCOMPOSE_RUN": "x"}),
    Case("bytes", WEB, ('unknown command "a\\udcffb"',), 2, (os.fsdecode(b"a\xffb"),)),
]

Content = str | bytes
STARTS: list[tuple[str, dict[str, str], int, tuple[str, ...], dict[str, Content]]] = [
    ("rootfs missing", {"rootfs": "./no"}, 14, ("cannot use rootfs", "/no: there is no such file"), {}),
    ("rootfs below a file", {"rootfs": "./f/x"}, 1, ("cannot use rootfs", "not a directory"), {"f": ""}),
    ("rootfs a text", {"rootfs": "./f"}, 1, ("cannot unpack rootfs", "it is not a tar archive"), {"f": "hello"}),
    ("rootfs a device", {"rootfs": "/dev/zero"}, 1, ("neither a directory nor a tar archive",), {}),
    ("archive empty", {"rootfs": "./f"}, 1, ("cannot unpack rootfs", "it has no members"), {"f": tar()}),
    ("archive truncated", {"rootfs": "./f"}, 1, ("it has no end mark",), {"f": tar("bin")[:512]}),
    ("archive escapes", {"rootfs": "./f"}, 1, ("'../evil' leads out of the root",), {"f": tar("../evil")}),
    ("image", {"rootfs": "./f"}, 1, ("`docker save`", "docker export"), {"f": tar("manifest.json", "blobs")}),
    ("no command", {"command": "[]"}, 15, ("compose.yaml:2:3: error: services.web: the service has no command",), {}),
    ("command missing", {"command": "[nope]"}, 127, ('command "nope" not found', "PATH="), {}),
    ("command a directory", {"command": "[/etc]"}, 126, ("it is a directory",), {}),
    ("command empty", {"command": "['']"}, 15, ("the service has an empty text for a command",), {}),
    ("command not executable", {"command": "[/etc/passwd]"}, 126, ("is not executable",), {}),
    ("user", {"user": "nope"}, 1, ("cannot run as user 'nope'", "/etc/passwd of the root file system"), {}),
    ("group", {"user": "root:nope"}, 1, ("cannot run as group 'nope'",), {}),
    ("memory", {"mem_limit": "100k"}, 1, ("mem_limit 102400", "nothing could start in it"), {}),
    ("processors", {"cpus": "10000"}, 1, ("cpus 10000: between 0.01 and",), {}),
    ("cpuset", {"cpuset": '"8000"'}, 1, ("cpuset 8000: not available here",), {}),
    ("sysctl of the host", {"sysctls": "{kernel.panic: 1}"}, 1, ("cannot set sysctl", "the whole host"), {}),
    ("sysctl unknown", {"sysctls": "{net.nope: 1}"}, 1, ("sysctl net.nope", "no parameter of that name"), {}),
    ("device", {"devices": "[/dev/nope]"}, 1, ("cannot add device /dev/nope",), {}),
    ("seccomp", {"security_opt": "[seccomp=./s]"}, 1, ("cannot use seccomp profile",), {"s": "{"}),
    (
        "bind",
        {"volumes": "[{type: bind, source: ./no, target: /x, bind: {create_host_path: false}}]"},
        1,
        ("it binds", "/no does not exist"),
        {},
    ),
]


def run(pycompose: Pycompose, case: Case) -> subprocess.CompletedProcess[bytes]:
    for name, content in ({"compose.yaml": case.text} | dict(case.files)).items():
        data = content if isinstance(content, bytes) else content.encode()
        (pycompose.directory / name).write_bytes(data)
    return subprocess.run(
        pycompose.argv(*case.words),
        cwd=pycompose.directory,
        env={**pycompose.environment, **case.environment},
        input=case.stdin,
        capture_output=True,
        timeout=60,
    )


def check(case: Case, done: subprocess.CompletedProcess[bytes]) -> None:
    said = done.stderr.decode(errors="replace")
    assert "Traceback" not in said
    assert done.returncode == case.status, said
    position = 0
    for part in case.says:
        assert part in said[position:], said
        position = said.index(part, position)


def names(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", FILES, ids=names)
def test_a_mistake_in_a_file_is_told(pycompose: Pycompose, case: Case) -> None:
    done = run(pycompose, case)
    check(case, done)
    assert not done.stdout
    assert not os.path.exists(pycompose.paths.run)


def test_values_that_docker_compose_takes_silently_are_all_told_at_once(pycompose: Pycompose) -> None:
    services = "".join(
        f"  s{number}: {{rootfs: /, command: 'true', {key}: {value}}}\n"
        for number, (key, value, _) in enumerate(VALUES)
    )
    (pycompose.directory / "compose.yaml").write_text(f"services:\n{services}")
    done = pycompose(*CHECK, check=False)
    assert done.returncode == 15
    assert f"{len(VALUES)} mistakes" in done.stderr
    for number, (key, _, says) in enumerate(VALUES):
        line = next(line for line in done.stderr.splitlines() if f"error: services.s{number}.{key}" in line)
        assert line.startswith(f"compose.yaml:{number + 2}:")
        assert says in line


@pytest.mark.parametrize("case", WORDS, ids=names)
def test_a_mistake_on_the_command_line_is_told(pycompose: Pycompose, case: Case) -> None:
    check(case, run(pycompose, case))
    assert not os.path.exists(pycompose.paths.run)


def test_no_file_at_all_is_told(pycompose: Pycompose) -> None:
    done = pycompose("up", "-d", check=False)
    assert done.returncode == 14
    assert done.stderr.startswith("pycompose: cannot find a Compose file in")


@pytest.mark.root
@pytest.mark.parametrize(("_", "keys", "status", "says", "files"), STARTS, ids=[row[0] for row in STARTS])
def test_what_cannot_start_is_told_and_leaves_nothing(
    pycompose: Pycompose, _: str, keys: dict[str, str], status: int, says: tuple[str, ...], files: dict[str, Content]
) -> None:
    case = Case("", service(**keys), says, status, UP, files=files)
    check(case, run(pycompose, case))
    pycompose("down")
    assert all("/.compiled/" in left for left in _files(pycompose.paths.run))


@pytest.mark.root
@pytest.mark.parametrize("words", [("up", "-d"), ("run", "--rootfs", "/", "--", "true")], ids=" ".join)
def test_who_is_not_root_is_told(pycompose: Pycompose, words: tuple[str, ...]) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = subprocess.run(
        [*nobody, *pycompose.argv("-p", "shop", "-f", "-", *words)],
        cwd="/",
        env=pycompose.environment,
        input=WEB.encode(),
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.decode()) == (
        1,
        f"pycompose: cannot {words[0]}: only root may\nhint: sudo pycompose {words[0]} ...\n",
    )


READING = [
    (("ps",), "NAME   IMAGE   COMMAND   SERVICE   CREATED   STATUS   PORTS\n"),
    (("logs",), ""),
    (("top",), ""),
    (("events", "--since", "1h", "--until", "0s"), ""),
    (("down",), ""),
]


@pytest.mark.parametrize(("words", "shown"), READING, ids=lambda value: value[0] if value else "")
def test_a_project_that_is_not_up_has_no_containers(pycompose: Pycompose, words: tuple[str, ...], shown: str) -> None:
    (pycompose.directory / "compose.yaml").write_text(WEB)
    done = pycompose(*words)
    assert (done.stdout, done.stderr) == (shown, "")


@pytest.mark.parametrize(
    "words", [words for words, _ in READING] + [("exec", "web", "true")], ids=lambda words: words[0]
)
def test_a_project_that_is_not_there_is_told_with_the_nearest(pycompose: Pycompose, words: tuple[str, ...]) -> None:
    os.makedirs(pycompose.paths.project("shop").run)
    done = pycompose("-p", "shpo", *words, check=False)
    assert (done.returncode, done.stderr) == (1, 'pycompose: there is no project "shpo"\nhint: did you mean shop?\n')
    os.rmdir(pycompose.paths.project("shop").run)


@pytest.mark.root
def test_a_full_disk_is_told(pycompose: Pycompose) -> None:
    (pycompose.directory / "compose.yaml").write_text(service(rootfs="./rootfs.tar"))
    (pycompose.directory / "rootfs.tar").write_bytes(tar(*(f"f{n}" for n in range(500))))
    os.mkdir(pycompose.paths.root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=100", "tmpfs", pycompose.paths.root], check=True)
    try:
        done = pycompose("up", "-d", check=False)
        left = [name for name in _files(pycompose.paths.root) if "f1" in os.path.basename(name)]
    finally:
        pycompose("down", check=False)
        subprocess.run(["umount", pycompose.paths.root], check=True)
    assert done.returncode == 1
    assert "cannot unpack rootfs" in done.stderr
    assert "no space left on device" in done.stderr
    assert left == []


@pytest.mark.root
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"version": 99}'], ids=repr)
def test_a_damaged_record_is_told_and_down_clears_it_away(pycompose: Pycompose, content: bytes) -> None:
    (pycompose.directory / "compose.yaml").write_text(WEB)
    pycompose("up", "-d")
    (project,) = (name for name in os.listdir(pycompose.paths.run) if name[0] != ".")
    places = pycompose.paths.project(project)
    name = os.listdir(places.containers)[0]
    Path(places.containers, name, "record.json").write_bytes(content)
    Path(places.desired).write_bytes(content)
    assert f"cannot read the record of {name}" in pycompose("ps").stderr
    pycompose("down")
    assert not os.path.exists(places.run)


SHELL = [
    ("nobody reads on", "{} help | true", ""),
    ("standard output is full", "{} version > /dev/full; test $? = 1", "No space left on device"),
    ("standard output is closed", "{} version >&-", ""),
    ("standard error is closed", 'test -z "$({} upp 2>&-)"', ""),
    ("all is closed", "{} ls <&- >&- 2>&-", ""),
    (
        "an ASCII locale",
        "LC_ALL=C {ascii} -f umlaut.yaml config -q; test $? = 15",
        "rööt",
    ),
    ("a narrow, dumb terminal", "COLUMNS=1 TERM=dumb {} ps", ""),
    ("an impossible width", "COLUMNS=-3 TERM= {} help", ""),
]


@pytest.mark.parametrize(("script", "said"), [row[1:] for row in SHELL], ids=[row[0] for row in SHELL])
def test_odd_places_to_print_to(pycompose: Pycompose, script: str, said: str) -> None:
    (pycompose.directory / "compose.yaml").write_text(WEB)
    (pycompose.directory / "umlaut.yaml").write_text("services: {web: {rööt: /}}", encoding="utf-8")
    command = " ".join(pycompose.argv())
    ascii_only = command.replace(" -I ", " -I -X utf8=0 ")  # -I takes no notice of PYTHONUTF8
    done = subprocess.run(
        ["sh", "-c", script.replace("{ascii}", ascii_only).replace("{}", command)],
        cwd=pycompose.directory,
        env=pycompose.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_a_name_too_long_for_a_socket_is_told(pycompose: Pycompose) -> None:
    case = Case("", f"name: {'a' * 200}\n{WEB}", ("cannot use the socket", "longer than 107 bytes", "-p"), 1, UP)
    check(case, run(pycompose, case))


@pytest.mark.root
def test_records_of_another_user_are_no_empty_table(pycompose: Pycompose) -> None:
    (pycompose.directory / "compose.yaml").write_text(WEB)
    pycompose("-p", "shop", "up", "-d")
    os.chmod(os.path.dirname(pycompose.paths.run), 0o755)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = subprocess.run(
        [*nobody, *pycompose.argv("-p", "shop", "ps")],
        cwd="/",
        env=pycompose.environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("record.json: Permission denied\nhint: run it as root\n")


def _files(directory: str) -> list[str]:
    return [os.path.join(parent, name) for parent, _, names_ in os.walk(directory) for name in names_]
