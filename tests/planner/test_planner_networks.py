"""Networks in plans: each step with its cause, and what cannot be is said before there is a step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composer.errors import Conflict, NoSuchThing
from composer.planner.observed import Holder, Observed, ObservedContainer, ObservedNetwork, State
from composer.planner.options import DownOptions, UpOptions
from composer.planner.reconcile import reconcile
from composer.planner.teardown import teardown
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired, Service
from composer.spec.fingerprint import fingerprint, network_fingerprint
from composer.spec.mounts import Bind
from composer.spec.network import AddressPool, Endpoint, Network, Subnet
from composer.spec.policy import Policy, RestartCondition, RestartPolicy
from composer.spec.process import Process
from composer.spec.rootfs import HostRoot

BACK = Network("shop_back", "shop", "back", subnets=(Subnet("10.9.0.0/24", gateway="10.9.0.1"),))


def web(*, address: str = "", number: int = 1) -> ContainerSpec:
    return ContainerSpec(
        name=f"shop-web-{number}",
        project="shop",
        service="web",
        number=number,
        rootfs=HostRoot(),
        process=Process(argv=("true",)),
        endpoints=(Endpoint("shop_back", ipv4_address=address),),
    )


def desired(*specs: ContainerSpec, network: Network = BACK) -> Desired:
    return Desired("shop", (Service("web", specs or (web(),)),), networks=(network,))


def running(spec: ContainerSpec) -> ObservedContainer:
    print_ = fingerprint(spec, Policy())
    return ObservedContainer(spec.name, "web", spec.number, print_, State.RUNNING, networks=("shop_back",))


def there(network: Network = BACK, *holders: Holder) -> ObservedNetwork:
    return ObservedNetwork(network, network_fingerprint(network), holders)


def up(wanted: Desired, observed: Observed) -> str:
    return str(reconcile(wanted, observed, options=UpOptions()))


def test_a_missing_network_is_made_first() -> None:
    assert up(desired(), Observed()) == (
        "1. create network shop_back: missing\n2. start container shop-web-1: missing [after 1]"
    )


def test_what_is_there_is_left() -> None:
    assert up(desired(), Observed((running(web()),), networks=(there(),))) == ""


def test_a_changed_network_is_made_anew_with_its_containers() -> None:
    changed = Network("shop_back", "shop", "back", internal=True, subnets=BACK.subnets)
    assert up(desired(network=changed), Observed((running(web()),), networks=(there(),))) == (
        "1. stop container shop-web-1: network shop_back: configuration changed\n"
        "2. remove network shop_back: configuration changed [after 1]\n"
        "3. create network shop_back: configuration changed [after 2]\n"
        "4. start container shop-web-1: network shop_back: configuration changed [after 1, 3]"
    )


def test_containers_of_a_network_that_is_gone_are_attached_anew() -> None:
    assert up(desired(), Observed((running(web()),))) == (
        "1. stop container shop-web-1: network shop_back is missing\n"
        "2. create network shop_back: missing\n"
        "3. start container shop-web-1: network shop_back is missing [after 1, 2]"
    )


def test_an_external_network_must_be_there() -> None:
    external = Network("shop_back", external=True)
    with pytest.raises(NoSuchThing, match="cannot use network shop_back: it is external"):
        up(desired(network=external), Observed())
    theirs = there(Network("shop_back", "theirs", subnets=BACK.subnets))
    assert up(desired(network=external), Observed(networks=(theirs,))) == "1. start container shop-web-1: missing"


def test_another_projects_network_is_not_taken_over() -> None:
    theirs = there(Network("shop_back", "theirs", subnets=BACK.subnets))
    with pytest.raises(Conflict, match="which belongs to project theirs"):
        up(desired(), Observed(networks=(theirs,)))


def test_a_subnet_of_the_host_is_not_taken() -> None:
    with pytest.raises(Conflict, match=r"its subnet 10.9.0.0/24 overlaps 10.0.0.0/8"):
        up(desired(), Observed(subnets={"10.0.0.0/8": "that of interface eth0"}))


def test_addresses_that_cannot_be_are_all_told() -> None:
    specs = (web(address="10.9.0.5"), web(address="10.9.0.5", number=2), web(address="10.9.0.1", number=3))
    with pytest.raises(Conflict) as failure:
        up(desired(*specs), Observed())
    assert failure.value.message.splitlines() == [
        "cannot start container shop-web-2: cannot use address 10.9.0.5 in network shop_back: "
        "container shop-web-1 is to have it",
        "cannot start container shop-web-3: cannot use address 10.9.0.1 in network shop_back: it is the gateway's",
    ]


NARROW = Network("shop_back", "shop", "back", subnets=(Subnet("10.9.0.0/29", gateway="10.9.0.1"),))


def test_containers_of_a_full_network_are_the_ones_that_fill_it() -> None:
    five = tuple(web(number=number) for number in range(1, 6))
    holders = (Holder(f"10.9.0.{number + 1}", "shop", f"shop-web-{number}") for number in range(1, 6))
    full = there(NARROW, *holders)
    changed = Policy(restart=RestartPolicy(RestartCondition.ALWAYS))
    wanted = Desired("shop", (Service("web", five, changed),), networks=(NARROW,))
    observed = Observed(tuple(map(running, five)), networks=(full,), project="shop")
    assert up(wanted, observed).count("recreate") == 0
    assert up(wanted, observed).count("start container") == 5, "each gets its own back"
    with pytest.raises(Conflict, match=r"cannot start 6 containers in network shop_back: 5 of its addresses"):
        up(desired(*five, web(number=6), network=NARROW), observed)


def test_who_becomes_fewer_makes_room() -> None:
    five = tuple(web(number=number) for number in range(1, 6))
    full = there(NARROW, *(Holder(f"10.9.0.{number + 1}", "shop", f"shop-web-{number}") for number in range(1, 6)))
    observed = Observed(tuple(map(running, five)), networks=(full,), project="shop")
    db = (replace(web(number=number), name=f"shop-db-{number}", service="db") for number in range(1, 5))
    wanted = Desired("shop", (Service("web", five[:1]), Service("db", tuple(db))), networks=(NARROW,))
    assert up(wanted, observed).count("start container shop-db") == 4


def test_subnets_that_must_be_are_left_alone_by_those_that_may_be_any() -> None:
    specs = (replace(web(), endpoints=(Endpoint("any"), Endpoint("shop_back"))),)
    made = (Network("any", "shop"), replace(BACK, subnets=(Subnet("10.8.0.0/25"),)))
    one, two = AddressPool("10.8.0.0/24", 25), AddressPool("10.8.0.0/25", 25)
    wanted = replace(desired(*specs), networks=made, address_pools=(one,))
    assert "create network any" in up(wanted, Observed())
    with pytest.raises(Conflict, match="cannot create network any: no subnet is free in any of the address pools"):
        up(replace(wanted, address_pools=(two,)), Observed())


def test_all_that_stands_in_the_way_is_told_at_once() -> None:
    external = Network("shop_back", external=True)
    spec = replace(web(), mounts=(Bind("/gone", "/data"),))
    with pytest.raises(Conflict) as failure:
        up(desired(spec, network=external), Observed(missing={"/gone": "/gone does not exist"}))
    assert failure.value.message.splitlines() == [
        "cannot use network shop_back: it is external, and there is none of that name",
        "cannot start service web: it binds /gone on /data, and /gone does not exist",
    ]


def test_an_address_of_another_projects_container_is_taken() -> None:
    external = Network("shop_back", external=True)
    theirs = there(BACK, Holder("10.9.0.5", "theirs", "theirs-db-1"))
    with pytest.raises(Conflict, match="container theirs-db-1 of project theirs has it"):
        up(desired(web(address="10.9.0.5"), network=external), Observed(networks=(theirs,)))


def test_down_removes_the_projects_own_networks_last() -> None:
    theirs = there(Network("other", "theirs"))
    observed = Observed((running(web()),), networks=(there(), theirs), project="shop")
    assert str(teardown(observed, desired(), options=DownOptions())) == (
        "1. stop container shop-web-1: down\n"
        "2. remove container shop-web-1: down [after 1]\n"
        "3. remove network shop_back: down [after 2]"
    )
    assert "network" not in str(teardown(observed, desired(), options=DownOptions(services=("web",))))
