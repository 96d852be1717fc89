"""`ports:` in all its forms, and what the machine is asked to publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.errors import InvalidFile
from composer.loader.pipeline import load
from composer.loader.request import LoadRequest
from composer.lowering.desired import LoweringOptions, OneoffOverrides, lower, oneoff
from composer.lowering.host import HostFacts
from composer.model.network import Port
from composer.model.project import Project
from composer.spec.fingerprint import fingerprint
from composer.spec.network import ExposedPorts, PortRange, Protocol, PublishedPort

HOST = HostFacts(hostname="metal", hosts="", resolv_conf="", directories=frozenset())
UDP, SCTP = Protocol.UDP, Protocol.SCTP


def loaded(tmp_path: Path, lines: str) -> Project:
    text = f"name: shop\nservices:\n  web:\n    rootfs: /\n    command: [run]\n    {lines}\n"
    (tmp_path / "compose.yaml").write_text(text)
    return load(LoadRequest(cwd=str(tmp_path), environment={})).project


def published(project: Project) -> tuple[PublishedPort, ...]:
    return lower(project, host=HOST, options=LoweringOptions()).services[0].containers[0].ports


def one(number: int) -> PortRange:
    return PortRange(number, number)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("80", [PublishedPort(80)]),
        ("'80'", [PublishedPort(80)]),
        ("'80-81'", [PublishedPort(80), PublishedPort(81)]),
        ("'8080:80'", [PublishedPort(80, host=one(8080))]),
        ("'0:80'", [PublishedPort(80)]),
        ("'8080:80/udp'", [PublishedPort(80, UDP, one(8080))]),
        ("'8080:80/SCTP'", [PublishedPort(80, SCTP, one(8080))]),
        ("'8080-8081:80-81'", [PublishedPort(80, host=one(8080)), PublishedPort(81, host=one(8081))]),
        ("'8080-8090:80'", [PublishedPort(80, host=PortRange(8080, 8090))]),
        ("'127.0.0.1:8080:80'", [PublishedPort(80, host=one(8080), host_ip="127.0.0.1")]),
        ("'127.0.0.1::80'", [PublishedPort(80, host_ip="127.0.0.1")]),
        ("'[::1]:8080:80'", [PublishedPort(80, host=one(8080), host_ip="::1")]),
        ("'[0:0::1]:8080:80'", [PublishedPort(80, host=one(8080), host_ip="::1")]),
        ("{target: 80}", [PublishedPort(80)]),
        ("{target: 80, published: 8080}", [PublishedPort(80, host=one(8080))]),
        ("{target: 80, published: '8080-8090'}", [PublishedPort(80, host=PortRange(8080, 8090))]),
        ("{target: 53, published: '53', protocol: udp, mode: host}", [PublishedPort(53, UDP, one(53))]),
        (
            "{name: web, target: 80, published: '8080', host_ip: 127.0.0.1, app_protocol: http, mode: ingress}",
            [PublishedPort(80, host=one(8080), host_ip="127.0.0.1", name="web", app_protocol="http")],
        ),
    ],
)
def test_a_port(tmp_path: Path, said: str, meant: list[PublishedPort]) -> None:
    assert published(loaded(tmp_path, f"ports: [{said}]")) == tuple(meant)


@pytest.mark.parametrize("mode", ["host", "none"])
def test_nothing_is_published_without_a_network_of_one_s_own(tmp_path: Path, mode: str) -> None:
    assert published(loaded(tmp_path, f"ports: [80]\n    network_mode: {mode}")) == ()


def test_a_port_knows_its_place(tmp_path: Path) -> None:
    project = loaded(tmp_path, "ports: [80, '8080-8081:80-81']")
    options = LoweringOptions(place=lambda path: ".".join(map(str, path)))
    ports = lower(project, host=HOST, options=options).services[0].containers[0].ports
    assert [port.place for port in ports] == [f"services.web.ports.{index}" for index in range(3)]


def test_a_oneoff_publishes_what_it_is_told_to_alone(tmp_path: Path) -> None:
    project = loaded(tmp_path, "ports: [80]")
    told = Port.model_validate({"target": 90, "published": "9090"})
    for ports, meant in (((), ()), ((told,), (PublishedPort(90, host=one(9090)),))):
        spec, _ = oneoff(project, "web", host=HOST, overrides=OneoffOverrides("once", ports=ports))
        assert spec.ports == meant


def test_exposed_ports_are_kept_once_and_count_for_the_container(tmp_path: Path) -> None:
    def fingerprint_of(said: str) -> tuple[str, tuple[ExposedPorts, ...]]:
        service = lower(loaded(tmp_path, said), host=HOST, options=LoweringOptions()).services[0]
        return fingerprint(service.containers[0], service.policy), service.containers[0].expose

    without, nothing = fingerprint_of("init: true")
    one_way, exposed = fingerprint_of("init: true\n    expose: [6379, '53/UDP', '3000-3005']")
    another_way, _ = fingerprint_of("init: true\n    expose: ['3000-3005/tcp', '6379/tcp', '6379', '53/udp']")
    assert nothing == ()
    assert exposed == (ExposedPorts(PortRange(3000, 3005)), ExposedPorts(one(6379)), ExposedPorts(one(53), UDP))
    assert one_way == another_way != without


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[web]", '"web" is not a port'),
        ("['80/tpc']", '"tpc" is not a protocol'),
        ("['8:80']", '"8:80" is not a port'),
        ("[0]", "the port 0 is out of range"),
        ("['80-79']", "ends before it begins"),
        ("[{target: 80}]", "a port is needed"),
    ],
)
def test_what_cannot_be_exposed_is_told(tmp_path: Path, said: str, told: str) -> None:
    with pytest.raises(InvalidFile) as refusal:
        loaded(tmp_path, f"expose: {said}")
    assert told in str(refusal.value.problems[0])
