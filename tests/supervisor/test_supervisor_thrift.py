"""What the supervisor costs while it has nothing to do, and that it does not cost more the longer it runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from composer.control.messages import Restart, Stop, Wait
from composer.spec.policy import Policy
from tests.supervisor.projects import SECOND, Shop, probe

pytestmark = pytest.mark.root

LARGEST = 64 << 10  # KiB of anonymous and file memory; about half of it is the interpreter with asyncio


def status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    raise KeyError(key)


def test_it_sleeps_while_nothing_happens(shop: Shop) -> None:
    shop.up(shop.service("web", scale=3))
    pid = shop.pid_of_supervisor()
    shop.request(Wait(("no-such-service",)))
    time.sleep(0.5)  # what the last request has left to do
    before = status(pid, "voluntary_ctxt_switches")
    time.sleep(1.5)  # the interval that is measured
    assert status(pid, "voluntary_ctxt_switches") == before
    assert status(pid, "VmRSS") < LARGEST


def test_no_descriptor_is_lost_over_starts_probes_and_stops(shop: Shop) -> None:
    policy = Policy(health=probe("true", interval_ns=SECOND // 100))
    web = shop.service("web", policy=policy)

    def cycle() -> int:
        shop.up(web, wait=True)
        shop.request(Restart(timeout_ns=0))
        shop.request(Stop(timeout_ns=0))
        shop.up(shop.service("other"))
        return len(os.listdir(f"/proc/{shop.pid_of_supervisor()}/fd"))

    shop.up(shop.service("other"))  # keeps the supervisor from leaving
    first = cycle()
    assert max(cycle() for _ in range(4)) <= first + 1  # a client that leaves in this moment
