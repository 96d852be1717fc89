"""The outside world: a network namespace with an address of its own, that the host has an interface to."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HOST, ELSEWHERE = "10.214.7.1", "10.214.7.2"
HOST_6, ELSEWHERE_6 = "fd10:214::1", "fd10:214::2"
LINK = "pcoutside"
PATIENCE = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Outside:
    """Somewhere else. `HOST` is this machine's address as seen from there."""

    pid: int

    def argv(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", *words]

    def run(self, *words: str, check: bool = True) -> str:
        """What a command prints that runs there."""
        done = subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=30)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, url: str) -> str:
        """A page as it is seen from there; "" where it cannot be had."""
        return self.run("curl", "-sS", "-m", "5", url, check=False)


@contextmanager
def outside() -> Iterator[Outside]:
    """An outside world within the block."""
    with subprocess.Popen(["unshare", "-n", "sleep", "infinity"]) as process:
        try:
            _wait_for_namespace(process.pid)
            _ip("link", "add", LINK, "type", "veth", "peer", "name", "host", "netns", str(process.pid))
            there = Outside(process.pid)
            for address, other in ((f"{HOST}/24", f"{ELSEWHERE}/24"), (f"{HOST_6}/64", f"{ELSEWHERE_6}/64")):
                _ip("address", "add", address, "dev", LINK, *_NODAD.get(":" in address, ()))
                there.run("ip", "address", "add", other, "dev", "host", *_NODAD.get(":" in address, ()))
            _ip("link", "set", LINK, "up")
            there.run("ip", "link", "set", "lo", "up")
            there.run("ip", "link", "set", "host", "up")
            yield there
        finally:
            subprocess.run(["ip", "link", "delete", LINK], check=False)
            process.kill()


_NODAD = {True: ("nodad",)}


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _wait_for_namespace(pid: int) -> None:
    own, deadline = os.readlink("/proc/self/ns/net"), time.monotonic() + PATIENCE
    while os.readlink(f"/proc/{pid}/ns/net") == own:
        assert time.monotonic() < deadline, "no network namespace"
        time.sleep(0.01)  # unshare(1) says nothing when it is done
