"""Rules within one service that no single value can break: pairs that contradict, names, equal targets.

Each rule is a generator of findings; the places come from the tree the service was read from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from composer.frozen import frozen
from composer.loader.codes import Code
from composer.loader.nearest import did_you_mean
from composer.loader.problems import Path, Severity
from composer.model.build import WatchAction
from composer.model.capabilities import CAPABILITIES
from composer.model.choices import NamespaceKind
from composer.model.deploy import DeviceRequest
from composer.model.health import Dns, OnUnhealthy
from composer.model.scalars import size_text, spelled
from composer.model.service import MAX_REPLICAS, Service
from composer.model.volume import SECRETS, FileReference, MountType


@frozen
class Finding:
    """What a rule found, at a path below the service."""

    code: Code
    path: Path
    message: str
    hint: str | None = None
    severity: Severity = Severity.ERROR
    of_key: bool = False  # the key is to blame, rather than its value


Rule: TypeAlias = Callable[[Service], Iterator[Finding]]


def findings(service: Service) -> Iterator[Finding]:
    for rule in _RULES:
        yield from rule(service)


_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PROFILE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*|\*")
_SYSCTL = re.compile(r"[a-zA-Z0-9_-]+([./][a-zA-Z0-9_:@*-]+)+")  # no ".." on the way through /proc/sys
_HOST_LABEL = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?")


def _names(service: Service) -> Iterator[Finding]:
    if not _NAME.fullmatch(service.name):
        yield Finding(
            Code.BAD_NAME,
            (),
            f'"{service.name}" is not a service name',
            "use letters, digits, dots, - and _",
            of_key=True,
        )
    name = service.container_name
    if name is not None and not _CONTAINER.fullmatch(name):
        hint = "begin with a letter or digit; use letters, digits, dots, - and _"
        yield Finding(Code.BAD_NAME, ("container_name",), f'"{name}" is not a container name', hint)
    for index, profile in enumerate(service.profiles):
        if not _PROFILE.fullmatch(profile):
            hint = "use letters, digits, dots, - and _"
            yield Finding(Code.BAD_NAME, ("profiles", index), f'"{profile}" is not a profile name', hint)


def _host_names(service: Service) -> Iterator[Finding]:
    for key, name in (("hostname", service.hostname), ("domainname", service.domainname)):
        if not name:
            continue
        if len(name) > 64 or not all(map(_HOST_LABEL.fullmatch, name.split("."))):
            hint = "use letters, digits and -, at most 64 of them"
            yield Finding(Code.BAD_NAME, (key,), f'"{name}" is not a {key}', hint)


def _working_directory(service: Service) -> Iterator[Finding]:
    path = service.working_dir
    if path and not path.startswith("/"):
        yield Finding(
            Code.BAD_VALUE, ("working_dir",), f'the container path "{path}" is not absolute', f"write /{path}"
        )


def _environment_names(service: Service) -> Iterator[Finding]:
    for name, value in service.environment.items():
        if not name or "=" in name or "\0" in name + (value or ""):
            yield Finding(
                Code.BAD_NAME,
                ("environment", name),
                f'"{name}" cannot be an environment variable',
                "write NAME: value",
                of_key=True,
            )


def _sysctls(service: Service) -> Iterator[Finding]:
    for name, value in service.sysctls.items():
        if not _SYSCTL.fullmatch(name):
            hint = "write a name such as net.core.somaxconn"
            yield Finding(
                Code.BAD_NAME, ("sysctls", name), f'"{name}" is not the name of a kernel parameter', hint, of_key=True
            )
        elif not value:
            hint = f"write {name}: and its value"
            yield Finding(
                Code.MISSING_KEY, ("sysctls", name), f"the kernel parameter {name} has no value", hint, of_key=True
            )


def _labels(service: Service) -> Iterator[Finding]:
    for key in service.labels:
        if key.startswith("com.docker.compose."):
            yield Finding(
                Code.RESERVED_NAME,
                ("labels", key),
                f'the label "{key}" is reserved',
                "use a name of your own",
                of_key=True,
            )


def _replicas(service: Service) -> Iterator[Finding]:
    deploy = service.deploy.replicas if service.deploy else None
    if service.scale is not None and deploy is not None and service.scale != deploy:
        yield Finding(
            Code.CONFLICT, ("scale",), f"scale is {service.scale} and deploy.replicas is {deploy}", "write one of them"
        )
    if service.replicas > MAX_REPLICAS:
        path = ("scale",) if service.scale is not None else ("deploy", "replicas")
        yield Finding(
            Code.OUT_OF_RANGE, path, f"{service.replicas} containers are too many", f"write at most {MAX_REPLICAS}"
        )
    if service.container_name is not None and service.replicas > 1:
        message = f"{service.replicas} containers cannot share the name {service.container_name}"
        yield Finding(Code.CONFLICT, ("container_name",), message, "remove container_name, or run one container")


def _limits(service: Service) -> Iterator[Finding]:
    limits = service.deploy.resources.limits if service.deploy and service.deploy.resources else None
    reservations = service.deploy.resources.reservations if service.deploy and service.deploy.resources else None
    twice = (
        ("mem_limit", service.mem_limit, "limits.memory", limits.memory if limits else None),
        ("cpus", service.cpus, "limits.cpus", limits.cpus if limits else None),
        ("pids_limit", service.pids_limit, "limits.pids", limits.pids if limits else None),
        (
            "mem_reservation",
            service.mem_reservation,
            "reservations.memory",
            reservations.memory if reservations else None,
        ),
    )
    for key, own, other, deployed in twice:
        if own is not None and deployed is not None and own != deployed:
            say = size_text if "mem" in key else spelled
            message = f"{key} is {say(own)} and deploy.resources.{other} is {say(deployed)}"
            yield Finding(Code.CONFLICT, (key,), message, "write one of them, or the same value")


def _memory(service: Service) -> Iterator[Finding]:
    limits = service.deploy.resources.limits if service.deploy and service.deploy.resources else None
    memory = service.mem_limit or (limits.memory if limits else None)
    swap = service.memswap_limit
    if swap and not memory:
        hint = "memswap_limit is memory and swap together: write mem_limit as well"
        yield Finding(Code.MISSING_KEY, ("memswap_limit",), "memswap_limit is given without mem_limit", hint)
    elif swap and memory and 0 < swap < memory:
        message = f"memswap_limit ({size_text(swap)}) is less than the memory limit ({size_text(memory)})"
        yield Finding(Code.OUT_OF_RANGE, ("memswap_limit",), message, "it is memory and swap together")
    if memory and service.mem_reservation and service.mem_reservation > memory:
        reserved = size_text(service.mem_reservation)
        message = f"mem_reservation ({reserved}) is more than the memory limit ({size_text(memory)})"
        yield Finding(Code.OUT_OF_RANGE, ("mem_reservation",), message, "reserve no more than the limit")


def _cpu(service: Service) -> Iterator[Finding]:
    for key, value in (("cpu_period", service.cpu_period), ("cpu_quota", service.cpu_quota)):
        if service.cpus and value:
            yield Finding(
                Code.CONFLICT,
                (key,),
                f"cpus and {key} set the same limit",
                "write cpus alone, or cpu_quota and cpu_period",
            )
    if service.cpu_period and not 1_000 <= service.cpu_period <= 1_000_000:
        yield Finding(
            Code.OUT_OF_RANGE,
            ("cpu_period",),
            f"{service.cpu_period} µs is no period the kernel takes",
            "write 1000 to 1000000: 1ms to 1s",
        )
    if service.cpu_quota and 0 < service.cpu_quota < 1_000:
        yield Finding(
            Code.OUT_OF_RANGE,
            ("cpu_quota",),
            f"{service.cpu_quota} µs is less than the kernel takes",
            "write at least 1000",
        )


_KNOWN_ULIMITS = "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
_ULIMITS = _KNOWN_ULIMITS.split()


def _ulimits(service: Service) -> Iterator[Finding]:
    for name, limit in service.ulimits.items():
        path: Path = ("ulimits", name)
        if name not in _ULIMITS:
            hint = did_you_mean(name, _ULIMITS) or f"known are {', '.join(_ULIMITS)}"
            yield Finding(Code.UNKNOWN_CHOICE, path, f'"{name}" is not a ulimit', hint, of_key=True)
        elif limit.hard != -1 and (limit.soft > limit.hard or limit.soft == -1):
            yield Finding(
                Code.OUT_OF_RANGE,
                path,
                f"the soft limit {limit.soft} is above the hard limit {limit.hard}",
                "write a soft limit up to the hard one",
            )


def _capabilities(service: Service) -> Iterator[Finding]:
    for key, names in (("cap_add", service.cap_add), ("cap_drop", service.cap_drop)):
        for index, name in enumerate(names):
            short = name.upper().removeprefix("CAP_")
            if short not in CAPABILITIES and short != "ALL":
                hint = did_you_mean(short, (*CAPABILITIES, "ALL")) or "write a name such as NET_ADMIN, or ALL"
                yield Finding(Code.UNKNOWN_CHOICE, (key, index), f'"{name}" is not a capability', hint)


def _build(service: Service) -> Iterator[Finding]:
    build = service.build
    if build and build.dockerfile is not None and build.dockerfile_inline is not None:
        message = "dockerfile and dockerfile_inline exclude each other"
        yield Finding(Code.CONFLICT, ("build", "dockerfile_inline"), message, "write one of them", of_key=True)
    if build and build.platforms and service.platform and service.platform not in build.platforms:
        message = f"the platform {service.platform} is not among those the image is built for"
        yield Finding(Code.CONFLICT, ("platform",), message, f"write one of {', '.join(build.platforms)}")


def _devices(service: Service) -> Iterator[Finding]:
    reserved = service.deploy.resources.reservations if service.deploy and service.deploy.resources else None
    requests: list[tuple[Path, DeviceRequest]] = [(("gpus", i), request) for i, request in enumerate(service.gpus)]
    where: Path = ("deploy", "resources", "reservations", "devices")
    requests += [((*where, i), request) for i, request in enumerate(reserved.devices if reserved else ())]
    for path, request in requests:
        if request.count is not None and request.device_ids:
            yield Finding(
                Code.CONFLICT,
                (*path, "count"),
                "count and device_ids exclude each other",
                "write one of them",
                of_key=True,
            )
        if path[0] == "deploy" and not request.capabilities:
            yield Finding(
                Code.MISSING_KEY, path, "the devices are not told by what they can do", "write capabilities: [gpu]"
            )


def _watch(service: Service) -> Iterator[Finding]:
    for index, watch in enumerate(service.develop.watch if service.develop else ()):
        if watch.target is None and watch.action not in (WatchAction.REBUILD, WatchAction.RESTART):
            message = f"{watch.action.value} has no target"
            hint = "write target: and the path in the container"
            yield Finding(Code.MISSING_KEY, ("develop", "watch", index), message, hint)


def _healthcheck(service: Service) -> Iterator[Finding]:
    check = service.healthcheck
    if check is None:
        if service.x_on_unhealthy is not OnUnhealthy.NONE:
            message = "x-on-unhealthy acts upon a healthcheck, and there is none"
            yield Finding(Code.NO_EFFECT, ("x-on-unhealthy",), message, "write a healthcheck", Severity.WARNING)
        if service.x_dns is Dns.HEALTHY:
            message = "x-dns: healthy goes by a healthcheck, and there is none"
            yield Finding(Code.NO_EFFECT, ("x-dns",), message, "write a healthcheck", Severity.WARNING)
        return
    if check.test and check.test[0] not in ("CMD", "CMD-SHELL", "NONE"):
        hint = f'write ["CMD", "{check.test[0]}", …], or the command as one text'
        yield Finding(Code.BAD_VALUE, ("healthcheck", "test"), f'the list begins with "{check.test[0]}"', hint)
    elif check.test and check.test[0] != "NONE" and len(check.test) < 2:
        yield Finding(
            Code.MISSING_KEY, ("healthcheck", "test"), f"nothing follows {check.test[0]}", "write the command behind it"
        )
    elif check.test and check.test[0] == "CMD-SHELL" and len(check.test) > 2:
        hint = "write the whole command as one text, or begin with CMD"
        yield Finding(Code.BAD_VALUE, ("healthcheck", "test"), "CMD-SHELL takes one text", hint)
    if check.start_interval is not None and (check.start_period is None or not check.start_period.nanoseconds):
        message = "start_interval means nothing without start_period"
        yield Finding(Code.MISSING_KEY, ("healthcheck", "start_interval"), message, "write start_period: 30s as well")
    for key in ("interval", "timeout", "start_period", "start_interval"):
        duration = getattr(check, key)
        if duration is not None and 0 < duration.nanoseconds < 1_000_000:
            yield Finding(
                Code.OUT_OF_RANGE, ("healthcheck", key), f"{duration} is less than a millisecond", "write at least 1ms"
            )


def _hooks(service: Service) -> Iterator[Finding]:
    for key, hooks in (("post_start", service.post_start), ("pre_stop", service.pre_stop)):
        for index, hook in enumerate(hooks):
            if not hook.command:
                yield Finding(
                    Code.MISSING_KEY, (key, index), "the hook has no command", "write command: [program, argument]"
                )


def _mounts(service: Service) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    targets = [(("volumes", index), volume.target) for index, volume in enumerate(service.volumes)]
    targets += [(("tmpfs", index), tmpfs.target.rstrip("/")) for index, tmpfs in enumerate(service.tmpfs)]
    for path, target in targets:
        written = f"{path[0]}[{path[1]}]"
        if target in taken:
            yield Finding(
                Code.DUPLICATE_TARGET,
                path,
                f"{target} is a mount of {taken[target]} already",
                "mount one of them elsewhere",
            )
        taken.setdefault(target, written)
        if target == "/":
            yield Finding(
                Code.BAD_VALUE, path, "a volume cannot take the place of the root", "mount it at a directory below /"
            )


def _volumes(service: Service) -> Iterator[Finding]:
    for index, volume in enumerate(service.volumes):
        path: Path = ("volumes", index)
        if volume.type is MountType.BIND and not volume.source:
            yield Finding(Code.MISSING_KEY, path, "a bind mount has no source", "write source: /path/on/the/host")
        if volume.type is MountType.TMPFS and volume.source:
            yield Finding(Code.MISPLACED_KEY, (*path, "source"), "a tmpfs has no source", "remove it")
        for kind in (MountType.BIND, MountType.VOLUME, MountType.TMPFS, MountType.IMAGE):
            if kind is not volume.type and getattr(volume, kind.value) is not None:
                message = f"{kind.value} options mean nothing for a mount of type {volume.type.value}"
                yield Finding(Code.MISPLACED_KEY, (*path, kind.value), message, "remove them", of_key=True)


_MOST_ID = 2**32 - 2  # the one above means "as it is" to chown(2)


def _grants(service: Service) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    granted = [("configs", index, it, "/") for index, it in enumerate(service.configs)]
    granted += [("secrets", index, it, SECRETS) for index, it in enumerate(service.secrets)]
    for key, index, reference, below in granted:
        yield from _owner(reference, (key, index))
        target = reference.path(below=below)
        if target in taken:
            yield Finding(
                Code.DUPLICATE_TARGET, (key, index), f"{target} is {taken[target]} already", "write another target"
            )
        taken.setdefault(target, f"{key}[{index}]")


def _owner(reference: FileReference, path: Path) -> Iterator[Finding]:
    for name, said in (("uid", reference.uid), ("gid", reference.gid)):
        if said is not None and not (said.isascii() and said.isdecimal() and int(said[:20]) <= _MOST_ID):
            yield Finding(
                Code.BAD_VALUE, (*path, name), f'"{said}" is not the number of an owner', f'write {name}: "1000"'
            )


def _network(service: Service) -> Iterator[Finding]:
    mode = service.network_mode
    if mode is not None and service.networks:
        yield Finding(Code.CONFLICT, ("network_mode",), f"network_mode: {mode} excludes networks", "write one of them")
    if mode is not None and mode.kind in _UNPUBLISHED and service.ports:
        message, hint = _UNPUBLISHED[mode.kind]
        yield Finding(Code.NO_EFFECT, ("ports",), f"with network_mode: {mode} {message}", hint, Severity.WARNING)


_UNPUBLISHED = {
    NamespaceKind.HOST: ("every port is the host's already", "remove ports"),
    NamespaceKind.NONE: ("there is no network that a port could lead into", "remove ports, or network_mode"),
    NamespaceKind.SERVICE: ("the network is the other service's, which publishes its ports", "move ports there"),
}


_RULES: tuple[Rule, ...] = (
    _names,
    _build,
    _devices,
    _watch,
    _host_names,
    _working_directory,
    _environment_names,
    _sysctls,
    _labels,
    _replicas,
    _limits,
    _memory,
    _cpu,
    _ulimits,
    _capabilities,
    _healthcheck,
    _hooks,
    _mounts,
    _volumes,
    _grants,
    _network,
)
