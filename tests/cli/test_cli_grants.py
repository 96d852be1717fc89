"""Configs and secrets from the command line: files as asked for, and nothing secret anywhere else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer.control.client import Client
from composer.control.messages import Ping, Pong
from tests.chaos import host
from tests.conftest import Pycompose
from tests.supervisor.projects import wait_pid_gone

pytestmark = pytest.mark.root

Write = Callable[[str], None]
SECRET = "vRq7-walnut-41956"  # used nowhere else


@pytest.fixture
def write(pycompose: Pycompose, busybox_rootfs: Path) -> Write:
    """Writes the compose.yaml of a project called shop, with busybox for ROOT."""

    def write(text: str) -> None:
        (pycompose.directory / "compose.yaml").write_text("name: shop\n" + text.replace("ROOT", str(busybox_rootfs)))

    return write


GRANTED = """
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    user: app
    secrets:
      - plain
      - {source: token, target: secret-token, uid: "1000", gid: "2000", mode: 0400}
      - {source: token, target: /etc/roots-token, uid: "0", gid: "0", mode: 0400}
    configs:
      - {source: greeting, target: /etc/motd, mode: 0440}
      - place
secrets:
  plain: {file: ./plain.txt}
  token: {environment: TOKEN}
configs:
  greeting: {content: "hello ${NAME}, $$NAME\\n"}
  place: {environment: PLACE}
"""


@pytest.fixture
def granted(pycompose: Pycompose, write: Write) -> Pycompose:
    write(GRANTED)
    (pycompose.directory / "plain.txt").write_text("a plain secret")
    pycompose.environment |= {"TOKEN": SECRET, "NAME": "Ada", "PLACE": "here"}
    return pycompose


def test_configs_and_secrets_have_content_owner_and_mode(granted: Pycompose) -> None:
    granted("up", "-d")
    inside = granted("exec", "-T", "-u", "root", "web", "sh", "-c", "cat /run/secrets/plain /etc/motd /place")
    assert inside.stdout == "a plain secrethello Ada, $NAME\nhere"
    files = "/run/secrets/plain /run/secrets/secret-token /etc/roots-token /etc/motd /place"
    listed = granted("exec", "-T", "web", "sh", "-c", f"stat -c '%u:%g %a' {files}").stdout.splitlines()
    assert listed == ["1000:1000 444", "1000:2000 400", "0:0 400", "1000:1000 440", "1000:1000 444"]


def test_only_whom_a_secret_is_for_can_read_it_and_nobody_changes_it(granted: Pycompose) -> None:
    granted("up", "-d")
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == SECRET
    refused = granted("exec", "-T", "web", "cat", "/etc/roots-token", check=False)
    assert "Permission denied" in refused.stderr
    for change in ("echo x > /run/secrets/secret-token", "chmod 777 /etc/motd", "rm /run/secrets/plain"):
        assert granted("exec", "-T", "-u", "root", "web", "sh", "-c", change, check=False).returncode != 0
    kind = granted("exec", "-T", "web", "grep", " /run/secrets/secret-token ", "/proc/mounts").stdout.split()
    assert kind[2] == "ramfs"  # never swapped
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(kind[3].split(","))


def test_a_secret_of_the_environment_is_found_nowhere(granted: Pycompose) -> None:
    up = granted("up", "-d")
    granted("up", "-d", "--force-recreate")
    del granted.environment["TOKEN"]  # of what runs from here on, nobody is told
    said = [up.stdout, up.stderr]
    for words in (("ps", "-a"), ("inspect", "web"), ("logs",)):
        done = granted(*words)
        said += [done.stdout, done.stderr]
    granted("restart", "-t", "0")
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == SECRET
    assert SECRET not in "".join(said)
    files = {path: path.read_bytes() for path in _files(granted)}  # the events and the desired state among them
    assert any(b"hello Ada" in content for content in files.values()), "what is not secret would be found"
    assert [path for path, content in files.items() if SECRET.encode() in content] == []
    found = [pid for pid in _processes(granted) if SECRET.encode() in _shown(pid)]
    assert found == []


def _files(pycompose: Pycompose) -> Iterator[Path]:
    for top in (pycompose.paths.run, pycompose.paths.root):
        for above, _, names in os.walk(top):
            yield from (path for name in names if (path := Path(above) / name).is_file())


def _processes(pycompose: Pycompose) -> list[str]:
    """Supervisor, launcher and containers: all that has come of this test."""
    found, parents = [], [str(os.getpid())]
    while parents:
        parent = parents.pop()
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found += children
        parents += children
    assert len(found) >= 3, "supervisor, launcher and a container"
    return found


def _shown(pid: str) -> bytes:
    """What of a process others see."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ", "mountinfo"))


def test_a_new_content_recreates_the_container(granted: Pycompose) -> None:
    granted("up", "-d")
    before = granted("ps", "-q").stdout
    granted("up", "-d")
    assert granted("ps", "-q").stdout == before
    granted.environment["TOKEN"] = "another"
    granted("up", "-d")
    assert granted("ps", "-q").stdout != before
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == "another"


def test_run_has_them_as_well(granted: Pycompose) -> None:
    words = ("run", "--rm", "-T", "web", "sh", "-c", "cat /run/secrets/secret-token /run/secrets/plain")
    assert granted(*words).stdout == SECRET + "a plain secret"
    name = granted("run", "-d", *words[3:]).stdout.strip()
    assert granted("wait", name, check=False).stdout.strip() in ("0", "")


def test_what_is_missing_is_told_before_anything_starts(granted: Pycompose, write: Write) -> None:
    (granted.directory / "plain.txt").unlink()
    refused = granted("up", "-d", check=False)
    assert "cannot start service web: it has the secret plain (compose.yaml:17:17), and" in refused.stderr
    assert "plain.txt" in refused.stderr
    del granted.environment["TOKEN"]
    refused = granted("up", "-d", check=False)
    assert "compose.yaml:" in refused.stderr
    assert "cannot have the secret token: the environment variable TOKEN is not set" in refused.stderr
    assert granted("ps", "-aq").stdout == ""


OUTSIDE = """
services:
  web: {rootfs: ROOT, command: [cat, /run/secrets/key, /given], secrets: [key], configs: [given]}
secrets: {key: {external: true, name: prod_key}}
configs: {given: {external: true}}
"""


def test_external_ones_are_files_below_the_root(pycompose: Pycompose, write: Write) -> None:
    write(OUTSIDE)
    places = [Path(pycompose.paths.root) / place for place in ("secrets/prod_key", "configs/given")]
    refused = pycompose("up", check=False)
    assert refused.returncode != 0
    assert str(places[1]) in refused.stderr or str(places[0]) in refused.stderr
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_text(f"{place.name}\n")
    assert pycompose("up", "--no-log-prefix", "--no-color").stdout.split()[-2:] == ["prod_key", "given"]


def kill_supervisor(granted: Pycompose) -> None:
    client = Client(granted.paths, project="shop", name="test")
    [there] = [answer for answer in client.request(Ping()) if isinstance(answer, Pong)]
    os.kill(there.pid, signal.SIGKILL)
    wait_pid_gone(there.pid)


def test_a_secret_outlives_the_supervisor(granted: Pycompose) -> None:
    granted("up", "-d")
    del granted.environment["TOKEN"]
    kill_supervisor(granted)
    granted("restart", "-t", "0")
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == SECRET


def kill_ours(granted: Pycompose, *kinds: str) -> None:
    """Kill processes of ours, all at once: none is to start another."""
    pids = [pid for kind in kinds for pid in host.find(kind, granted.paths.run)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        host.send(pids, number)
    for pid in pids:
        wait_pid_gone(pid)


def test_a_secret_outlives_launcher_and_supervisor(granted: Pycompose) -> None:
    granted("up", "-d")
    del granted.environment["TOKEN"]
    kill_ours(granted, "supervisor", "launcher")
    granted("restart", "-t", "0")
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == SECRET


def test_a_secret_goes_with_all_our_processes_and_up_hands_it_over_again(granted: Pycompose) -> None:
    granted("up", "-d")
    token = granted.environment.pop("TOKEN")
    kill_ours(granted, "supervisor", "launcher", "holder")
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == SECRET  # it runs on
    refused = granted("restart", "-t", "0", check=False)
    assert "cannot have the secret token" in refused.stderr
    assert "`pycompose up` hands it over again" in refused.stderr
    granted.environment["TOKEN"] = token
    granted("up", "-d")
    assert granted("exec", "-T", "web", "cat", "/run/secrets/secret-token").stdout == SECRET
