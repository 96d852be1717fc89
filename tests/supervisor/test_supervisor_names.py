"""Containers of a project find each other by name, whoever of ours has died."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from composer.control.messages import Stop, Up
from composer.planner.options import UpOptions
from composer.runtime.attendant import board, spawn
from composer.runtime.attendant.client import Attendant
from composer.runtime.attendant.sockets import network_of
from composer.runtime.launcher import client as launcher
from composer.runtime.launcher.protocol import Hello
from composer.spec.desired import Service
from composer.spec.network import Endpoint, Names, Network
from composer.spec.policy import Policy
from tests.runtime.attending import NOERROR, NXDOMAIN, ask
from tests.supervisor.projects import FOREVER, PATIENCE, Shop, probe, wait_pid_gone

pytestmark = pytest.mark.root


def up(shop: Shop, *services: Service) -> None:
    """The project, with all networks that its services are in."""
    found = {endpoint.network for service in services for endpoint in service.containers[0].endpoints}
    networks = tuple(Network(name, shop.name, name.removeprefix(f"{shop.name}_")) for name in sorted(found))
    shop.request(Up(replace(shop.desired(*services), networks=networks), UpOptions()))


def on(shop: Shop, name: str, *networks: str, scale: int = 1) -> Service:
    """A service in some networks, found by its name."""
    endpoints = tuple(Endpoint(f"{shop.name}_{network}") for network in networks or ("default",))
    return shop.service(name, FOREVER, scale=scale, endpoints=endpoints, names=Names(own=(name,)))


def addresses(shop: Shop, service: str, *, scale: int = 1, place: int = 0) -> list[str]:
    records = (shop.record(service, number) for number in range(1, scale + 1))
    return sorted(record.attachments[place].ipv4_address for record in records)


def found(pid: int, name: str) -> list[str]:
    return sorted(ask(pid, name)[1])


def wait_found(pid: int, name: str, wanted: list[str]) -> None:
    """Wait for what a probe has to find first."""
    deadline = time.monotonic() + PATIENCE
    while (there := found(pid, name)) != wanted:
        assert time.monotonic() < deadline, f"{name}: {there}, not {wanted}"


def attendant_of(shop: Shop) -> int:
    sock = spawn.find(shop.paths.project(shop.name).run)
    assert sock is not None
    with Attendant(sock) as attendant:
        return attendant.pid


def launcher_of(shop: Shop) -> int:
    with launcher.connect(shop.paths.project(shop.name).launcher_socket) as peer:
        received = launcher.receive(peer)
        assert received is not None
        assert isinstance(received.message, Hello)
        return received.message.pid


def test_names_are_answered_whoever_dies(shop: Shop) -> None:
    up(shop, on(shop, "web", scale=2))
    pid, wanted = shop.record("web").pid, addresses(shop, "web", scale=2)
    assert found(pid, "web") == wanted
    answering = attendant_of(shop)

    both = (launcher_of(shop), shop.pid_of_supervisor())
    for number in (signal.SIGSTOP, signal.SIGKILL):  # neither sees the other's end
        for process in both:
            os.kill(process, number)
    for process in both:
        wait_pid_gone(process)
    assert found(pid, "web") == wanted, "supervisor and launcher are dead"
    up(shop, on(shop, "web", scale=2))
    assert attendant_of(shop) == answering, "it was told anew, and is the same"
    assert found(pid, "web") == addresses(shop, "web", scale=2)

    os.kill(answering, signal.SIGKILL)
    wait_pid_gone(answering)
    directory = shop.paths.project(shop.name).run
    while (there := board.read(directory)) is None or there.pid == answering or len(there.residents) < 2:
        pass  # the launcher starts another one
    assert found(pid, "web") == addresses(shop, "web", scale=2), "the attendant was dead"
    shop.down()


def test_names_follow_a_container_to_another_address(shop: Shop) -> None:
    web, db = on(shop, "web"), on(shop, "db")
    up(shop, web, db)
    pid, before = shop.record("web").pid, addresses(shop, "db")
    assert found(pid, "db") == before
    pidfd = os.pidfd_open(shop.record("db").pid)
    with network_of(pidfd):
        lingering = socket.socket()  # its namespace, and its end of the pair, are there as long as this is
    os.close(pidfd)
    with lingering:
        shop.request(Stop(("db",), timeout_ns=0))
        assert ask(pid, "db") == (NXDOMAIN, [])
        taker = shop.service("taker", FOREVER, endpoints=(Endpoint(f"{shop.name}_default", ipv4_address=before[0]),))
        up(shop, web, taker)
        assert addresses(shop, "taker") == before
        up(shop, web, taker, db)
    after = addresses(shop, "db")
    assert (after != before, ask(pid, "db")) == (True, (NOERROR, after))
    shop.down()


def test_who_is_not_healthy_is_not_found(shop: Shop) -> None:
    """With `x-dns: healthy`; whatever is said while nobody probes is the last word that there was."""
    here = (Endpoint(f"{shop.name}_default"),)
    policy = Policy(health=probe("test -e /well", retries=1))
    web = shop.service("web", FOREVER, policy=policy, endpoints=here, names=Names(own=("web",), only_healthy=True))
    up(shop, on(shop, "client"), web)
    pid, well = shop.record("client").pid, Path(f"/proc/{shop.record('web').pid}/root/well")
    assert ask(pid, "web") == (NOERROR, [])
    well.touch()
    wait_found(pid, "web", addresses(shop, "web"))
    for process in (launcher_of(shop), attendant_of(shop)):
        os.kill(process, signal.SIGKILL)
        wait_pid_gone(process)
    up(shop, on(shop, "client"), web)
    wait_found(pid, "web", addresses(shop, "web"))
    well.unlink()
    wait_found(pid, "web", [])
    shop.down()


def test_names_hold_within_a_network(shop: Shop) -> None:
    up(shop, on(shop, "proxy", "front"), on(shop, "app", "front", "back"), on(shop, "db", "back"))
    pid = {service: shop.record(service).pid for service in ("proxy", "app", "db")}
    assert ask(pid["proxy"], "app") == (NOERROR, addresses(shop, "app", place=0))
    assert ask(pid["db"], "app") == (NOERROR, addresses(shop, "app", place=1))
    assert ask(pid["app"], "db") == (NOERROR, addresses(shop, "db"))
    assert ask(pid["proxy"], "db") == (NXDOMAIN, [])
    assert ask(pid["db"], "proxy") == (NXDOMAIN, [])
    shop.down()
    assert not os.path.exists(shop.paths.project(shop.name).run), "nothing is left, the attendant's files included"
