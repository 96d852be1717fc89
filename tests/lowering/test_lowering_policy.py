"""A service snippet and how its containers are looked after."""

from __future__ import annotations

from typing import Any

import pytest

from composer.lowering import policy
from composer.model.service import Service
from composer.spec.policy import HealthCheck, Hook, OnUnhealthy, RestartCondition, RestartPolicy, StopPolicy

S = 1_000_000_000


def service(**keys: Any) -> Service:
    return Service.model_validate({"name": "web", **keys})


def deployed(**keys: Any) -> dict[str, Any]:
    return {"restart": "always", "deploy": {"restart_policy": keys}}


@pytest.mark.parametrize(
    ("keys", "restart"),
    [
        ({}, RestartPolicy()),
        ({"restart": "no"}, RestartPolicy()),
        ({"restart": "always"}, RestartPolicy(RestartCondition.ALWAYS)),
        ({"restart": "unless-stopped"}, RestartPolicy(RestartCondition.UNLESS_STOPPED)),
        ({"restart": "on-failure:3"}, RestartPolicy(RestartCondition.ON_FAILURE, max_attempts=3)),
        (deployed(), RestartPolicy(RestartCondition.ALWAYS)),
        (deployed(condition="none"), RestartPolicy()),
        (
            deployed(condition="on-failure", delay="5s", max_attempts=2, window="1m"),
            RestartPolicy(RestartCondition.ON_FAILURE, max_attempts=2, delay_ns=5 * S, window_ns=60 * S),
        ),
        (deployed(condition="any", delay="0s", window="0s"), RestartPolicy(RestartCondition.ALWAYS)),
    ],
)
def test_restart(keys: dict[str, Any], restart: RestartPolicy) -> None:
    assert policy.restart(service(**keys)) == restart


@pytest.mark.parametrize(
    ("check", "health"),
    [
        (None, None),
        ({"test": ("NONE",)}, None),
        ({"test": ("CMD", "true"), "disable": True}, None),
        ({"interval": "1s"}, None),
        ({"test": ("CMD", "redis-cli", "ping")}, HealthCheck(("redis-cli", "ping"))),
        ({"test": ("CMD-SHELL", "a | b")}, HealthCheck(("/bin/sh", "-c", "a | b"))),
        (
            {
                "test": ("CMD", "x"),
                "interval": "3s",
                "timeout": "5s",
                "retries": 5,
                "start_period": "1s",
                "start_interval": "2s",
            },
            HealthCheck(("x",), 3 * S, 5 * S, 1 * S, 2 * S, 5),
        ),
        ({"test": ("CMD", "x"), "interval": "0s", "timeout": "0s", "retries": 0}, HealthCheck(("x",))),
    ],
)
def test_health(check: dict[str, Any] | None, health: HealthCheck | None) -> None:
    assert policy.lower(service(healthcheck=check)).health == health


@pytest.mark.parametrize(
    ("keys", "stop"),
    [
        ({}, StopPolicy(15, 10 * S)),
        ({"stop_signal": "SIGINT", "stop_grace_period": "1m30s"}, StopPolicy(2, 90 * S)),
        ({"stop_grace_period": "0s"}, StopPolicy(15, 0)),
    ],
)
def test_stop(keys: dict[str, Any], stop: StopPolicy) -> None:
    assert policy.lower(service(**keys)).stop == stop


def test_hooks_and_the_unhealthy() -> None:
    hook = {"command": ("sync",), "user": "app", "privileged": True, "working_dir": "/w", "environment": {"A": "1"}}
    made = policy.lower(service(post_start=(hook,), pre_stop=({"command": ("x",)},), **{"x-on-unhealthy": "restart"}))
    assert made.post_start == (Hook(("sync",), "app", True, "/w", (("A", "1"),)),)
    assert made.pre_stop == (Hook(("x",)),)
    assert made.on_unhealthy is OnUnhealthy.RESTART
