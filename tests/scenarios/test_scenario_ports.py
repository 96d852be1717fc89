"""Ports of the host lead into containers: from elsewhere, from the host itself, over both families, TCP and UDP."""

from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest

from composer.linux import nftables
from tests.outside import ELSEWHERE, ELSEWHERE_6, HOST, HOST_6, Outside, outside
from tests.scenarios.conftest import EXAMPLES, Project, get

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.parametrize("example", [EXAMPLES / "ports/compose.yaml"], indirect=True),
]
CLIENT = """
import socket, sys
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(5)
sock.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    try:
        sock.send(line.strip().encode())
        print(sock.recv(1000).decode(), flush=True)
    except OSError as error:
        print(error, flush=True)
"""


@pytest.fixture
def numbers(example: Project) -> tuple[int, int, int, int]:
    """Ports that are free: two in a row of the web's, the administrator's, the echo's."""
    found = _free_in_a_row(4)
    first, second, admin, echo = found
    example.pycompose.environment |= {"WEB": f"{first}-{second}", "ADMIN": str(admin), "ECHO": str(echo)}
    return first, second, admin, echo


def _free_in_a_row(count: int) -> tuple[int, int, int, int]:
    for first in range(20000 + os.getpid() % 5000, 32000, count):
        try:
            for number in range(first, first + count):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET6, kind) as sock:
                        sock.bind(("::", number))
        except OSError:
            continue
        return first, first + 1, first + 2, first + 3
    raise AssertionError("no free ports")


def port(example: Project, *words: str) -> int:
    return int(example("port", *words).rpartition(":")[2])


def datagram(address: str, number: int, *, there: Outside | None = None, text: str = "hello") -> str:
    argv = ["python3", "-c", CLIENT, address, str(number)]
    command = there.argv(*argv) if there else argv
    return subprocess.run(command, input=f"{text}\n", capture_output=True, text=True, timeout=30).stdout.strip()


def test_ports_lead_into_containers(example: Project, numbers: tuple[int, int, int, int]) -> None:
    first, second, admin, echo = numbers
    with outside() as there:
        example("up", "-d", "--wait")

        # a range: each replica has one of it
        assert {port(example, "web", "8000", "--index", str(index)) for index in (1, 2)} == {first, second}
        answers = {there.get(f"http://{HOST}:{number}/") for number in (first, second)}
        assert answers == {f"{example.name}-web-{index} answers {ELSEWHERE}\n" for index in (1, 2)}

        # the source address is kept, over IPv6 too; loopback works, where it is the bridge's
        assert there.get(f"http://[{HOST_6}]:{first}/").endswith(f"answers {ELSEWHERE_6}\n")
        for host in ("127.0.0.1", "[::1]"):
            assert f"{example.name}-web-" in get(f"http://{host}:{first}/")
        assert get(f"http://{HOST}:{first}/").endswith(f"answers {HOST}\n")
        assert get(f"http://[{HOST_6}]:{first}/").endswith(f"answers {HOST_6}\n")

        # the administrator's is this host's only
        for host in ("127.0.0.1", "[::1]"):
            assert get(f"http://{host}:{admin}/").startswith(f"{example.name}-admin-1 answers")
        for host in (HOST, f"[{HOST_6}]"):
            assert there.get(f"http://{host}:{admin}/") == ""

        # any port
        anything = port(example, "echo", "8000")
        assert there.get(f"http://{HOST}:{anything}/").startswith(f"{example.name}-echo-1 answers")

        # UDP
        assert datagram(HOST, echo, there=there) == f"{example.name}-echo-1 answers {ELSEWHERE}: hello"
        assert datagram(HOST_6, echo, there=there) == f"{example.name}-echo-1 answers {ELSEWHERE_6}: hello"
        for host in ("127.0.0.1", "127.3.2.1", "::1", HOST, HOST_6):
            assert datagram(host, echo).endswith(": hello"), host

        # containers reach published ports by the host's address, their own as well
        for service in ("web", "echo"):
            assert hairpin(example, service, f"http://{HOST}:{anything}/").startswith(f"{example.name}-echo-1")
            assert hairpin(example, service, f"http://[{HOST_6}]:{anything}/").startswith(f"{example.name}-echo-1")

        # it is told
        assert example.status("admin")["Ports"] == f"127.0.0.1:{admin}->8000/tcp, [::1]:{admin}->8000/tcp"
        published = example.inspect("echo")["NetworkSettings"]["Ports"]
        assert published["7/udp"] == [{"HostIp": it, "HostPort": str(echo)} for it in ("0.0.0.0", "::")]
        publisher = json.loads(example("ps", "--format", "json", "echo"))["Publishers"][0]
        assert publisher == {"URL": "0.0.0.0", "TargetPort": 7, "PublishedPort": echo, "Protocol": "udp"}

        # and gone
        example("down")
        assert there.get(f"http://{HOST}:{first}/") == ""
        with socket.create_server(("", first)):
            pass
        assert f"pycompose_{example.name}" not in nftables.run("list tables")


def hairpin(example: Project, service: str, url: str) -> str:
    fetch = f"import urllib.request as r; print(r.urlopen('{url}', timeout=5).read().decode())"
    return example("exec", "-T", service, "python3", "-c", fetch)


def test_a_udp_session_goes_on_after_a_restart(example: Project, numbers: tuple[int, int, int, int]) -> None:
    echo = numbers[3]
    with outside() as there:
        example("up", "-d", "--wait", "echo")
        client = subprocess.Popen(
            there.argv("python3", "-c", CLIENT, HOST, str(echo)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with client:
            assert ask(client, "one").endswith(f"answers {ELSEWHERE}: one")
            example("stop", "echo")
            assert "refused" in ask(client, "two")  # a connection the kernel knows by now, and that leads nowhere
            example("start", "--wait", "echo")
            assert ask(client, "three").endswith(f"answers {ELSEWHERE}: three")
            example("up", "-d", "--wait", "--force-recreate", "echo")
            assert ask(client, "four").endswith(f"answers {ELSEWHERE}: four")
            client.kill()
        example("down")


def ask(client: subprocess.Popen[str], text: str) -> str:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(f"{text}\n")
    client.stdin.flush()
    return client.stdout.readline().strip()
