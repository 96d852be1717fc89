"""Replicas share their service's name, and take turns at it."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import EXAMPLES, Project

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.parametrize("example", [EXAMPLES / "scale/compose.yaml"], indirect=True),
]


def visits(example: Project, times: int) -> list[str]:
    """Who answered, each time to a program that takes the first address it is given."""
    return [
        example("exec", "-T", "client", "busybox", "wget", "-qO-", "http://web/hostname").strip() for _ in range(times)
    ]


def addresses(example: Project) -> set[str]:
    shown = example("exec", "-T", "client", "getent", "ahostsv4", "web")
    return {line.split()[0] for line in shown.splitlines()}


def test_replicas_take_turns(example: Project) -> None:
    example("up", "-d", "--wait", "--scale", "web=3")
    everybody = {f"{example.name}-web-{number}" for number in (1, 2, 3)}
    for _ in range(2):
        assert set(visits(example, 3)) == everybody
    assert len(addresses(example)) == 3
    example("up", "-d", "--wait", "--scale", "web=1")
    assert len(addresses(example)) == 1
    assert set(visits(example, 2)) == {f"{example.name}-web-1"}
    example("down")


def test_a_one_off_container_finds_others_and_is_found(example: Project) -> None:
    example("up", "-d", "--wait")
    assert example("run", "--rm", "-T", "client", "busybox", "wget", "-qO-", "http://web/hostname").strip() == (
        f"{example.name}-web-1"
    )
    asked = ("run", "--rm", "-T", "--name", "guest", "client", "getent", "ahostsv4")
    own = example(*asked, "guest").split()[0]
    assert own not in addresses(example)
    assert example(*asked, "client").split()[0] != own, "client is the service's own container"
    example("stop", "client")
    assert example(*asked, "client", check=False) == "", "and nobody else"
    assert example(asked[0], "--use-aliases", *asked[1:], "client"), "itself"
    example("down")
