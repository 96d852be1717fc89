"""A service: everything the Compose specification lets one say, in canonical form.

None means "not said": the image's value or the runtime's default is taken. All paths of the host are absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from composer.model.build import Build, Develop
from composer.model.choices import (
    CgroupMode,
    CpuSet,
    IpcMode,
    NetworkMode,
    PidMode,
    PullPolicy,
    Restart,
    SecurityOption,
    User,
    UsernsMode,
    UtsMode,
)
from composer.model.deploy import Deploy, DeviceRequest
from composer.model.devices import Device, DeviceRule, Tmpfs
from composer.model.health import Dns, Healthcheck, OnUnhealthy
from composer.model.hook import Dependency, Hook, InitHook
from composer.model.logging import Logging
from composer.model.network import Address, HostAddress, Port, ServiceNetwork
from composer.model.part import Part
from composer.model.ports import Exposed
from composer.model.resource import BlkioConfig, Ulimit
from composer.model.scalars import (
    Boolean,
    ByteSize,
    ByteSizeOrUnlimited,
    Cpus,
    Duration,
    Limit,
    Microseconds,
    Natural,
    Spelled,
    Text,
    between,
)
from composer.model.signals import Signal
from composer.model.volume import FileReference, ServiceVolume


class EnvFile(Part):
    """A file of variables. Its content is in the service's `environment` already."""

    path: Text
    required: Boolean = True
    format: Text | None = None


class CredentialSpec(Part):
    """Windows: a managed account."""

    config: Text | None = None
    file: Text | None = None
    registry: Text | None = None


class Provider(Part):
    """A program that runs the service in place of a container."""

    type: Text
    options: Mapping[str, tuple[Spelled, ...]] = {}


class ServiceModel(Part):
    """How a service is told where a language model is."""

    endpoint_var: Text | None = None
    model_var: Text | None = None


MAX_REPLICAS = 10_000  # of one service; a larger number is a slip of the hand, and would fill the memory


class Service(Part):
    """A service. `name` is its key, `container_name` the name of its only container where that is fixed."""

    name: Text

    # What runs
    rootfs: Text | None = None  # our own key: directory, tar archive or "/"; `x-rootfs` in a file says the same
    image: Text | None = None
    build: Build | None = None
    command: tuple[Text, ...] | None = None  # () is explicitly empty
    entrypoint: tuple[Text, ...] | None = None
    environment: Mapping[str, Spelled | None] = {}  # None: not to be set, whatever else sets it
    env_file: tuple[EnvFile, ...] = ()
    working_dir: Text | None = None
    user: User | None = None
    group_add: tuple[Spelled, ...] = ()
    init: Boolean | None = None
    tty: Boolean = False
    stdin_open: Boolean = False
    attach: Boolean = True
    pre_start: tuple[InitHook, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    platform: Text | None = None
    pull_policy: PullPolicy | None = None
    pull_refresh_after: Duration | None = None
    runtime: Text | None = None
    isolation: Text | None = None
    credential_spec: CredentialSpec | None = None
    use_api_socket: Boolean = False
    provider: Provider | None = None
    develop: Develop | None = None

    # What it is called
    container_name: Text | None = None
    hostname: Text | None = None
    domainname: Text | None = None
    labels: Mapping[str, Spelled] = {}
    label_file: tuple[Text, ...] = ()
    annotations: Mapping[str, Spelled] = {}
    profiles: tuple[Text, ...] = ()

    # How long it lives
    depends_on: Mapping[str, Dependency] = {}
    healthcheck: Healthcheck | None = None
    x_on_unhealthy: OnUnhealthy = Field(default=OnUnhealthy.NONE, alias="x-on-unhealthy")
    x_dns: Dns = Field(default=Dns.RUNNING, alias="x-dns")
    restart: Restart | None = None
    stop_signal: Signal | None = None
    stop_grace_period: Duration | None = None
    scale: Natural | None = None
    deploy: Deploy | None = None

    # What it may use
    cpus: Cpus | None = None
    cpu_shares: Natural | None = None
    cpu_period: Microseconds | None = None
    cpu_quota: Limit | None = None  # microseconds a period; -1: unlimited
    cpu_rt_period: Microseconds | None = None
    cpu_rt_runtime: Microseconds | None = None
    cpu_count: Natural | None = None
    cpu_percent: Annotated[int, between(0, 100)] | None = None
    cpuset: CpuSet | None = None
    mem_limit: ByteSize | None = None
    mem_reservation: ByteSize | None = None
    memswap_limit: ByteSizeOrUnlimited | None = None
    mem_swappiness: Annotated[int, between(-1, 100)] | None = None
    oom_kill_disable: Boolean = False
    oom_score_adj: Annotated[int, between(-1000, 1000)] | None = None
    pids_limit: Limit | None = None
    shm_size: ByteSize | None = None
    blkio_config: BlkioConfig | None = None
    ulimits: Mapping[str, Ulimit] = {}
    cgroup_parent: Text | None = None
    storage_opt: Mapping[str, Spelled] = {}
    gpus: tuple[DeviceRequest, ...] = ()

    # What it may do
    privileged: Boolean = False
    cap_add: tuple[Text, ...] = ()
    cap_drop: tuple[Text, ...] = ()
    security_opt: tuple[SecurityOption, ...] = ()
    read_only: Boolean = False
    sysctls: Mapping[str, Spelled] = {}
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[DeviceRule, ...] = ()
    pid: PidMode | None = None
    ipc: IpcMode | None = None
    uts: UtsMode | None = None
    cgroup: CgroupMode | None = None
    userns_mode: UsernsMode | None = None

    # What it sees of the network
    network_mode: NetworkMode | None = None
    networks: Mapping[str, ServiceNetwork] = {}
    ports: tuple[Port, ...] = ()
    expose: tuple[Exposed, ...] = ()
    links: tuple[Text, ...] = ()
    external_links: tuple[Text, ...] = ()
    extra_hosts: Mapping[str, tuple[HostAddress, ...]] = {}
    dns: tuple[Address, ...] = ()
    dns_search: tuple[Text, ...] = ()
    dns_opt: tuple[Text, ...] = ()
    mac_address: Text | None = None

    # What it sees of the disk
    volumes: tuple[ServiceVolume, ...] = ()
    volumes_from: tuple[Text, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    configs: tuple[FileReference, ...] = ()
    secrets: tuple[FileReference, ...] = ()
    models: Mapping[str, ServiceModel] = {}

    logging: Logging | None = None

    @property
    def replicas(self) -> int:
        """How many containers: `scale`, else `deploy.replicas`, else 1."""
        if self.scale is not None:
            return self.scale
        return self.deploy.replicas if self.deploy and self.deploy.replicas is not None else 1
