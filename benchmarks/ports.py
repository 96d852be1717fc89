"""How fast a published port is, beside the address of its container: ratios of one run, on this very machine.

    python benchmarks/ports.py [MEGABYTES]

Needs root, and makes a project and a network namespace of its own, the outside world. Promised are four fifths of the
bridge's own speed for a port that is asked for by an address of the host. The other lines have no promise: what comes
from the host's loopback addresses goes through a process of ours, what comes from elsewhere through one more interface.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROUNDS = 7  # of all ways by turns: what else the machine does slows all of them
PROMISED = 0.8
HOST, ELSEWHERE = "10.214.9.1", "10.214.9.2"
PIECE = 1 << 18  # bytes

SERVER = """
import socket
listener = socket.create_server(("::", 5201), family=socket.AF_INET6, dualstack_ipv6=True)
buffer = bytearray(1 << 20)
while True:
    sock, _ = listener.accept()
    while sock.recv_into(buffer):
        pass
    sock.sendall(b"!")
    sock.close()
"""
CLIENT = """
import socket, sys, time
address, port, size, piece = sys.argv[1], *map(int, sys.argv[2:])
data = bytes(piece)
with socket.create_connection((address, port), 30) as sock:
    start = time.monotonic()
    for _ in range(size // piece):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b"!"
    print(time.monotonic() - start)
"""
COMPOSE = """
name: bench-ports
services:
  sink:
    rootfs: /
    command: [python3, -c, {server}]
    init: true
    stop_grace_period: 0s
    ports: ["{port}:5201"]
    healthcheck: {{test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 5201), 1)"]}}
"""


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else "512") << 20
    port = free_port()
    with sink(port) as address, outside() as there:
        ways = {
            "bridge address": ((), address, 5201),
            "address of the host": ((), HOST, port),
            "from elsewhere": (there, HOST, port),
            "127.0.0.1": ((), "127.0.0.1", port),
            "::1": ((), "::1", port),
        }
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (where, host, number) in ways.items():
                measured[name].append(size / seconds(where, host, number, size))
    direct = statistics.median(measured["bridge address"])
    for name, speeds in measured.items():
        print(f"{name:20} {statistics.median(speeds) / 1e6:8.0f} MB/s  {statistics.median(speeds) / direct:5.0%}")
    if statistics.median(measured["address of the host"]) < PROMISED * direct:
        sys.exit(f"a published port is slower than {PROMISED:.0%} of the bridge address")


def seconds(where: tuple[str, ...], host: str, port: int, size: int) -> float:
    argv = [*where, sys.executable, "-c", CLIENT, host, str(port), str(size), str(PIECE)]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::", 0))
        number: int = sock.getsockname()[1]
        return number


@contextmanager
def sink(port: int) -> Iterator[str]:
    """A container that takes whatever is sent to the port; its address on the bridge."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "compose.yaml")
        file.write_text(COMPOSE.format(server=json.dumps(SERVER), port=port))
        places = {"PYCOMPOSE_RUN": f"{directory}/run", "PYCOMPOSE_ROOT": f"{directory}/root"}

        def pycompose(*words: str) -> str:
            argv = [sys.executable, "-m", "composer", "-f", str(file), *words]
            return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | places).stdout

        try:
            pycompose("--progress", "quiet", "up", "-d", "--wait")
            networks = json.loads(pycompose("inspect", "sink"))[0]["NetworkSettings"]["Networks"]
            yield networks["bench-ports_default"]["IPAddress"]
        finally:
            pycompose("--progress", "quiet", "down")


@contextmanager
def outside() -> Iterator[tuple[str, ...]]:
    """What to write before a command that is to run elsewhere."""
    with subprocess.Popen(["unshare", "-n", "sleep", "infinity"]) as process:
        there = ("nsenter", "-t", str(process.pid), "-n")
        own = os.readlink("/proc/self/ns/net")
        try:
            while os.readlink(f"/proc/{process.pid}/ns/net") == own:
                time.sleep(0.01)
            for command in (
                f"ip link add pcbench type veth peer name host netns {process.pid}",
                f"ip address add {HOST}/24 dev pcbench",
                "ip link set pcbench up",
                f"{' '.join(there)} ip address add {ELSEWHERE}/24 dev host",
                f"{' '.join(there)} ip link set host up",
            ):
                subprocess.run(command.split(), check=True)
            yield there
        finally:
            subprocess.run(["ip", "link", "delete", "pcbench"], check=False)
            process.kill()


if __name__ == "__main__":
    main()
