"""Volumes, configs and secrets of a project, as what the machine is asked to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from composer.errors import InvalidFile
from composer.lowering.desired import LoweringOptions, lower
from composer.lowering.host import HostFacts
from composer.model.project import Project
from composer.model.service import Service
from composer.model.volume import Config, Secret, Volume
from composer.spec.container import ContainerSpec
from composer.spec.desired import Desired
from composer.spec.fingerprint import fingerprint
from composer.spec.grant import Deposited, Grant, HostFile, Literal
from composer.spec.mounts import Bind, Mount, VolumeMount
from composer.spec.policy import Policy
from composer.spec.volume import Volume as HostVolume

HOST = HostFacts(root="/store", contents={"/f": "ab"}, variables={"TOKEN": "cd"}, values={"MOTD": "hello"})
VOLUMES = {
    "data": Volume.model_validate({"name": "shop_data", "labels": {"a": "b"}}),
    "given": Volume.model_validate({"name": "given", "external": True}),
    "unused": Volume.model_validate({"name": "shop_unused"}),
}
CONFIGS = {
    "text": Config.model_validate({"content": "x"}),
    "motd": Config.model_validate({"environment": "MOTD"}),
    "unset": Config.model_validate({"environment": "NOT_SET"}),
}
SECRETS = {
    "file": Secret.model_validate({"file": "/f"}),
    "token": Secret.model_validate({"environment": "TOKEN"}),
    "outside": Secret.model_validate({"external": True, "name": "prod"}),
    "unset": Secret.model_validate({"environment": "NOT_SET"}),
}


def desired(host: HostFacts = HOST, **services: dict[str, Any]) -> Desired:
    made = {
        name: Service.model_validate({"name": name, "rootfs": "/", "command": ("run",), **keys})
        for name, keys in services.items()
    }
    project = Project(
        name="shop", working_dir="/shop", services=made, volumes=VOLUMES, configs=CONFIGS, secrets=SECRETS
    )
    return lower(project, host=host, options=LoweringOptions())


def volume(target: str, source: str | None = None, **keys: Any) -> dict[str, Any]:
    return {"type": "volume", "source": source, "target": target, **keys}


def mounts(spec: ContainerSpec) -> tuple[Mount, ...]:
    return tuple(mount for mount in spec.mounts if isinstance(mount, Bind | VolumeMount))


def test_named_and_anonymous_volumes() -> None:
    said = (
        volume("/data", "data", read_only=True, volume={"nocopy": True, "subpath": "a/b"}),
        volume("/given", "given"),
        volume("/anonymous", volume={"labels": {"k": "v"}}),
    )
    made = desired(web={"volumes": said})
    assert mounts(made.services[0].containers[0]) == (
        VolumeMount("/data", "shop_data", subpath="a/b", read_only=True, nocopy=True),
        VolumeMount("/given", "given"),
        VolumeMount("/anonymous", labels=(("k", "v"),)),
    )


def test_only_volumes_that_are_used_and_whose_they_are() -> None:
    made = desired(web={"volumes": (volume("/data", "data"), volume("/given", "given"))})
    labels = (("a", "b"), ("com.docker.compose.project", "shop"), ("com.docker.compose.volume", "data"))
    assert made.volumes == (HostVolume("given", external=True), HostVolume("shop_data", labels=labels))


def test_the_volumes_of_another_service() -> None:
    own = (volume("/data", "data"), volume("/anonymous"), {"type": "bind", "source": "/h", "target": "/h"})
    made = desired(db={"volumes": own}, web={"volumes_from": ("db:ro",), "volumes": (volume("/data", "given"),)})
    assert mounts(made.services[1].containers[0]) == (
        VolumeMount("/data", "given"),
        VolumeMount("/anonymous", owner="shop-db-1", read_only=True),
        Bind("/h", "/h", read_only=True, create_source=True),
    )


def test_the_volumes_of_each_other_end() -> None:
    pair: dict[str, Any] = {
        "a": {"volumes_from": ("container:shop-b-1",), "volumes": (volume("/a"),)},
        "b": {"volumes_from": ("container:shop-a-1",), "volumes": (volume("/b"),)},
    }
    made = desired(**pair)
    assert VolumeMount("/b", owner="shop-b-1") in mounts(made.services[0].containers[0])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"driver": "rexray"}, 'volume data cannot have driver "rexray"'),
        ({"driver_opts": {"tpye": "tmpfs"}}, 'volume data cannot have option "tpye"'),
        (
            {"driver_opts": {"type": "none", "device": "here", "o": "bind"}},
            'cannot have device "here": it is not an absolute path',
        ),
    ],
)
def test_a_volume_that_the_local_driver_cannot_make(keys: dict[str, Any], says: str) -> None:
    mount = {"volumes": (volume("/a", "data"),)}
    web = Service.model_validate({"name": "web", "rootfs": "/", "command": ("run",), **mount})
    volumes = {"data": Volume.model_validate({"name": "shop_data", **keys})}
    project = Project(name="shop", working_dir="/shop", services={"web": web}, volumes=volumes)
    with pytest.raises(InvalidFile, match=says):
        lower(project, host=HOST, options=LoweringOptions())


@pytest.mark.parametrize("source", ["container:other-1", "gone"])
def test_the_volumes_of_nobody(source: str) -> None:
    with pytest.raises(InvalidFile, match="cannot have the volumes of"):
        desired(web={"volumes_from": (source,)}, gone={"scale": 0})


def test_grants() -> None:
    said = {
        "configs": ({"source": "text"}, {"source": "motd", "target": "/etc/motd", "mode": "0400"}),
        "secrets": (
            {"source": "file", "target": "sub/name", "uid": "1000", "gid": "1001"},
            {"source": "token"},
            {"source": "outside", "target": "/etc/key"},
        ),
    }
    spec = desired(web=said).services[0].containers[0]
    assert spec.grants == (
        Grant("config text", "/text", Literal("x")),
        Grant("config motd", "/etc/motd", Literal("hello"), mode=0o400),
        Grant("secret file", "/run/secrets/sub/name", HostFile("/f"), "ab", uid=1000, gid=1001),
        Grant("secret token", "/run/secrets/token", Deposited(), "cd"),
        Grant("secret outside", "/etc/key", HostFile("/store/secrets/prod")),
    )


@pytest.mark.parametrize("kind", ["configs", "secrets"])
def test_a_variable_that_is_not_set(kind: str) -> None:
    with pytest.raises(InvalidFile, match="the environment variable NOT_SET is not set"):
        desired(web={kind: ({"source": "unset"},)})


def test_another_content_is_another_container() -> None:
    granted = {"secrets": ({"source": "file"},)}
    specs = [
        desired(host, web=granted).services[0].containers[0] for host in (HOST, replace(HOST, contents={"/f": "ef"}))
    ]
    assert fingerprint(specs[0], Policy()) != fingerprint(specs[1], Policy())
