"""Parts: closed to unknown keys, frozen, and their own inverse as JSON, which is how they travel."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from composer.model.project import Project
from composer.model.service import Service


def everything() -> Project:
    service = Service.model_validate(
        {
            "name": "web",
            "rootfs": "/",
            "command": ["a", "b"],
            "environment": {"A": "1", "N": 8, "B": True},
            "restart": "on-failure:3",
            "stop_signal": "RTMIN+3",
            "stop_grace_period": "1m30s",
            "network_mode": "service:db",
            "user": "1000:1000",
            "ports": [{"target": 80, "published": "8000-8001"}],
            "volumes": [{"type": "bind", "source": "/a", "target": "/b//c/.", "bind": {"propagation": "rshared"}}],
            "tmpfs": ["/run:size=64m,mode=1777,noexec"],
            "ulimits": {"nofile": {"soft": 1, "hard": -1}},
            "healthcheck": {"test": ["CMD", "x"], "interval": "3s"},
            "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "64m"}}},
            "logging": {"options": {"max-size": "10m", "max-file": "3", "*": {"tag": "x"}}},
            "security_opt": ["no-new-privileges", "seccomp=unconfined"],
            "device_cgroup_rules": ["c 1:* r"],
            "x-on-unhealthy": "restart",
            "x-*": {"x-mine": [1, {"a": None}]},
        }
    )
    return Project(name="p", working_dir="/", services={"web": service}, disabled_services={"off": service})


def test_json_is_the_inverse_of_json() -> None:
    assert Project.model_validate_json(everything().model_dump_json(by_alias=True)) == everything()


def test_values_are_read() -> None:
    service = everything().services["web"]
    assert service.environment == {"A": "1", "N": "8", "B": "true"}
    assert service.volumes[0].target == "/b/c"
    assert service.logging is not None
    assert service.logging.options.max_size == 10_000_000
    assert service.logging.options.others == {"tag": "x"}


def test_parts_are_closed() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Service.model_validate({"name": "web", "enviroment": {}})


def test_parts_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        everything().services["web"].rootfs = "/elsewhere"
