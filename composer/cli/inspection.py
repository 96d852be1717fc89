"""A container as `inspect` tells it: Docker's names where the meaning is the same, ours where Docker has none."""

from __future__ import annotations

from composer.cli import mounted
from composer.cli.render import ports
from composer.cli.render.status import health
from composer.hints import Mapping
from composer.planner.observed import State
from composer.spec import codec
from composer.spec.container import ContainerSpec, Host, Join, Namespace, SeccompProfile, Unconfined
from composer.spec.mounts import Tmpfs
from composer.spec.network import Attachment
from composer.spec.policy import Policy
from composer.spec.rootfs import Archive, Directory
from composer.store.events import rfc3339
from composer.store.paths import Paths
from composer.store.records import ContainerRecord, Health

_NEVER = "0001-01-01T00:00:00Z"
_SECOND = 1_000_000_000

Tree = dict[str, object]


def inspection(record: ContainerRecord, *, paths: Paths) -> Tree:
    """Everything known about a container, as plain data."""
    spec, places = record.spec, paths.project(record.spec.project)
    argv = spec.process.argv
    return {
        "Id": record.id,
        "Created": _moment(record.created_ns),
        "Path": argv[0] if argv else "",
        "Args": list(argv[1:]),
        "State": _state(record),
        "Image": record.layer,
        "Name": f"/{spec.name}",
        "RestartCount": record.restart_count,
        "LogPath": f"{places.log(spec.name)}/output",
        "HostConfig": {"Binds": mounted.binds(paths, record), **_host_config(spec, record.policy)},
        "Mounts": mounted.mounts(paths, record),
        "Config": _config(spec, record.policy),
        "NetworkSettings": {
            "Ports": ports.by_port(ports.published(record), ports.exposed(record)),
            "Networks": {it.network: _attachment(it, record) for it in record.attachments},
        },
        "Project": spec.project,
        "Service": spec.service,
        "Number": spec.number,
        "OneOff": spec.oneoff,
        "Rootfs": codec.encode(spec.rootfs) | {"Type": type(spec.rootfs).__name__},
        "Fingerprint": record.fingerprint,
        "Cgroups": dict(record.cgroup),
        "StateDirectory": places.state(spec.name),
        "BundleDirectory": places.bundle(spec.name),
    }


def _state(record: ContainerRecord) -> Tree:
    tree: Tree = {
        "Status": record.state.value,
        "Running": record.state in (State.RUNNING, State.PAUSED),
        "Paused": record.state is State.PAUSED,
        "Restarting": record.state is State.RESTARTING,
        "OOMKilled": record.oom_killed,
        "OOMKills": record.oom_kills,
        "Dead": record.state is State.DEAD,
        "Pid": record.pid,
        "StartTime": record.start_time,
        "ExitCode": _exit_code(record),
        "Error": record.error,
        "StartedAt": _moment(record.started_ns),
        "FinishedAt": _moment(record.finished_ns),
    }
    if record.health is not None and health(record):
        tree["Health"] = _health(record.health)
    return tree


def _exit_code(record: ContainerRecord) -> int | None:
    """Docker says 0 while a container runs; null is an exit nobody saw."""
    return record.exit_code if record.exit_code is not None or record.state is State.EXITED else 0


def _health(known: Health) -> Tree:
    log = [
        {
            "Start": _moment(probe.start_ns),
            "End": _moment(probe.end_ns),
            "ExitCode": probe.exit_code,
            "Output": probe.output,
        }
        for probe in known.log
    ]
    return {"Status": known.status.value, "FailingStreak": known.failing_streak, "Log": log}


def _host_config(spec: ContainerSpec, policy: Policy) -> Tree:
    limits = spec.resources
    memory = limits.memory or 0
    return {
        "NetworkMode": _namespace(spec.namespaces.network, private=_first_network(spec)),
        "PortBindings": _port_bindings(spec),
        "RestartPolicy": {
            "Name": policy.restart.condition.value,
            "MaximumRetryCount": policy.restart.max_attempts,
        },
        "CapAdd": None,
        "CapDrop": None,
        "Capabilities": list(spec.process.capabilities),
        "CgroupnsMode": _namespace(spec.namespaces.cgroup, private="private"),
        "GroupAdd": list(spec.process.groups),
        "IpcMode": _namespace(spec.namespaces.ipc, private="private"),
        "PidMode": _namespace(spec.namespaces.pid, private=""),
        "UTSMode": _namespace(spec.namespaces.uts, private=""),
        "OomScoreAdj": spec.process.oom_score_adj or 0,
        "Privileged": spec.privileged,
        "ReadonlyRootfs": spec.read_only,
        "SecurityOpt": _security(spec),
        "Tmpfs": {mount.target: "" for mount in spec.mounts if isinstance(mount, Tmpfs)},
        "ShmSize": _shm_size(spec),
        "Sysctls": dict(spec.sysctls),
        "Init": spec.init,
        "Memory": memory,
        "MemoryReservation": limits.memory_reservation or 0,
        "MemorySwap": limits.memory_swap if limits.memory_swap is not None else 2 * memory,
        "MemorySwappiness": limits.memory_swappiness,
        "OomKillDisable": limits.oom_kill_disable,
        "NanoCpus": limits.nano_cpus or 0,
        "CpuShares": limits.cpu_shares or 0,
        "CpuPeriod": limits.cpu_period or 0,
        "CpuQuota": limits.cpu_quota or 0,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "PidsLimit": limits.pids,
        "BlkioWeight": limits.blkio_weight or 0,
        "CgroupParent": limits.parent,
        "Devices": [
            {"PathOnHost": device.source, "PathInContainer": device.target, "CgroupPermissions": device.access}
            for device in spec.devices
        ],
        "Ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in spec.process.rlimits],
        "LogConfig": {"Type": "none" if spec.log.discard else "local", "Config": _log_config(spec)},
        "MaskedPaths": list(spec.masked_paths),
        "ReadonlyPaths": list(spec.readonly_paths),
    }


def _port_bindings(spec: ContainerSpec) -> Tree:
    """What was asked for; "" is any port."""
    asked: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        host = "" if port.host is None else f"{port.host.first}"
        if port.host is not None and port.host.last != port.host.first:
            host += f"-{port.host.last}"
        name = f"{port.container}/{port.protocol.value}"
        asked.setdefault(name, []).append({"HostIp": port.host_ip, "HostPort": host})
    return dict(asked)


def _config(spec: ContainerSpec, policy: Policy) -> Tree:
    process = spec.process
    tree: Tree = {
        "Hostname": spec.hostname,
        "Domainname": spec.domainname,
        "ExposedPorts": _exposed_ports(spec),
        "User": process.user,
        "Tty": process.tty,
        "OpenStdin": process.stdin_open,
        "Env": [f"{name}={value}" for name, value in process.env],
        "Cmd": list(process.argv),
        "Image": spec.rootfs.path if isinstance(spec.rootfs, (Directory, Archive)) else "/",
        "WorkingDir": process.cwd,
        "Labels": dict(spec.labels),
        "StopSignal": policy.stop.signal,
        "StopTimeout": None if policy.stop.grace_ns is None else policy.stop.grace_ns / _SECOND,
    }
    if policy.health is not None:
        check = policy.health
        tree["Healthcheck"] = {
            "Test": list(check.argv),
            "Interval": check.interval_ns,
            "Timeout": check.timeout_ns,
            "StartPeriod": check.start_period_ns,
            "StartInterval": check.start_interval_ns,
            "Retries": check.retries,
        }
    return tree


def _exposed_ports(spec: ContainerSpec) -> Tree:
    """Docker counts published ones among them."""
    exposed = {(port, it.protocol.value) for it in spec.expose for port in range(it.ports.first, it.ports.last + 1)} | {
        (it.container, it.protocol.value) for it in spec.ports
    }
    return {f"{port}/{protocol}": {} for port, protocol in sorted(exposed)}


def _first_network(spec: ContainerSpec) -> str:
    return spec.endpoints[0].network if spec.endpoints else "none"


def _attachment(attachment: Attachment, record: ContainerRecord) -> Tree:
    """As it is; of a container that does not run, without what it has no more."""
    running = record.state in (State.RUNNING, State.PAUSED)
    asked = next((it for it in record.spec.endpoints if it.network == attachment.network), None)
    return {
        "Aliases": list(attachment.aliases),
        "MacAddress": attachment.mac_address if running else "",
        "Gateway": attachment.ipv4_gateway if running else "",
        "IPAddress": attachment.ipv4_address if running else "",
        "IPPrefixLen": attachment.ipv4_prefix if running else 0,
        "IPv6Gateway": attachment.ipv6_gateway if running else "",
        "GlobalIPv6Address": attachment.ipv6_address if running else "",
        "GlobalIPv6PrefixLen": attachment.ipv6_prefix if running else 0,
        "GwPriority": asked.gw_priority if asked else 0,
        "Interface": attachment.interface,
        "HostInterface": attachment.link,
        "Bridge": attachment.host_interface,
    }


def _shm_size(spec: ContainerSpec) -> int:
    sizes = (mount.size for mount in spec.mounts if isinstance(mount, Tmpfs) and mount.target == "/dev/shm")
    return next(sizes, None) or 0


def _namespace(namespace: Namespace, *, private: str) -> str:
    match namespace:
        case Host():
            return "host"
        case Join(container):
            return f"container:{container}"
    return private


def _security(spec: ContainerSpec) -> list[str]:
    options = ["no-new-privileges"] if spec.process.no_new_privileges else []
    match spec.seccomp:
        case Unconfined():
            return [*options, "seccomp=unconfined"]
        case SeccompProfile(path):
            return [*options, f"seccomp={path}"]
    return options


def _log_config(spec: ContainerSpec) -> Mapping[str, str]:
    policy = spec.log
    config = {"max-file": str(policy.max_file), "mode": policy.mode.value}
    return config | ({"max-size": str(policy.max_size)} if policy.max_size is not None else {})


def _moment(time_ns: int) -> str:
    return rfc3339(time_ns) if time_ns else _NEVER
