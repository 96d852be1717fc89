"""Published ports as a person meets them: asked for, told, taken by somebody else, given back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from composer.linux import nftables
from composer.runtime.ports import publication
from composer.runtime.ports.publication import Publication
from tests.conftest import Pycompose
from tests.supervisor.projects import wait_pid_gone

pytestmark = pytest.mark.root

Write = Callable[..., None]


@pytest.fixture
def write(pycompose: Pycompose, busybox_rootfs: Path) -> Write:
    """Write the Compose file: a web server in each service."""

    def write(**services: str) -> None:
        parts = ["services:\n"]
        for name, lines in services.items():
            parts.append(
                f"  {name}:\n    rootfs: {busybox_rootfs}\n    command: [httpd, -f, -p, '80', -h, /etc]\n"
                f"    init: true\n    stop_grace_period: 1s\n"
                f"    healthcheck: {{test: [CMD, wget, -qO-, 'http://127.0.0.1/group'], interval: 5s}}\n"
            )
            parts += [f"    {line}\n" for line in lines.splitlines()]
        (pycompose.directory / "compose.yaml").write_text("name: shop\n" + "".join(parts))

    return write


@pytest.fixture
def shop(pycompose: Pycompose) -> Iterator[Pycompose]:
    """`pycompose`, and the project gone at the end before its processes are looked for."""
    yield pycompose
    pycompose("down", "-t", "0", "--remove-orphans", check=False)


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::", 0))
        number: int = sock.getsockname()[1]
        return number


@contextmanager
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def page(port: int, host: str = "127.0.0.1") -> str:
    return subprocess.run(
        ["curl", "-sS", "-m", "5", f"http://{host}:{port}/group"], capture_output=True, text=True
    ).stdout


def published(shop: Pycompose, container: str = "shop-web-1") -> Publication:
    found = publication.load(shop.paths.project("shop").state(container))
    assert found is not None
    return found


def test_a_port_that_a_process_has_is_told_before_anything_starts(shop: Pycompose, write: Write) -> None:
    with busy_port() as port:
        write(db="", web=f"ports: ['{port}:80']\ndepends_on: [db]")
        done = shop("up", "-d", check=False)
    assert done.returncode == 1
    command = Path("/proc/self/comm").read_text().strip()
    assert done.stderr.strip().endswith(
        f"cannot publish port {port} of service web (compose.yaml:15:13): "
        f"address already in use by pid {os.getpid()} ({command})"
    )
    assert shop("ps", "-a", "-q").stdout == ""
    assert "pycompose_shop" not in nftables.run("list tables")


@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_a_port_that_was_taken_meanwhile(shop: Pycompose, write: Write, how: tuple[str, ...]) -> None:
    port = free_port()
    write(web=f'ports: ["127.0.0.1:{port}:80"]')
    shop("up", "-d")
    shop("stop", "-t", "0")
    with socket.create_server(("127.0.0.1", port)):
        refused = shop("start", *how, check=False)
    assert refused.returncode == 1
    assert f"address already in use by pid {os.getpid()}" in refused.stderr
    shop("start", *how)


def test_a_port_of_another_project(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']")
    shop("up", "-d")
    done = shop("-p", "blog", "up", "-d", check=False)
    assert f"cannot publish port {port} of service web (compose.yaml:9:13): service web of project shop has it" in (
        done.stderr
    )
    tried = shop("-p", "blog", "up", "-d", "--dry-run", check=False)
    assert "service web of project shop has it" in tried.stderr


def test_mistakes_about_ports(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']\nscale: 2")
    assert "its containers cannot all have it" in shop("up", "-d", check=False).stderr
    write(web=f"ports: ['{port}:80']", api=f"ports: ['127.0.0.1:{port}:80']")
    assert "service web (compose.yaml:9:13) is to have it" in shop("up", "-d", check=False).stderr
    write(web=f"ports: ['10.99.98.97:{port}:80']")
    assert "this host has no address 10.99.98.97" in shop("up", "-d", check=False).stderr
    assert shop("ps", "-a", "-q").stdout == ""


def test_ports_are_told(shop: Pycompose, write: Write) -> None:
    first = free_port()
    write(web=f"ports: ['127.0.0.1:{first}:80', '53/udp']", quiet="")
    shop("up", "-d", "--wait")
    assert shop("port", "web", "80").stdout == f"127.0.0.1:{first}\n"
    lines = shop("port", "web").stdout.splitlines()
    assert [line.partition(" -> ")[0] for line in lines] == ["53/udp", "53/udp", "80/tcp"]
    for words in (("web", "53/udp"), ("web", "53", "--protocol", "udp")):
        assert shop("port", *words).stdout.startswith("0.0.0.0:")
    done = shop("port", "web", "81", check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "pycompose: cannot find port 81/tcp of container shop-web-1: it is not published\n"
        "hint: published are 53/udp, 80/tcp\n",
    )
    assert "none of its ports is" in shop("port", "quiet", "80", check=False).stderr
    assert shop("port", "web", "http", check=False).returncode == 2
    inspected: dict[str, Any] = json.loads(shop("inspect", "web").stdout)[0]
    assert inspected["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(first)}],
        "53/udp": [{"HostIp": "", "HostPort": ""}],
    }
    shop("stop")
    assert f"{first}->80" not in shop("ps", "-a").stdout


def test_exposed_ports_are_shown_beside_published_ones(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(
        web=f"ports: ['127.0.0.1:{port}:80']\nexpose: [80, 443, '8000-8002', '53/udp']",
        db="expose: ['6379']",
        bare="network_mode: none\nexpose: ['6379']",
    )
    shop("up", "-d")

    def shown(form: str, *options: str) -> list[str]:
        return shop("ps", *options, "--format", form).stdout.splitlines()

    assert shown("{{.Service}}: {{.Ports}}") == [
        "bare: ",
        "db: 6379/tcp",
        f"web: 127.0.0.1:{port}->80/tcp, 443/tcp, 8000-8002/tcp, 53/udp",
    ]
    _, db, web = (json.loads(line)["Publishers"] for line in shown("json"))
    assert db == [{"URL": "", "TargetPort": 6379, "PublishedPort": 0, "Protocol": "tcp"}]
    assert [(it["TargetPort"], it["PublishedPort"]) for it in web] == [
        *((80, port), (443, 0), (8000, 0), (8001, 0), (8002, 0), (53, 0)),
    ]
    inspected: dict[str, Any] = json.loads(shop("inspect", "db").stdout)[0]
    assert inspected["Config"]["ExposedPorts"] == {"6379/tcp": {}}
    assert inspected["NetworkSettings"]["Ports"] == {"6379/tcp": None}
    before = shop("ps", "-q", "db").stdout
    write(db="expose: ['6379/TCP']")
    shop("up", "-d", "--remove-orphans")
    assert shop("ps", "-q", "db").stdout == before  # the same said otherwise
    write(db="expose: ['6380']")
    shop("up", "-d")
    assert shop("ps", "-q", "db").stdout != before
    assert shown("{{.Ports}}") == ["6380/tcp"]
    shop("stop")
    assert shown("{{.Ports}}", "-a") == [""]


def test_any_port_stays_the_same_over_a_restart(shop: Pycompose, write: Write) -> None:
    write(web="ports: ['80']")
    shop("up", "-d", "--wait")
    before = shop("port", "web", "80").stdout
    shop("restart")
    assert shop("port", "web", "80").stdout == before
    shop("up", "-d", "--wait")
    assert "extra" in page(int(before.rpartition(":")[2]))


def test_ports_work_while_nobody_looks_after_the_project(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']")
    shop("up", "-d", "--wait")
    kill_ours(shop)
    assert "extra" in page(port)
    assert "extra" in page(port, "[::1]")
    porter = published(shop).porter_pid
    end(porter)
    assert page(port) == ""
    shop("up", "-d")  # new ones look after what runs, its ports too
    assert "extra" in page(port)
    assert published(shop).porter_pid != porter
    shop("down")
    assert "pycompose_shop" not in nftables.run("list tables")


def test_a_porter_that_dies_is_replaced(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']")
    shop("up", "-d", "--wait")
    kill_ours(shop)
    shop("up", "-d")  # the next launcher did not make it, and looks after it all the same
    first = published(shop).porter_pid
    end(first)
    again = subprocess.run(
        ["curl", "-sS", "--retry", "40", "--retry-all-errors", "--retry-delay", "1", f"http://127.0.0.1:{port}/group"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "extra" in again.stdout
    assert published(shop).porter_pid not in (0, first)


def test_a_container_that_ends_while_all_are_dead_leaves_nothing(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']")
    shop("up", "-d", "--wait")
    container = json.loads(shop("inspect", "web").stdout)[0]["State"]["Pid"]
    kill_ours(shop)
    end(published(shop).porter_pid)
    end(container)
    assert "ports-shop-web-1" in nftables.run("list table inet pycompose_shop")
    shop("down")
    assert "pycompose_shop" not in nftables.run("list tables")


def test_the_porter_alone_gives_everything_back(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']")
    shop("up", "-d", "--wait")
    container = json.loads(shop("inspect", "web").stdout)[0]["State"]["Pid"]
    porter = published(shop).porter_pid
    kill_ours(shop)
    end(container)
    wait_pid_gone(porter)
    assert "ports-shop-web-1" not in nftables.run("list table inet pycompose_shop")
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_an_internal_network_publishes_nothing(shop: Pycompose, write: Write) -> None:
    port = free_port()
    write(web=f"ports: ['{port}:80']")
    with open(shop.directory / "compose.yaml", "a", encoding="utf-8") as file:
        file.write("networks: {default: {internal: true}}\n")
    shop("up", "-d", "--wait")
    assert "its ports are not published" in shop("logs", "web").stdout
    assert shop("port", "web").stdout == ""
    assert page(port) == ""


@pytest.mark.parametrize("detached", [False, True])
def test_run_publishes_what_it_is_told_to(shop: Pycompose, write: Write, detached: bool) -> None:
    file, own = free_port(), free_port()
    write(web=f"ports: ['{file}:80']")
    words = ("run", "--rm", "-p", f"127.0.0.1:{own}:80", "--name", "once", "web", "sh", "-c")
    if detached:
        shop("run", "-d", *words[1:], "httpd -f -p 80 -h /etc")
        assert "extra" in page(own)
        assert page(file) == ""
        assert published(shop, "once").bindings[0].port == own
    else:
        done = shop(*words, "exit 3", check=False)
        assert done.returncode == 3
    # what the file says only if asked
    done = shop("run", "--rm", "--service-ports", "--name", "both", "web", "true")
    assert done.returncode == 0
    with socket.create_server(("127.0.0.1", file)) as sock:
        sock.listen()
        refused = shop("run", "--rm", "-P", "web", "true", check=False)
    assert f"cannot publish port {file} of service web" in refused.stderr


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("99999:80", "the port 99999 is out of range"),
        ("80:80:80:80", "is not an IP address"),
        ("80/icmp", '"icmp" is not a protocol'),
        ("0", "0 is out of range"),
    ],
)
def test_run_with_a_port_that_is_none(shop: Pycompose, write: Write, word: str, says: str) -> None:
    write(web="")
    done = shop("run", "-p", word, "web", "true", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"pycompose: cannot publish {word}: ")
    assert says in done.stderr


def test_ports_on_the_host_s_network_get_a_word(shop: Pycompose, write: Write) -> None:
    write(web="ports: ['8080:80']\nnetwork_mode: host")
    assert "every port is the host's already" in shop("config", "-q").stderr
    write(web="ports: ['8080:80']\nnetwork_mode: none")
    assert "no network that a port could lead into" in shop("config", "-q").stderr
    assert "has network_mode: none" in shop("run", "-p", "80", "web", "true", check=False).stderr


def kill_ours(shop: Pycompose) -> None:
    """All our processes but the porters die, and none sees the other's end."""
    marks = (shop.paths.run.encode(), b"__main__.py")
    found = [int(pid) for pid in os.listdir("/proc") if pid.isdecimal()]
    found = [pid for pid in found if all(mark in _command_line(pid) for mark in marks) and not _is_porter(pid)]
    assert len(found) >= 3  # supervisor, launcher, holder, and whoever else there is
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in found:
            os.kill(pid, number)
    for pid in found:
        wait_pid_gone(pid)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_pid_gone(pid)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _is_porter(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == "pycompose-ports"
