"""Containers of one network reach each other, those of two do not."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.scenarios.conftest import EXAMPLES, Project

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.parametrize("example", [EXAMPLES / "two-networks/compose.yaml"], indirect=True),
]


def address(example: Project, service: str, key: str) -> str:
    networks = example.inspect(service)["NetworkSettings"]["Networks"]
    return str(next(it["IPAddress"] for name, it in networks.items() if name.endswith(key)))


def resolved(example: Project, service: str, name: str) -> list[str]:
    """Asked as any program of the container would."""
    shown = example("exec", "-T", service, "getent", "ahosts", name, check=False)
    return list(dict.fromkeys(line.split()[0] for line in shown.splitlines()))


def reaches(example: Project, service: str, target: str) -> bool:
    return "1 packets received" in example("exec", "-T", service, "busybox", "ping", "-c1", "-W1", target, check=False)


def test_two_networks(example: Project) -> None:
    example("up", "-d", "--wait")
    proxy, shop = address(example, "proxy", "front"), address(example, "shop", "front")
    assert address(example, "database", "back") == "10.213.77.20"
    assert reaches(example, "proxy", shop)
    assert reaches(example, "shop", proxy)
    assert reaches(example, "shop", "10.213.77.20")
    assert not reaches(example, "proxy", "10.213.77.20")
    assert not reaches(example, "database", proxy)
    assert resolved(example, "proxy", "shop") == [shop]
    assert resolved(example, "shop", "proxy") == [proxy]
    assert resolved(example, "shop", "database") == ["10.213.77.20"]
    assert resolved(example, "database", "shop") == ["10.213.77.10"], "the address on the network that both are on"
    assert resolved(example, "proxy", "database") == []
    assert resolved(example, "database", "proxy") == []
    shown = subprocess.run(["ip", "-j", "address"], check=True, capture_output=True, text=True).stdout
    bridges = {link["altnames"][0]: link for link in json.loads(shown) if link.get("altnames")}
    assert "10.213.77.1" in [it["local"] for it in bridges[f"{example.name}_back"]["addr_info"]]
    assert bridges[f"{example.name}_front"]["addr_info"]
    example("down")
    assert f"{example.name}_back" not in subprocess.run(["ip", "address"], capture_output=True, text=True).stdout
    ruleset = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    assert f"pycompose_{example.name}" not in ruleset


def test_addresses_and_names_outlive_all_processes_of_ours(example: Project) -> None:
    example("up", "-d", "--wait")
    before = {service: address(example, service, "back") for service in ("shop", "database")}
    assert _kill_all(example) == 4
    example("up", "-d", "--wait")
    assert {service: address(example, service, "back") for service in ("shop", "database")} == before
    assert reaches(example, "shop", "database")
    example("restart", "shop")
    assert address(example, "shop", "back") == before["shop"]
    example("down")


def _kill_all(example: Project) -> int:
    """How many processes of ours looked after the project; none does now."""
    marks = (example.pycompose.paths.run.encode(), f'"{example.name}"'.encode(), b"__main__.py")
    found = [int(it) for it in os.listdir("/proc") if it.isdecimal()]
    found = [process for process in found if all(mark in _command_line(str(process)) for mark in marks)]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # none sees the other's end
        for process in found:
            os.kill(process, number)
    return len(found)


def _command_line(process: str) -> bytes:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""
