"""Networks from the command line: made by hand, shared by projects, kept while in use, removed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.root

SHARING = """
services:
  web:
    rootfs: {rootfs}
    command: [sleep, "600"]
    stop_grace_period: 0s
    networks: [common, own]
networks:
  common:
    name: shared
    external: true
  own:
    labels: {{purpose: test}}
"""


@pytest.fixture
def projects(pycompose: Pycompose, busybox_rootfs: Path) -> tuple[str, ...]:
    """The options that name two projects of the same file."""
    (pycompose.directory / "compose.yaml").write_text(SHARING.format(rootfs=busybox_rootfs))
    return "one", "two"


def names(pycompose: Pycompose, *words: str) -> list[str]:
    return pycompose("network", "ls", "-q", *words).stdout.split()


def about(pycompose: Pycompose, name: str) -> dict[str, object]:
    [tree] = json.loads(pycompose("network", "inspect", name).stdout)
    assert isinstance(tree, dict)
    return tree


def address(pycompose: Pycompose, project: str) -> str:
    [tree] = json.loads(pycompose("-p", project, "inspect", "web").stdout)
    return str(tree["NetworkSettings"]["Networks"]["shared"]["IPAddress"])


def reaches(pycompose: Pycompose, project: str, target: str) -> bool:
    done = pycompose("-p", project, "exec", "-T", "web", "ping", "-c1", "-W1", target, check=False)
    return "1 packets received" in done.stdout


def bridge_is_there(name: str) -> bool:
    return subprocess.run(["ip", "link", "show", name], capture_output=True).returncode == 0


def test_two_projects_meet_in_an_external_network_which_outlives_both(
    pycompose: Pycompose, projects: tuple[str, ...]
) -> None:
    pycompose("network", "create", "--subnet", "10.213.200.0/24", "shared")
    for project in projects:
        pycompose("-p", project, "up", "-d")
    assert reaches(pycompose, "one", address(pycompose, "two"))
    assert reaches(pycompose, "two", address(pycompose, "one"))

    refused = pycompose("network", "rm", "shared", check=False)
    assert refused.returncode == 1
    assert "it is in use by one-web-1 of project one, two-web-1 of project two" in refused.stderr

    pycompose("-p", "one", "down")
    assert names(pycompose) == ["shared", "two_own"]
    assert address(pycompose, "two").startswith("10.213.200.")
    assert bridge_is_there("shared")

    pycompose("-p", "two", "stop")
    refused = pycompose("network", "rm", "shared", check=False)
    assert "it is in use by two-web-1 of project two" in refused.stderr, "it could not be started again"
    pycompose("-p", "two", "down")
    assert pycompose("network", "rm", "shared").stdout == "shared\n"
    assert not bridge_is_there("shared")
    assert not os.path.exists(pycompose.paths.networks)


def test_an_external_network_that_is_missing_is_told_before_anything_starts(
    pycompose: Pycompose, projects: tuple[str, ...]
) -> None:
    refused = pycompose("-p", "one", "up", "-d", check=False)
    assert refused.returncode == 1
    assert (
        "cannot use network shared (compose.yaml:9:3): it is external, and there is none of that name" in refused.stderr
    )
    assert "pycompose network create shared" in refused.stderr
    assert names(pycompose) == []


def test_networks_are_listed_and_inspected(pycompose: Pycompose, projects: tuple[str, ...]) -> None:
    pycompose("network", "create", "--internal", "--ipv6", "--label", "team=a", "-o", "mtu=1400", "shared")
    assert names(pycompose, "-f", "dangling=true") == ["shared"]
    pycompose("-p", "one", "up", "-d")
    assert names(pycompose, "-f", "dangling=true") == []
    assert names(pycompose, "-f", "label=team=a") == ["shared"]
    assert names(pycompose, "-f", "label=com.docker.compose.project=one") == ["one_own"]
    assert names(pycompose, "-f", "label!=team") == ["one_own"]
    assert names(pycompose, "-f", "name=own", "-f", "driver=bridge") == ["one_own"]

    head, first, second = pycompose("network", "ls").stdout.splitlines()
    assert head.split() == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    assert first.split()[1:] == ["one_own", "bridge", "local"]
    rows = [json.loads(line) for line in pycompose("network", "ls", "--format", "json").stdout.splitlines()]
    assert [(row["Name"], row["Internal"], row["IPv6"]) for row in rows] == [
        ("one_own", "false", "false"),
        ("shared", "true", "true"),
    ]
    assert pycompose("network", "ls", "--format", "{{.Name}} {{.Labels}}").stdout.splitlines()[1] == "shared team=a"

    tree = about(pycompose, second.split()[0])
    assert (tree["Name"], tree["Internal"], tree["Labels"]) == ("shared", True, {"team": "a"})
    assert tree["Options"] == {
        "com.docker.network.bridge.name": tree["Interface"],
        "com.docker.network.driver.mtu": "1400",
    }
    assert isinstance(tree["Containers"], dict)
    [container] = tree["Containers"].values()
    assert container["Name"] == "one-web-1"
    assert container["IPv4Address"].partition("/")[0] == address(pycompose, "one")
    assert container["IPv6Address"].endswith("/64")
    assert pycompose("network", "inspect", "-f", "{{.Driver}}", "one_own").stdout == "bridge\n"
    pycompose("-p", "one", "down")
    pycompose("network", "rm", "shared")


def test_a_network_has_what_its_options_say(pycompose: Pycompose) -> None:
    pycompose(
        *("network", "create", "--subnet", "10.213.201.0/24", "--subnet", "fd00:213::/64", "--gateway", "fd00:213::9"),
        *("--gateway", "10.213.201.7", "--ip-range", "10.213.201.128/25", "--aux-address", "router=10.213.201.130"),
        *("--opt", "com.docker.network.bridge.name=pc-byhand", "byhand"),
    )
    assert about(pycompose, "byhand")["IPAM"] == {
        "Driver": "default",
        "Options": None,
        "Config": [
            {
                "Subnet": "10.213.201.0/24",
                "IPRange": "10.213.201.128/25",
                "Gateway": "10.213.201.7",
                "AuxiliaryAddresses": {"router": "10.213.201.130"},
            },
            {"Subnet": "fd00:213::/64", "Gateway": "fd00:213::9"},
        ],
    }
    shown = json.loads(subprocess.run(["ip", "-j", "address", "show", "pc-byhand"], capture_output=True).stdout)
    assert {it["local"] for it in shown[0]["addr_info"]} == {"10.213.201.7", "fd00:213::9"}
    again = pycompose("network", "create", "byhand", check=False)
    assert "cannot create network byhand: there is one of that name" in again.stderr
    assert again.returncode == 1
    overlapping = pycompose("network", "create", "--subnet", "10.213.201.64/26", "other", check=False)
    assert "cannot create network other: its subnet 10.213.201.64/26 overlaps 10.213.201.0/24" in overlapping.stderr
    assert names(pycompose) == ["byhand"]
    pycompose("network", "rm", "byhand")


def test_a_network_made_by_hand_is_made_again_when_the_machine_has_forgotten_it(
    pycompose: Pycompose, projects: tuple[str, ...]
) -> None:
    pycompose("network", "create", "--label", "team=a", "shared")
    before = about(pycompose, "shared")["IPAM"]
    subprocess.run(["ip", "link", "delete", "shared"], check=True)  # as a reboot does
    assert names(pycompose) == ["shared"]
    assert "there is one of that name" in pycompose("network", "create", "shared", check=False).stderr
    pycompose("-p", "one", "up", "-d")
    assert about(pycompose, "shared")["IPAM"] == before
    assert names(pycompose, "-f", "label=team=a") == ["shared"]
    pycompose("-p", "one", "down")
    pycompose("network", "rm", "shared")


def test_prune_takes_what_nobody_has_and_asks_first(pycompose: Pycompose, projects: tuple[str, ...]) -> None:
    pycompose("network", "create", "shared")
    pycompose("network", "create", "--label", "keep", "idle")
    pycompose("-p", "one", "up", "-d")
    asked = pycompose("network", "prune")
    assert asked.stdout == ""
    assert "Are you sure?" in asked.stderr
    assert pycompose("network", "prune", "-f", "--filter", "label!=keep").stdout == ""
    assert pycompose("network", "prune", "-f", "--filter", "until=1h").stdout == ""
    assert pycompose("--dry-run", "network", "prune").stdout.endswith("\nidle\n")
    assert pycompose("--dry-run", "network", "rm", "idle").stdout == "idle\n"
    assert names(pycompose) == ["idle", "one_own", "shared"]
    assert pycompose("--dry-run", "network", "create", "x", check=False).returncode == 2
    assert pycompose("network", "prune", "-f").stdout == "Deleted Networks:\nidle\n"
    assert names(pycompose) == ["one_own", "shared"]
    pycompose("-p", "one", "down")
    pycompose("network", "rm", "shared")
    assert pycompose("network", "rm", "--force", "shared").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rm", "sharde"], "there is no network sharde"),
        (["inspect", "nothing"], "there is no network nothing"),
        (["lst"], 'there is no "network lst"'),
        (["ls", "--filter", "colour=red"], 'cannot filter networks by "colour=red"'),
        (["create", "a b"], 'cannot create network a b: it cannot be called "a b"'),
        (["create", "-d", "host", "x"], "cannot create network x: driver host is no network of its own"),
        (["create", "-d", "overlay", "x"], "cannot create network x: it cannot have driver overlay"),
        (["create", "-o", "mtuu=1", "x"], '"mtuu" is not an option of a network'),
        (["create", "-o", "mtu=1", "x"], "it is a number from 68 to 65535"),
        (["create", "--ipv4=false", "x"], "it has neither IPv4 nor IPv6"),
        (["create", "--subnet", "10.1.0.1/24", "x"], "write 10.1.0.0/24"),
        (["create", "--gateway", "10.1.0.1", "x"], "--gateway 10.1.0.1 needs a subnet"),
        (["create", "--subnet", "10.1.0.0/24", "--gateway", "10.2.0.1", "x"], "--gateway 10.2.0.1 is in no subnet"),
        (["create", "--subnet", "10.1.0.0/24", "--gateway", "10.1.0.1", "--gateway", "10.1.0.2", "x"], "already"),
        (["create", "--subnet", "10.1.0.0/24", "--aux-address", "10.1.0.2", "x"], "write NAME=ADDRESS"),
    ],
)
def test_what_cannot_be_is_told(pycompose: Pycompose, words: list[str], said: str) -> None:
    refused = pycompose("network", *words, check=False)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert names(pycompose) == []


def test_check_tells_for_whom_packets_are_forwarded(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    switch = Path("/proc/sys/net/ipv4/ip_forward")
    before = switch.read_text()
    lines = f"{{rootfs: {busybox_rootfs}, command: [sleep, '600'], stop_grace_period: 0s}}"
    long = "p" * 60  # its network's alias would be longer than the kernel takes
    networks = f"{{default: {{name: '{long}_{'n' * 39}'}}}}"
    (pycompose.directory / "compose.yaml").write_text(f"services:\n  web: {lines}\n")
    (pycompose.directory / "long.yaml").write_text(f"services:\n  web: {lines}\nnetworks: {networks}\n")

    def told() -> str:
        found = json.loads(pycompose("check", "--format", "json", check=False).stdout)
        return next(str(it["detail"]) for it in found if it["feature"] == "net.ipv4.ip_forward")

    try:
        switch.write_text("0\n")
        assert told().startswith("off: the first network with a way out switches it on")
        pycompose("-p", "one", "up", "-d")
        pycompose("-f", "long.yaml", "-p", long, "up", "-d")
        pycompose("network", "create", "by-hand")
        assert told() == (
            f"on because of network by-hand, project one, project {long}; "
            "it was off, and is again after the last `down`"
        )
        pycompose("-p", "one", "down")
        pycompose("network", "rm", "by-hand")
        assert told().startswith(f"on because of project {long};")
        pycompose("-p", long, "down")
        assert told().startswith("off: ")
        switch.write_text("1\n")
        pycompose("-p", "one", "up", "-d")
        assert told() == "on"
        pycompose("-p", "one", "down")
        assert switch.read_text() == "1\n"
    finally:
        switch.write_text(before)


def test_long_names_cost_no_address_and_no_network(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    """What is written on an interface has 255 bytes."""
    project, service, network = "p" * 60, "s" * 60, "n" * 100
    lines = f"{{rootfs: {busybox_rootfs}, command: [sleep, '600'], stop_grace_period: 0s, scale: 4}}"
    (pycompose.directory / "compose.yaml").write_text(f"services:\n  {service}: {lines}\n")
    pycompose("-p", project, "up", "-d")
    pycompose("-p", project, "up", "-d", "--scale", f"{service}=6")
    containers = json.loads(pycompose("-p", project, "inspect", service).stdout)
    addresses = [it["NetworkSettings"]["Networks"][f"{project}_default"]["IPAddress"] for it in containers]
    assert len(set(addresses)) == 6
    attached = about(pycompose, f"{project}_default")["Containers"]
    assert isinstance(attached, dict)
    assert {it["IPv4Address"].partition("/")[0] for it in attached.values()} == set(addresses)
    refused = pycompose("network", "rm", f"{project}_default", check=False)
    assert f"{project}-{service}-1" in refused.stderr
    pycompose("-p", project, "down")
    assert names(pycompose) == []

    with open(pycompose.directory / "compose.yaml", "a", encoding="utf-8") as file:
        file.write(f"networks: {{default: {{name: {network}}}}}\n")
    refused = pycompose("-p", project, "up", "-d", check=False)
    assert refused.returncode == 1
    assert "File name too long" in refused.stderr
    assert "Traceback" not in refused.stderr
    pycompose("-p", project, "down")
    assert names(pycompose) == []
