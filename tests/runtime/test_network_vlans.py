"""Networks of driver macvlan and ipvlan: an interface of the test's own is the parent."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.errors import MissingFeature
from composer.linux import rtnetlink
from composer.runtime.network import leases, networks
from composer.spec.network import Attachment, Driver, Network, Subnet
from tests.conftest import Pycompose

pytestmark = [pytest.mark.root, pytest.mark.rare]

PARENT, FAR_END = "pcparent", "pcfar"
ROUTER = "10.214.30.1"

LAN = """
services:
  one: &service
    rootfs: {rootfs}
    command: [sleep, "600"]
    stop_grace_period: 0s
    networks: [lan]
  two: *service
networks:
  lan:
    driver: {driver}
    driver_opts: {{parent: {parent}}}
    ipam: {{config: [{{subnet: 10.214.30.0/24, gateway: 10.214.30.1}}]}}
"""


def kernel_has(kind: str) -> bool:
    with rtnetlink.open_route() as route:
        try:
            route.perform([rtnetlink.probe_kind(kind)])
        except OSError:
            return False
    return True


@pytest.fixture
def parent() -> Iterator[str]:
    """An interface of the host, with a router at its other end."""
    subprocess.run(["ip", "link", "add", PARENT, "type", "veth", "peer", "name", FAR_END], check=True)
    subprocess.run(["ip", "link", "set", PARENT, "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{ROUTER}/24", "dev", FAR_END], check=True)
    subprocess.run(["ip", "link", "set", FAR_END, "up"], check=True)
    yield PARENT
    subprocess.run(["ip", "link", "delete", PARENT], check=True)


def address(pycompose: Pycompose, service: str) -> str:
    [tree] = json.loads(pycompose("-p", "lan", "inspect", service).stdout)
    return str(tree["NetworkSettings"]["Networks"]["lan_lan"]["IPAddress"])


def reaches(pycompose: Pycompose, service: str, target: str) -> bool:
    done = pycompose("-p", "lan", "exec", "-T", service, "ping", "-c1", "-W2", target, check=False)
    return "1 packets received" in done.stdout


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_containers_are_on_the_parents_network(
    pycompose: Pycompose, parent: str, busybox_rootfs: Path, driver: str
) -> None:
    text = LAN.format(rootfs=busybox_rootfs, driver=driver, parent=parent)
    (pycompose.directory / "compose.yaml").write_text(text)
    if not kernel_has(driver):
        refused = pycompose("-p", "lan", "up", "-d", check=False)
        assert (
            f"cannot create network lan_lan (compose.yaml:10:3): this kernel has no {driver} interfaces"
            in refused.stderr
        )
        assert not os.path.exists(pycompose.paths.project("lan").run)
        assert pycompose("network", "ls", "-q").stdout == ""
        return
    pycompose("-p", "lan", "up", "-d")
    one, two = address(pycompose, "one"), address(pycompose, "two")
    assert one != two
    assert reaches(pycompose, "one", two)
    assert reaches(pycompose, "one", ROUTER)
    tree = json.loads(pycompose("network", "inspect", "lan_lan").stdout)[0]
    assert {it["Name"] for it in tree["Containers"].values()} == {"lan-one-1", "lan-two-1"}
    pycompose("-p", "lan", "restart", "one")
    assert address(pycompose, "one") == one
    pycompose("-p", "lan", "down")
    assert not Path(pycompose.paths.networks).exists(), "leases and all"


@pytest.mark.skipif(not kernel_has("macvlan"), reason="this kernel has no macvlan interfaces")
def test_a_network_without_a_parent_has_no_way_out(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    text = LAN.format(rootfs=busybox_rootfs, driver="macvlan", parent="x").replace("driver_opts: {parent: x}", "")
    (pycompose.directory / "compose.yaml").write_text(text)
    pycompose("-p", "lan", "up", "-d")
    assert reaches(pycompose, "one", address(pycompose, "two"))
    pycompose("-p", "lan", "down")


def test_a_kind_that_the_kernel_lacks_is_told_and_nothing_is_left(paths_of_networks: str) -> None:
    missing = next((driver for driver in (Driver.IPVLAN, Driver.MACVLAN) if not kernel_has(driver.value)), None)
    if missing is None:
        pytest.skip("this kernel has macvlan and ipvlan")
    before = networks.observe()
    lan = Network("lan", driver=missing, subnets=(Subnet("10.214.31.0/24"),))
    with pytest.raises(MissingFeature, match=f"this kernel has no {missing.value} interfaces"):
        networks.create(lan, directory=paths_of_networks)
    assert networks.observe() == before


@pytest.fixture
def paths_of_networks(tmp_path: Path) -> str:
    return str(tmp_path / "networks")


def test_a_lease_ends_with_its_holder(tmp_path: Path) -> None:
    directory = str(tmp_path / "leases")
    attachment = Attachment("lan", "eth0", "02:00:00:00:00:01", ipv4_address="10.214.30.5")
    with subprocess.Popen(["sleep", "600"]) as holder:
        leases.take(directory, attachment, pid=holder.pid, project="shop", container="shop-db-1")
        [label] = leases.held(directory, "lan")
        assert (label.project, label.container, label.addresses) == ("shop", "shop-db-1", ("10.214.30.5",))
        assert leases.held(directory, "other") == []
        leases.tidy(directory)
        assert leases.held(directory, "lan")
        holder.kill()
    assert leases.held(directory, "lan") == []
    leases.tidy(directory)
    assert not Path(directory).exists()
