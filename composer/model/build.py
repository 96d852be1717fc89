"""How an image is built, and what is watched while developing it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from composer.model.hook import Hook
from composer.model.network import HostAddress
from composer.model.part import Part
from composer.model.resource import Ulimit
from composer.model.scalars import Boolean, ByteSize, Spelled, Text
from composer.model.volume import FileReference


class Build(Part):
    """`build`. A value of None in `args` is taken from the builder's environment."""

    context: Text = "."
    dockerfile: Text | None = None
    dockerfile_inline: Text | None = None
    entitlements: tuple[Text, ...] = ()
    args: Mapping[str, Spelled | None] = {}
    ssh: Mapping[str, Spelled | None] = {}
    labels: Mapping[str, Spelled] = {}
    cache_from: tuple[Text, ...] = ()
    cache_to: tuple[Text, ...] = ()
    no_cache: Boolean = False
    no_cache_filter: tuple[Text, ...] = ()
    additional_contexts: Mapping[str, Spelled] = {}
    network: Text | None = None
    provenance: Spelled | None = None
    sbom: Spelled | None = None
    pull: Boolean = False
    target: Text | None = None
    shm_size: ByteSize | None = None
    extra_hosts: Mapping[str, tuple[HostAddress, ...]] = {}
    isolation: Text | None = None
    privileged: Boolean = False
    secrets: tuple[FileReference, ...] = ()
    tags: tuple[Text, ...] = ()
    ulimits: Mapping[str, Ulimit] = {}
    platforms: tuple[Text, ...] = ()


class WatchAction(StrEnum):
    """What a change leads to."""

    REBUILD = "rebuild"
    SYNC = "sync"
    RESTART = "restart"
    SYNC_RESTART = "sync+restart"
    SYNC_EXEC = "sync+exec"


class Watch(Part):
    """One rule of `develop.watch`."""

    path: Text
    action: WatchAction
    target: Text | None = None
    exec: Hook | None = None
    ignore: tuple[Text, ...] = ()
    include: tuple[Text, ...] = ()
    initial_sync: Boolean = False


class Develop(Part):
    """`develop`."""

    watch: tuple[Watch, ...] = ()
