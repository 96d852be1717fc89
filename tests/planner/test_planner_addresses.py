"""Which subnet, which address: given what is taken."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.errors import Conflict, UsageError
from composer.planner.addresses import allocate, mac_of, read_pools, resolve
from composer.spec.network import AddressPool, Endpoint, Network, Subnet

POOLS = (AddressPool("10.213.0.0/22", 24),)
SAID = Network("back", subnets=(Subnet("10.9.0.0/29", gateway="10.9.0.1", aux_addresses=(("router", "10.9.0.2"),)),))


def test_the_first_subnet_that_overlaps_nothing() -> None:
    made = resolve(Network("n"), taken=dict.fromkeys(("10.213.0.128/25", "10.213.1.0/24", "fd00::/8"), ""), pools=POOLS)
    assert made.subnets == (Subnet("10.213.2.0/24", gateway="10.213.2.1"),)


def test_pools_end() -> None:
    with pytest.raises(Conflict, match="no subnet is free in any of the address pools"):
        resolve(Network("n"), taken={"10.213.0.0/22": ""}, pools=POOLS)


def test_ipv6_without_a_subnet_gets_a_unique_local_one() -> None:
    made = resolve(Network("n", ipv6=True), taken={}, pools=POOLS)
    six = ipaddress.IPv6Network(made.subnets[1].subnet)
    assert six.subnet_of(ipaddress.IPv6Network("fd00::/8"))
    assert six.prefixlen == 64
    assert resolve(Network("n", ipv6=True), taken={str(six): ""}, pools=POOLS).subnets[1].subnet != str(six)


def test_an_overlap_is_refused() -> None:
    with pytest.raises(Conflict, match=r"its subnet 10.9.0.0/29 overlaps 10.9.0.0/16"):
        resolve(SAID, taken={"10.9.0.0/16": "eth0's"})


def address(network: Network, endpoint: Endpoint | None = None, *taken: str, preferred: tuple[str, ...] = ()) -> str:
    found = allocate(network, endpoint or Endpoint(network.name), taken=taken, preferred=preferred).ipv4
    assert found is not None
    return found[0]


def test_addresses_avoid_gateway_aux_reserved_and_taken() -> None:
    assert address(SAID) == "10.9.0.3"
    assert address(SAID, None, "10.9.0.3", "10.9.0.4") == "10.9.0.5"
    reserving = Network("back", subnets=SAID.subnets, reserved=("10.9.0.3",))
    assert address(reserving) == "10.9.0.4"
    assert address(reserving, Endpoint("back", ipv4_address="10.9.0.3")) == "10.9.0.3"


def test_an_address_is_kept_where_that_can_be() -> None:
    assert address(SAID, preferred=("10.9.0.6", "fd00::1")) == "10.9.0.6"
    assert address(SAID, None, "10.9.0.6", preferred=("10.9.0.6",)) == "10.9.0.3"
    assert address(SAID, preferred=("10.8.0.6",)) == "10.9.0.3"


def test_a_range_limits_what_is_chosen_only() -> None:
    ranged = Network("r", subnets=(Subnet("10.9.0.0/24", gateway="10.9.0.1", ip_range="10.9.0.128/30"),))
    assert address(ranged) == "10.9.0.128"
    assert address(ranged, Endpoint("r", ipv4_address="10.9.0.7")) == "10.9.0.7"
    with pytest.raises(Conflict, match=r"in network r: all of 10.9.0.128/30 are taken"):
        address(ranged, None, *(f"10.9.0.{last}" for last in range(128, 132)))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("10.9.1.1", "it is outside of its subnet, it has 10.9.0.0/29"),
        ("10.9.0.1", "it is the gateway's"),
        ("10.9.0.2", "aux_addresses keeps it for router"),
        ("10.9.0.7", "it is the first or last one"),
        ("10.9.0.4", "another container has it"),
    ],
)
def test_an_address_that_cannot_be(wanted: str, words: str) -> None:
    with pytest.raises(Conflict, match=words):
        address(SAID, Endpoint("back", ipv4_address=wanted), "10.9.0.4")


@given(st.sets(st.integers(0, 255), max_size=250))
def test_nobody_gets_what_is_taken(taken: set[int]) -> None:
    network = resolve(Network("n"), taken={}, pools=POOLS)
    others = {f"10.213.0.{last}" for last in taken}
    try:
        got = address(network, None, *others)
    except Conflict:
        assert len(others | {"10.213.0.0", "10.213.0.1", "10.213.0.255"}) == 256
    else:
        assert got not in others | {"10.213.0.0", "10.213.0.1", "10.213.0.255"}


def test_pools_as_text() -> None:
    assert read_pools("10.213.0.0/16:24, 192.168.0.0/16:20") == (
        AddressPool("10.213.0.0/16", 24),
        AddressPool("192.168.0.0/16", 20),
    )
    for text in ("10.213.0.0/16", "10.213.0.0/16:8", "x:24", "10.213.0.1/16:24", "10.0.0.0/8:99"):
        with pytest.raises(UsageError, match="cannot take addresses from the pool"):
            read_pools(text)


def test_a_hardware_address_follows_from_the_address() -> None:
    assert mac_of("10.9.0.3") == "02:42:0a:09:00:03"
