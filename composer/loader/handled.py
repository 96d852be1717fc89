"""What the language has and this runtime does not do yet: the one list of it.

A key that is used gives one warning, at the first place it stands, which says what happens instead. Whoever makes a key
work takes its line out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from composer.frozen import frozen
from composer.loader.codes import Code
from composer.loader.problems import Path, Problems
from composer.loader.tree import Mapping, Node, Scalar, Sequence, at, child, entries_at, is_null, place_of_key, plain

OTHERS = "*"  # the box that `log_options` puts foreign options into; nobody wrote it

Matches: TypeAlias = Callable[[Node], bool]


@frozen
class Unhandled:
    """`where` are patterns of the same thing said in several places; `instead` is what happens."""

    name: str
    where: tuple[str, ...]
    instead: str
    hint: str | None = None
    why: str = "not supported yet"
    matches: Matches = lambda _node: True
    unless: Matches = lambda _service: False  # of the whole service
    known: frozenset[str] = frozenset()  # last steps of paths that are not meant


def _is(*values: str) -> Matches:
    return lambda node: plain(node) in values


def _begins(*prefixes: str) -> Matches:
    return lambda node: str(plain(node)).startswith(prefixes)


def _is_other_than(*values: str) -> Matches:
    return lambda node: not is_null(node) and plain(node) not in values


def _has(key: str, *values: str) -> Matches:
    return lambda node: isinstance(found := child(node, key), Scalar) and found.value in values


def _has_foreign_log(service: Node) -> bool:
    logging = child(service, "logging")
    driver = None if logging is None else child(logging, "driver")
    return driver is not None and _is_other_than(*_OUR_LOGS)(driver)


def _has_type(*types: str) -> Matches:
    return _has("type", *types)


_NAMESPACES = ("network_mode", "pid", "ipc", "uts", "cgroup")
_OUR_LOGS = ("json-file", "local", "none", "")
_NOTHING = "it changes nothing here"
_SWARM = "for Swarm only"
_WINDOWS = "for Windows containers only"

UNHANDLED = (
    Unhandled("image mounts", ("services.*.volumes.*",), "nothing is mounted", matches=_has_type("image")),
    Unhandled(
        "npipe and cluster mounts",
        ("services.*.volumes.*",),
        "nothing is mounted",
        matches=_has_type("npipe", "cluster"),
    ),
    Unhandled("selinux", ("services.*.volumes.*.bind.selinux",), "nothing is relabelled"),
    Unhandled(
        "drivers of configs and secrets",
        ("secrets.*.driver", "secrets.*.driver_opts", "secrets.*.template_driver", "configs.*.template_driver"),
        _NOTHING,
        why=_SWARM,
    ),
    Unhandled("labels of configs and secrets", ("configs.*.labels", "secrets.*.labels"), "they are shown nowhere"),
    Unhandled("models", ("services.*.models.*", "models.*"), "no model is started"),
    Unhandled("jobs", ("jobs.*",), "they are not run"),
    Unhandled("build", ("services.*.build",), "no image is built; rootfs is used"),
    Unhandled("platform", ("services.*.platform",), "programs run on the host's own architecture"),
    Unhandled("pull_policy", ("services.*.pull_policy", "services.*.pull_refresh_after"), "no image is pulled"),
    Unhandled("develop", ("services.*.develop",), "nothing is watched"),
    Unhandled("provider", ("services.*.provider",), "the provider is not run"),
    Unhandled("pre_start", ("services.*.pre_start.*",), "the containers are not run"),
    Unhandled("gpus", ("services.*.gpus.*",), "no GPU is added", "use devices"),
    Unhandled(
        "device reservations",
        ("services.*.deploy.resources.reservations.devices.*",),
        "no device is added",
        "use devices",
    ),
    Unhandled(
        "CDI devices",
        ("services.*.devices.*.source",),
        "no device is added",
        matches=lambda node: "=" in str(plain(node)) and not str(plain(node)).startswith("/"),
    ),
    Unhandled("runtime", ("services.*.runtime",), "containers are run by pycompose itself"),
    Unhandled(
        "use_api_socket",
        ("services.*.use_api_socket",),
        "there is no engine whose socket it could be",
        matches=lambda node: plain(node) is not False,
    ),
    Unhandled("cgroup_parent", ("services.*.cgroup_parent",), "cgroups stand under pycompose/PROJECT"),
    Unhandled(
        "cpu_rt_runtime, cpu_rt_period",
        ("services.*.cpu_rt_runtime", "services.*.cpu_rt_period"),
        "no real-time budget is given",
    ),
    Unhandled(
        "userns_mode",
        ("services.*.userns_mode",),
        "containers share the host's user namespace",
        matches=_is_other_than("host"),
    ),
    Unhandled("storage_opt", ("services.*.storage_opt",), "the writable layer has no limit of its own"),
    *(
        Unhandled(
            f"{key}: container:…", (f"services.*.{key}",), "a private namespace is made", matches=_begins("container:")
        )
        for key in _NAMESPACES
    ),
    Unhandled(
        "logging drivers",
        ("services.*.logging.driver",),
        "logs are kept in files, as json-file does",
        matches=_is_other_than(*_OUR_LOGS),
    ),
    Unhandled(
        "options of logging drivers",
        ("services.*.logging.options.*",),
        "known are max-size, max-file, compress, mode and max-buffer-size",
        matches=lambda node: isinstance(node, Mapping),
        unless=_has_foreign_log,  # then the driver is what is told
    ),
    Unhandled(
        "options of network drivers",
        ("networks.*.driver_opts.*",),
        "they are ignored",
        known=frozenset(
            (
                *("mtu", "parent", "macvlan_mode", "ipvlan_mode"),
                *("com.docker.network.driver.mtu", "com.docker.network.bridge.name"),
                *("com.docker.network.bridge.enable_ip_masquerade", "com.docker.network.bridge.enable_icc"),
                "com.docker.network.bridge.host_binding_ipv4",
            )
        ),
    ),
    Unhandled(
        "options of endpoints",
        ("services.*.networks.*.driver_opts.*",),
        "they are ignored",
        known=frozenset(("com.docker.network.endpoint.ifname", "com.docker.network.driver.mtu")),
    ),
    Unhandled("ipam.options", ("networks.*.ipam.options.*",), "addresses are given out as without them"),
    Unhandled("attachable", ("networks.*.attachable",), _NOTHING, why=_SWARM, matches=lambda node: plain(node) is True),
    Unhandled(
        "consistency", ("services.*.volumes.*.consistency",), "mounts show every change at once", why="for macOS only"
    ),
    Unhandled("deploy.mode", ("services.*.deploy.mode",), _NOTHING, why=_SWARM, matches=_is_other_than("replicated")),
    Unhandled("deploy.endpoint_mode", ("services.*.deploy.endpoint_mode",), _NOTHING, why=_SWARM),
    Unhandled("deploy.placement", ("services.*.deploy.placement",), _NOTHING, why=_SWARM),
    Unhandled("deploy.labels", ("services.*.deploy.labels",), _NOTHING, why=_SWARM),
    Unhandled(
        "deploy.update_config",
        ("services.*.deploy.update_config",),
        "containers are replaced one by one, the old one first",
    ),
    Unhandled("deploy.rollback_config", ("services.*.deploy.rollback_config",), "nothing is rolled back"),
    Unhandled(
        "generic_resources", ("services.*.deploy.resources.reservations.generic_resources.*",), _NOTHING, why=_SWARM
    ),
    Unhandled("reservations.cpus", ("services.*.deploy.resources.reservations.cpus",), _NOTHING, why=_SWARM),
    Unhandled("isolation", ("services.*.isolation",), _NOTHING, why=_WINDOWS, matches=_is_other_than("default")),
    Unhandled("credential_spec", ("services.*.credential_spec",), _NOTHING, why=_WINDOWS),
    Unhandled("cpu_count", ("services.*.cpu_count",), _NOTHING, "use cpus", why=_WINDOWS),
    Unhandled("cpu_percent", ("services.*.cpu_percent",), _NOTHING, "use cpus", why=_WINDOWS),
)


def warn_of_unhandled(root: Mapping, *, active: frozenset[str], problems: Problems) -> None:
    used = {key for _, service in entries_at(root, "services") for key in getattr(service, "entries", ())}
    for unhandled in UNHANDLED:
        # most keys are used by nobody: thousands of services need not be asked for each
        wheres = (
            where for where in unhandled.where if not where.startswith("services.") or where.split(".")[2] in used
        )
        found = [path for where in wheres for path in _matching(root, where, unhandled, active)]
        if not found:
            continue
        services = dict.fromkeys(str(path[1]) for path in found if path[0] == "services")
        used_by = f" ({', '.join(services)})" if len(services) > 1 else ""
        message = f"{unhandled.name}{used_by}: {unhandled.why}, {unhandled.instead}"
        place = place_of_key(root, found[0])
        path = tuple(step for step in found[0] if step != OTHERS)
        problems.warn(Code.NOT_SUPPORTED, message, at=place, path=path, hint=unhandled.hint)


def _matching(root: Mapping, where: str, unhandled: Unhandled, active: frozenset[str]) -> Iterator[Path]:
    for path, node in _paths(root, where.split("."), ()):
        service = at(root, path[:2])
        used = path[0] != "services" or (path[1] in active and service is not None and not unhandled.unless(service))
        if used and path[-1] not in unhandled.known and unhandled.matches(node):
            yield path


def _paths(node: Node, steps: list[str], path: Path) -> Iterator[tuple[Path, Node]]:
    if not steps:
        yield path, node
        return
    step, rest = steps[0], steps[1:]
    match node:
        case Mapping(entries=entries) if step == "*":
            for key, inner in entries.items():
                yield from _paths(inner, rest, (*path, key))
        case Sequence(items=items) if step == "*":
            for index, inner in enumerate(items):
                yield from _paths(inner, rest, (*path, index))
        case Mapping(entries=entries) if step in entries:
            yield from _paths(entries[step], rest, (*path, step))
