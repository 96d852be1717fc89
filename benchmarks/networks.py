"""What a container's place in a network costs, beside `ip -batch` doing the same.

    python -m benchmarks.networks [ENDPOINTS]

A place is a veth pair born in the container's network namespace, a port of the bridge with its label, address, routes,
everything up. Namespaces are there beforehand: what is measured is a fork that enters one, and what both sides do about
the network. A container is forked in any case, so what a fork alone takes is measured as well, and what is promised is
the difference. The peer is `ip -batch` for the host's side and one more of them, entered by `nsenter`, for the
container's. Needs root; runs in a sandbox of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import sandbox
from benchmarks.measuring import Cost, Costs, cost, in_turn
from composer.linux.namespaces import CLONE_NEWNET, setns
from composer.runtime.network import endpoints, inside, networks
from composer.runtime.network.endpoints import Places
from composer.spec.container import ContainerSpec
from composer.spec.network import Endpoint, Network, Subnet
from composer.spec.process import Process
from composer.spec.rootfs import Directory

PROMISED = 5.0  # milliseconds an endpoint
FORK = "a fork alone"
OURS = Network("bench_ours", "bench", subnets=(Subnet("10.214.32.0/20"),))
PEER, PEER_ADDRESS = "ip -batch", "10.214.48"  # a /20 as well
PEER_BRIDGE = "bench-peer"

OUTER = """\
link add v{number} type veth peer name eth0 netns {pid}
link set v{number} master {bridge} alias {number} up
"""
INNER = """\
link set eth0 addrgenmode none
link set eth0 up
address add {network}.{number}/20 dev eth0
route add default via {network}.1
"""


def measured(directory: str, *, endpoints: int, rounds: int) -> dict[str, Costs]:
    """What one endpoint of so many costs, ours and the peer's."""
    with bridges(directory) as network:
        ways: dict[str, Callable[[int, int], None]] = {
            "ours": partial(our_place, network, directory),
            FORK: fork_alone,
            PEER: partial(place_of_peer, directory),
        }
        return in_turn(rounds, {name: partial(_each, make, endpoints) for name, make in ways.items()})


def _each(make: Callable[[int, int], None], number: int) -> Cost:
    """The share of one, with namespaces made before and gone after."""

    def make_all() -> None:
        for index, pid in enumerate(pids, start=2):
            make(index, pid)

    with namespaces(number) as pids:
        found = cost(make_all)
    return Cost(found.wall / number, found.cpu / number)


def less_the_fork(found: dict[str, Costs]) -> Cost:
    ours, fork = found["ours"].median, found[FORK].median
    return Cost(ours.wall - fork.wall, ours.cpu - fork.cpu)


# ---- ours -----------------------------------------------------------------------------------------------------------


def our_place(network: Network, directory: str, number: int, pid: int) -> None:
    """As the launcher does it, with a fork in the place of a container."""
    spec = ContainerSpec(
        *(f"bench-web-{number}", "bench", "web", number, Directory("/"), Process(("true",))),
        endpoints=(Endpoint(network.name),),
    )
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with endpoints.open_places(spec, (network,), lease_directory=f"{directory}/leases") as places:
            child = os.fork()
            if not child:
                _be_container(places, namespace)
            places.attach(pid)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(namespace)
    if status:
        raise RuntimeError(f"endpoint {number} was not made")


def fork_alone(_number: int, pid: int) -> None:
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    child = os.fork()
    if not child:
        setns(namespace, CLONE_NEWNET)
        os._exit(0)
    os.close(namespace)
    os.waitpid(child, 0)


def _be_container(places: Places, namespace: int) -> None:
    try:
        assert places.gate is not None
        # among the others is the lock on the host's networks, which lasts as long as anybody has its descriptor
        kept = sorted((*range(3), namespace, *places.gate))
        for below, above in zip(kept, (*kept[1:], os.sysconf("SC_OPEN_MAX")), strict=True):
            os.closerange(below + 1, above)
        setns(namespace, CLONE_NEWNET)
        inside.pass_gate(places)
        inside.configure(places)
        os._exit(0)
    except OSError as error:
        os.write(2, f"{error} {getattr(error, '__notes__', '')}\n".encode())
    finally:
        os._exit(1)


# ---- the peer -------------------------------------------------------------------------------------------------------


def place_of_peer(directory: str, number: int, pid: int) -> None:
    outer, inner = Path(directory, "outer"), Path(directory, "inner")
    outer.write_text(OUTER.format(number=number, pid=pid, bridge=PEER_BRIDGE))
    inner.write_text(INNER.format(number=number, network=PEER_ADDRESS))
    subprocess.run(["ip", "-batch", outer], check=True)
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-batch", inner], check=True)


# ---- the ground -----------------------------------------------------------------------------------------------------


@contextmanager
def bridges(directory: str) -> Iterator[Network]:
    """Ours, and one beside it for the peer."""
    made = networks.create(OURS, directory=directory)
    try:
        for words in (
            f"link add {PEER_BRIDGE} type bridge",
            f"address add {PEER_ADDRESS}.1/20 dev {PEER_BRIDGE}",
            f"link set {PEER_BRIDGE} up",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        yield made
    finally:
        subprocess.run(["ip", "link", "delete", PEER_BRIDGE], check=False)
        networks.remove(made.name, project=made.project, directory=directory)


@contextmanager
def namespaces(number: int) -> Iterator[list[int]]:
    """So many processes in network namespaces of their own; the links in there are gone after the block."""
    before = len(os.listdir("/sys/class/net"))
    holders = [subprocess.Popen(["unshare", "-n", "sleep", "infinity"]) for _ in range(number)]
    try:
        own = os.readlink("/proc/self/ns/net")
        while any(os.readlink(f"/proc/{it.pid}/ns/net") == own for it in holders):
            time.sleep(0.01)
        yield [it.pid for it in holders]
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
        while len(os.listdir("/sys/class/net")) > before:  # the kernel takes its time, and would take ours
            time.sleep(0.01)


def main() -> None:
    sandbox.enter()
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as directory:
        found = measured(directory, endpoints=number, rounds=7)
    ours, theirs = found["ours"].median, found[PEER].median
    for name, one in found.items():
        print(f"{name:20} {one.median} ms an endpoint, wall / CPU  (± {one.spread:.0%})")
    print(f"{'ours less the fork':20} {less_the_fork(found)} ms")
    print(f"{'ours : ip -batch':20} {ours.wall / theirs.wall:.2f} / {ours.cpu / theirs.cpu:.2f}")
    if 1000 * less_the_fork(found).wall > PROMISED:
        sys.exit(f"an endpoint takes more than {PROMISED} ms")


if __name__ == "__main__":
    main()
