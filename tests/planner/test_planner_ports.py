"""Whose port is whose, before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from composer.errors import Conflict
from composer.planner.observed import Observed, State, TakenPort
from composer.planner.operations import restart_plan, start_plan
from composer.planner.options import RestartOptions, UpOptions
from composer.planner.ports import fixed_elsewhere, overlap
from composer.planner.reconcile import reconcile
from composer.spec.desired import Desired, Service
from composer.spec.fingerprint import fingerprint
from composer.spec.network import Endpoint, Network, PortRange, Protocol, PublishedPort
from tests.planner.planner_projects import project, running, service

NOTHING = Observed()
NGINX = "address already in use by pid 812 (nginx)"


def publishing(name: str, *hosts: str, replicas: int = 1, needs: tuple[str, ...] = (), command: str = "run") -> Service:
    """A service that publishes its port 80: "8080", "8080-8081", "127.0.0.1:8080", "8080/udp", "" is any."""
    made = service(name, *needs, replicas=replicas, command=command)
    ports = tuple(_port(host, f"compose.yaml:{line}:9") for line, host in enumerate(hosts, start=7))
    return replace(made, containers=tuple(replace(spec, ports=ports) for spec in made.containers))


def _port(host: str, place: str) -> PublishedPort:
    text, _, protocol = host.partition("/")
    address, _, numbers = text.rpartition(":")
    first, _, last = numbers.partition("-")
    range_ = PortRange(int(first), int(last or first)) if numbers else None
    return PublishedPort(80, Protocol(protocol or "tcp"), range_, address, place=place)


def taken(port: int, *, address: str = "0.0.0.0", container: str = "", why: str = NGINX) -> TakenPort:
    return TakenPort(Protocol.TCP, address, port, why, container)


def up(desired: Desired, observed: Observed = NOTHING, **options: Any) -> str:
    return str(reconcile(desired, observed, options=UpOptions(**options)))


def refused(desired: Desired, observed: Observed = NOTHING) -> Conflict:
    with pytest.raises(Conflict) as refusal:
        up(desired, observed)
    return refusal.value


def test_a_port_that_is_taken_stops_everything_before_it_starts() -> None:
    desired = project(service("db"), publishing("web", "8080", needs=("db",)))
    error = refused(desired, Observed(ports=(taken(8080),)))
    assert error.message == f"cannot publish port 8080 of service web (compose.yaml:7:9): {NGINX}"


def test_all_that_are_taken_are_told() -> None:
    desired = project(publishing("web", "8080", "8081/udp"))
    busy = (taken(8080), replace(taken(8081), protocol=Protocol.UDP))
    assert refused(desired, Observed(ports=busy)).message.splitlines() == [
        f"cannot publish port 8080 of service web (compose.yaml:7:9): {NGINX}",
        f"cannot publish port 8081/udp of service web (compose.yaml:8:9): {NGINX}",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("8080", "8080/udp"),
        ("127.0.0.1:8080", "127.0.0.2:8080"),
        ("127.0.0.1:8080", "::1:8080"),
        ("8080", "8081"),
        ("8080", "8080-8081"),
        ("", ""),
    ],
)
def test_ports_that_do_not_meet(one: str, other: str) -> None:
    assert "start container" in up(project(publishing("web", one), publishing("api", other)))


@pytest.mark.parametrize("other", ["8080", "127.0.0.1:8080", "::1:8080"])
def test_two_services_with_one_port(other: str) -> None:
    error = refused(project(publishing("web", "8080"), publishing("api", other)))
    assert error.message == (
        "cannot publish port 8080 of service api (compose.yaml:7:9): service web (compose.yaml:7:9) is to have it"
    )


def test_replicas_with_one_port() -> None:
    error = refused(project(publishing("web", "8080", replicas=3)))
    assert error.message == (
        "cannot publish port 8080 of service web (compose.yaml:7:9): its containers cannot all have it"
    )
    assert error.hint is not None
    assert "8080-8089:80" in error.hint


def test_a_range_is_for_so_many_replicas() -> None:
    desired = project(publishing("web", "8080-8082", replicas=3))
    assert up(desired).count("start container") == 3
    error = refused(desired, Observed(ports=(taken(8081),)))
    assert error.message.startswith(
        "cannot publish a port of 8080-8082 of service web (compose.yaml:7:9): none is free"
    )
    assert f"8081: {NGINX}" in error.message


def test_a_range_leaves_the_ports_alone_that_others_need() -> None:
    desired = project(publishing("web", "8080-8081"), publishing("api", "8080"))
    assert up(desired).count("start container") == 2
    assert fixed_elsewhere(desired.services[0].containers[0], [desired.services[1].containers[0]]) == (8080,)


def test_a_container_may_have_its_own_port_again() -> None:
    desired = project(publishing("web", "8080"))
    there = replace(running(desired), ports=(taken(8080, container="shop-web-1", why="service web has it"),))
    assert up(desired, there) == ""
    assert up(desired, there, force_recreate=True).endswith("start container shop-web-1: --force-recreate [after 2]")
    assert str(restart_plan(desired, there, options=RestartOptions()))


def test_a_container_that_stays_keeps_its_port() -> None:
    desired = project(publishing("web", "8080"))
    there = replace(running(desired), ports=(taken(8080, container="shop-web-1", why="service web has it"),))
    more = project(desired.services[0], publishing("api", "127.0.0.1:8080"))
    # the planner is asked about api alone, as web stays as it is
    error = refused(more, there)
    assert "of service api (compose.yaml:7:9): service web has it" in error.message


def test_a_port_changes_hands_once_its_holder_has_stopped() -> None:
    before = project(publishing("old", "8080"))
    there = replace(running(before), ports=(taken(8080, container="shop-old-1"),))
    assert up(project(publishing("new", "8080")), there, remove_orphans=True).splitlines() == [
        '1. stop container shop-old-1: orphan: no service "old" in the files',
        '2. remove container shop-old-1: orphan: no service "old" in the files [after 1]',
        "3. start container shop-new-1: missing [after 2]",
    ]


def test_two_swap_their_ports() -> None:
    before = project(publishing("a", "8080"), publishing("b", "8081", needs=("a",)))
    there = replace(running(before), ports=(taken(8080, container="shop-a-1"), taken(8081, container="shop-b-1")))
    after = project(publishing("a", "8081"), publishing("b", "8080", needs=("a",)))
    assert up(after, there).splitlines() == [
        "1. stop container shop-b-1: configuration changed",
        "2. stop container shop-a-1: configuration changed [after 1]",
        "3. remove container shop-a-1: configuration changed [after 1, 2]",
        "4. start container shop-a-1: configuration changed [after 1, 3]",
        "5. remove container shop-b-1: configuration changed [after 1, 4]",
        "6. start container shop-b-1: configuration changed [after 2, 5]",
    ]


def test_start_looks_as_well() -> None:
    desired = project(publishing("web", "8080"))
    stopped = replace(running(desired, web=State.EXITED), ports=(taken(8080),))
    with pytest.raises(Conflict, match=r"cannot publish port 8080 of service web .*nginx"):
        start_plan(desired, stopped)


def test_create_takes_no_port() -> None:
    assert "create" in up(project(publishing("web", "8080")), Observed(ports=(taken(8080),)), start=False)


def test_a_network_says_where_its_ports_are() -> None:
    here = Network("shop_here", host_ip="127.0.0.1")
    web, api = publishing("web", "8080"), publishing("api", "127.0.0.2:8080")
    web = replace(web, containers=(replace(web.containers[0], endpoints=(Endpoint("shop_here"),)),))
    desired = Desired("shop", (web, api), networks=(here,))
    assert up(desired).count("start container") == 2


def test_where_a_port_stands_is_no_part_of_the_container() -> None:
    made = publishing("web", "8080")
    moved = replace(made.containers[0], ports=(replace(made.containers[0].ports[0], place="other.yaml:1:1"),))
    assert fingerprint(moved, made.policy) == fingerprint(made.containers[0], made.policy)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (("0.0.0.0",), ("10.0.0.1",), True),
        (("::",), ("::1",), True),
        (("0.0.0.0",), ("::",), False),
        (("10.0.0.1",), ("10.0.0.2",), False),
        (("0.0.0.0", "::"), ("::1",), True),
    ],
)
def test_addresses_that_overlap(one: tuple[str, ...], other: tuple[str, ...], meet: bool) -> None:
    assert overlap(one, other) is meet
    assert overlap(other, one) is meet
