"""Networks on the running kernel: made twice, used, found again, removed; and what their options change."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from composer.errors import Conflict, HostError
from composer.linux import nftables
from composer.runtime.network import forwarding, host, networks
from composer.spec.network import Network, Subnet
from tests.conftest import Pycompose
from tests.linux.forked import run_in_own_network
from tests.outside import ELSEWHERE, outside

pytestmark = pytest.mark.root

SHOP = Network("shop_lan", "shop", subnets=(Subnet("10.214.40.0/24"),))


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "networks")


def link(name: str) -> dict[str, Any]:
    shown = subprocess.run(["ip", "-j", "-d", "address", "show", name], check=True, capture_output=True).stdout
    found: dict[str, Any] = json.loads(shown)[0]
    return found


# ---- networks alone ----------------------------------------------------------------------------------------------


def test_making_a_network_twice_changes_nothing(directory: str) -> None:
    def work() -> None:
        before = networks.observe()
        made = networks.create(SHOP, directory=directory)
        there, rules = networks.observe(), nftables.run("list ruleset")
        assert networks.create(SHOP, directory=directory) == made
        assert networks.resolved("shop_lan", directory=directory) == made
        assert made.interface == there.networks["shop_lan"].link.name
        assert (networks.observe(), nftables.run("list ruleset")) == (there, rules)
        networks.remove("shop_lan", project="shop", directory=directory)
        networks.remove("shop_lan", project="shop", directory=directory)
        assert (networks.observe(), nftables.run("list ruleset")) == (before, "")
        assert not os.path.exists(directory)

    run_in_own_network(work)


def test_a_process_made_under_the_lock_does_not_keep_it() -> None:
    def work() -> None:
        reader, writer = os.pipe()
        with host.locked():
            process = os.fork()
            if process == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
        try:
            again = os.open("/proc/self/ns/net", os.O_RDONLY)
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(writer)
            os.waitpid(process, 0)

    run_in_own_network(work)


def test_a_network_is_found_after_its_maker_has_died(directory: str) -> None:
    def work() -> None:
        process = os.fork()
        if process == 0:
            try:
                networks.create(SHOP, directory=directory)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(process, 0)
        label = networks.observe().networks["shop_lan"].label
        assert (label.project, label.subnets) == ("shop", ("10.214.40.0/24",))
        with pytest.raises(Conflict, match="it belongs to project shop"):
            networks.remove("shop_lan", project="other", directory=directory)
        networks.remove("shop_lan", project="shop", directory=directory)
        assert networks.observe().networks == {}

    run_in_own_network(work)


def test_forwarding_is_on_from_the_first_network_with_a_way_out_to_the_last(directory: str) -> None:
    inner = Network("shop_inner", "shop", internal=True)
    other = Network("other_lan", "other")

    def work() -> None:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")  # a namespace begins with what the machine has
        networks.create(inner, directory=directory)
        assert not forwarding.is_on("4")
        networks.create(SHOP, directory=directory)
        networks.create(other, directory=directory)
        assert forwarding.is_on("4")
        networks.remove("shop_lan", project="shop", directory=directory)
        assert forwarding.is_on("4")
        networks.remove("other_lan", project="other", directory=directory)
        assert not forwarding.is_on("4")

    run_in_own_network(work)


def test_a_network_that_fails_leaves_nothing(directory: str) -> None:
    def work() -> None:
        ip("link", "add", "pcroute", "type", "bridge")
        ip("address", "add", "10.214.40.9/24", "dev", "pcroute")
        before = networks.observe()
        with pytest.raises(Conflict, match=r"its subnet 10\.214\.40\.0/24 overlaps 10\.214\.40\.0/24"):
            networks.create(SHOP, directory=directory)
        with pytest.raises(Conflict, match="there is an interface pcroute already"):
            networks.create(Network("shop_x", "shop", interface="pcroute"), directory=directory)
        refused = Network("shop_y", "shop", ipv4=False, ipv6=True, subnets=(Subnet("ff05::/64", gateway="ff05::1"),))
        with pytest.raises(HostError, match=r"cannot create network shop_y: .*address add ff05::1/64"):
            networks.create(refused, directory=directory)  # by the kernel, once rules and bridge are there
        assert (networks.observe(), nftables.run("list ruleset")) == (before, "")
        assert not os.path.exists(directory)

    run_in_own_network(work)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


# ---- containers in them ------------------------------------------------------------------------------------------

OPTIONS = """
services:
  one: &service
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    networks:
      lan:
        mac_address: 02:00:00:00:40:07
        interface_name: lan0
        link_local_ips: [169.254.40.7]
      way:
        gw_priority: 7
        interface_name: way0
  two:
    <<: *service
    networks: [lan]
networks:
  lan:
    driver_opts:
      com.docker.network.bridge.name: pc-lan
      com.docker.network.bridge.enable_icc: "false"
      com.docker.network.driver.mtu: "1380"
  way: {}
"""


@pytest.fixture
def project(pycompose: Pycompose, busybox_rootfs: Path) -> Pycompose:
    text = OPTIONS.replace("ROOT", str(busybox_rootfs))
    (pycompose.directory / "compose.yaml").write_text(f"name: shop\n{text}")
    pycompose("up", "-d")
    return pycompose


def inside(project: Pycompose, service: str, *words: str) -> str:
    return project("exec", "-T", service, *words, check=False).stdout


def address(project: Pycompose, service: str, network: str) -> str:
    [tree] = json.loads(project("inspect", service).stdout)
    return str(tree["NetworkSettings"]["Networks"][network]["IPAddress"])


def reaches(project: Pycompose, service: str, target: str) -> bool:
    return "1 packets received" in inside(project, service, "ping", "-c1", "-W1", target)


def test_what_the_file_says_is_so(project: Pycompose) -> None:
    bridge = link("pc-lan")
    assert (bridge["mtu"], bridge["altnames"]) == (1380, ["shop_lan"])
    shown = inside(project, "one", "ip", "address", "show", "lan0")
    assert "02:00:00:00:40:07" in shown
    assert "169.254.40.7/16" in shown
    assert "mtu 1380" in shown
    first, *_, last = inside(project, "one", "ip", "route").splitlines()[0].split()
    assert (first, last) == ("default", "way0")
    assert not reaches(project, "one", address(project, "two", "shop_lan")), "icc is off"
    assert reaches(project, "two", link("pc-lan")["addr_info"][0]["local"])
    project("down")
    assert subprocess.run(["ip", "link", "show", "pc-lan"], capture_output=True).returncode != 0


def test_a_container_reaches_outside_as_the_host_and_not_another_network(project: Pycompose) -> None:
    with outside() as there:
        assert reaches(project, "one", ELSEWHERE), "nobody there knows a way to its address"
        there.run("ip", "route", "add", "10.213.0.0/16", "via", "10.214.7.1")
        done = there.run("ping", "-c1", "-W1", address(project, "one", "shop_way"), check=False)
        assert "1 received" not in done
    assert not reaches(project, "two", address(project, "one", "shop_way"))
    project("down")
