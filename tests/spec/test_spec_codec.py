"""A spec that went through JSON is the spec it was."""

from __future__ import annotations

import json
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.spec import codec
from composer.spec.cgroup import DeviceRule, Resources
from composer.spec.container import ContainerSpec, Host, Join, Namespaces, Private, SeccompProfile
from composer.spec.desired import Condition, Dependency, Desired, Service
from composer.spec.fingerprint import fingerprint, network_fingerprint
from composer.spec.grant import Grant, HostFile
from composer.spec.mounts import Bind, File, Filesystem, Propagation, Tmpfs
from composer.spec.network import (
    AddressPool,
    Driver,
    Endpoint,
    Network,
    PortRange,
    Protocol,
    PublishedPort,
    Subnet,
)
from composer.spec.policy import HealthCheck, Policy, RestartCondition, RestartPolicy
from composer.spec.process import Process, Rlimit
from composer.spec.rootfs import Archive, Directory, HostRoot

PLAIN = ContainerSpec(
    name="shop-web-1", project="shop", service="web", number=1, rootfs=HostRoot(), process=Process(argv=("true",))
)
RICH = ContainerSpec(
    name="shop-db-2",
    project="shop",
    service="db",
    number=2,
    rootfs=Archive("/srv/rootfs.tar"),
    process=Process(argv=("db", "--x"), env=(("A", "1"), ("B", "")), rlimits=(Rlimit("nofile", 10, -1),)),
    namespaces=Namespaces(pid=Host(), network=Join("shop-web-1"), ipc=Private()),
    mounts=(
        Bind("/a", "/b", read_only=True, propagation=Propagation.RSLAVE),
        Tmpfs("/t", size=1),
        Filesystem("proc", "/proc", ("nosuid",)),
    ),
    files=(File("/etc/hosts", "127.0.0.1 localhost\n"),),
    seccomp=SeccompProfile("/p.json"),
    resources=Resources(memory=1, device_rules=(DeviceRule("c", 1, None, "rw"),)),
    labels=(("k", "v"),),
    endpoints=(
        Endpoint("shop_back", aliases=("store",), ipv4_address="10.213.0.9", gw_priority=2, mtu=1400),
        Endpoint("shop_front", mac_address="02:00:00:00:00:01", link_local_ips=("169.254.8.8",)),
    ),
    ports=(PublishedPort(53, Protocol.UDP, PortRange(5300, 5310), "127.0.0.1"), PublishedPort(80)),
)


@pytest.mark.parametrize("spec", [PLAIN, RICH], ids=["plain", "rich"])
def test_a_container_survives_json(spec: ContainerSpec) -> None:
    assert codec.loads(ContainerSpec, codec.dumps(spec)) == spec


@pytest.mark.parametrize("spec", [PLAIN, RICH], ids=["plain", "rich"])
def test_what_is_decoded_late_is_the_same(spec: ContainerSpec) -> None:
    late = codec.loads(ContainerSpec, codec.dumps(spec), late=True)
    assert late.namespaces.network == spec.namespaces.network
    assert late == spec
    assert codec.dumps(codec.loads(ContainerSpec, codec.dumps(spec), late=True)) == codec.dumps(spec)
    assert fingerprint(late, Policy()) == fingerprint(spec, Policy())


def test_what_is_decoded_late_is_refused_late() -> None:
    tree = codec.encode(RICH)
    tree["process"]["argv"] = 7
    tree["mounts"][0]["shape"] = 1
    tree["labels"] = 5
    late = codec.decode(ContainerSpec, tree, late=True)
    assert late.hostname == RICH.hostname
    assert late.process.user == RICH.process.user
    with pytest.raises(codec.DecodeError, match="cannot read argv of a Process: 'int' object is not iterable"):
        _ = late.process.argv
    with pytest.raises(codec.DecodeError, match="cannot read Bind: unknown shape"):
        _ = late.mounts
    with pytest.raises(codec.DecodeError, match="cannot read labels of a ContainerSpec: 'int' object is not iterable"):
        _ = late.labels
    with pytest.raises(codec.DecodeError, match="it lacks argv"):
        _ = codec.loads(Process, "{}", late=True)


def test_defaults_are_left_out() -> None:
    assert json.loads(codec.dumps(PLAIN)) == {
        "name": "shop-web-1",
        "project": "shop",
        "service": "web",
        "number": 1,
        "rootfs": {"type_": "HostRoot"},
        "process": {"argv": ["true"]},
    }


def test_a_whole_project_survives_json() -> None:
    policy = Policy(restart=RestartPolicy(RestartCondition.ALWAYS, delay_ns=0), health=HealthCheck(("true",)))
    desired = Desired(
        project="shop",
        services=(Service("db", (RICH,), policy, (Dependency("web", Condition.HEALTHY, restart=True),)),),
        networks=(
            Network(
                "shop_back",
                "shop",
                "back",
                internal=True,
                subnets=(Subnet("10.213.0.0/24", aux_addresses=(("a", "10.213.0.4"),)),),
            ),
            Network("lan", "shop", "front", Driver.MACVLAN, parent="eth1", reserved=("10.213.0.9",)),
            Network("shared", external=True),
        ),
        address_pools=(AddressPool("10.213.0.0/16", 24),),
    )
    assert codec.loads(Desired, codec.dumps(desired)) == desired


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", r"cannot read Process: a JSON object expected, not \[\]"),
        ("{}", "cannot read Process: it lacks argv"),
        ('{"argv": ["a"], "shape": 1}', "cannot read Process: unknown shape"),
        ('{"argv": ["a"], "rlimits": [7]}', "cannot read Rlimit: a JSON object expected, not 7"),
        ('{"argv": 7}', "cannot read Process"),
        ('{"argv": ["a"], "tty": 1}', "bool expected, not 1"),
        ('{"argv": ["a"], "oom_score_adj": "1"}', "fits none"),
        ('{"argv": ["a"], "env": [["A"]]}', "2 items expected, not 1"),
    ],
)
def test_what_is_no_process_is_refused(text: str, words: str) -> None:
    with pytest.raises(codec.DecodeError, match=words):
        codec.loads(Process, text)


def test_an_unknown_arm_of_a_union_is_refused() -> None:
    text = codec.dumps(PLAIN).replace("HostRoot", "MoonRoot")
    with pytest.raises(codec.DecodeError, match="MoonRoot"):
        codec.loads(ContainerSpec, text)


anything = st.text(st.characters(exclude_categories=()), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@given(
    st.builds(
        ContainerSpec,
        process=st.builds(Process, argv=st.lists(anything, max_size=3).map(tuple)),
        rootfs=st.one_of(st.just(HostRoot()), st.builds(Directory, anything), st.builds(Archive, anything)),
        mounts=st.lists(st.one_of(st.builds(Bind), st.builds(Tmpfs), st.builds(Filesystem)), max_size=3).map(tuple),
    )
)
def test_any_container_survives_json(spec: ContainerSpec) -> None:
    assert codec.loads(ContainerSpec, codec.dumps(spec)) == spec


def test_fingerprints_tell_containers_apart() -> None:
    assert fingerprint(PLAIN, Policy()) == fingerprint(codec.loads(ContainerSpec, codec.dumps(PLAIN)), Policy())
    assert fingerprint(PLAIN, Policy()) != fingerprint(RICH, Policy())
    assert fingerprint(PLAIN, Policy()) != fingerprint(PLAIN, Policy(restart=RestartPolicy(RestartCondition.ALWAYS)))


def test_where_something_was_asked_for_is_no_part_of_it() -> None:
    def made(place: str) -> ContainerSpec:
        return replace(
            PLAIN,
            mounts=(Bind("/a", "/b", place=place),),
            grants=(Grant("secret a", "/a", HostFile("/a"), place=place),),
            endpoints=(Endpoint("lan", place=place),),
        )

    assert fingerprint(made("a.yaml:1:1"), Policy()) == fingerprint(made("b.yaml:2:2"), Policy())
    lan = Network("lan", subnets=(Subnet("10.1.0.0/24", place="other.yaml:1:1"),), place="other.yaml:1:1")
    assert network_fingerprint(lan) == network_fingerprint(Network("lan", subnets=(Subnet("10.1.0.0/24"),)))
