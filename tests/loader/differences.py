"""Where pycompose means to differ from docker compose, each with its reason.

The comparison allows nothing else. docs/compose-file.md tells users the same; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Same: TypeAlias = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Refused:
    """A mistake that docker compose lets pass. `told` is found in our problem, written `<path> message`."""

    why: str  # as docs/compose-file.md has it
    told: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What docker compose refuses, and its words for it."""

    why: str
    said: str


@dataclass(frozen=True, slots=True)
class Written:
    """What both read and `config` writes differently: the same where `same` says so of ours and theirs."""

    why: str
    path: str
    same: Same = field(default=lambda _ours, _theirs: True)


ABSENT = object()  # stands for a key that one side does not have

REFUSED = (
    Refused(
        "restart policies, deploy modes, signals, protocols and namespaces that do not exist",
        r"<[^>]*\.(restart|stop_signal|mode|condition|protocol|network_mode|pid|ipc|uts|cgroup|userns_mode"
        r"|failure_action)> .*"
        r"(not a restart policy|takes no number|not a number of retries|not a signal|not known here"
        r"|is not a value of|is not a namespace)",
    ),
    Refused(
        "unknown capabilities, ulimits and security options",
        r"is not a capability|is not a ulimit|is not a security option|says nothing|soft limit",
    ),
    Refused(
        "numbers that cannot be meant: fractions of something whole, less than none, out of the kernel's range",
        r"where a whole number is needed|less than none|is out of range|is a negative (duration|size)|has no unit"
        r"|not a file mode|bytes are more than|longer than 292",
    ),
    Refused(
        "a `memswap_limit` without `mem_limit`, or below it; `cpus` together with `cpu_quota`; a quota below 1 ms",
        r"memswap_limit|mem_reservation .*above|cpu_quota|cpu_period|more than the kernel|what the kernel takes",
    ),
    Refused("a healthcheck shorter than a millisecond, which the engine refuses", r"less than a millisecond"),
    Refused("`start_interval` without `start_period`, which the engine refuses", r"start_interval means nothing"),
    Refused("a wait for the health of a service that has no healthcheck", r"can never be healthy"),
    Refused("labels that begin with `com.docker.compose.`, which are reserved", r"label .* is reserved"),
    Refused("profiles with spaces, which the specification excludes", r"is not a profile name"),
    Refused(
        "relative paths of the container", r"(container|tmpfs) path .* is not absolute|options but no container path"
    ),
    Refused("two volumes or tmpfs at one path, of which one would be hidden", r"is a mount of .* already"),
    Refused("two configs or secrets at one path, of which one would be hidden", r"is (configs|secrets)\[\d+\] already"),
    Refused("owners of configs and secrets that are not numbers", r"is not the number of an owner"),
    Refused(
        "options that mean nothing for their kind of mount, or to anybody",
        r"mean(s)? nothing for a|is not an option of|a tmpfs has no source",
    ),
    Refused(
        "one-letter volume names in the short form, which docker compose takes for Windows drives",
        r"has one letter, which|<[^>]*volumes\[\d+\]> .* is not a volume",
    ),
    Refused("a variable without a name", r"no name before|cannot be an environment variable"),
    Refused("kernel parameters without a value", r"kernel parameter .* has no value|not the name of a kernel"),
    Refused("addresses that are none", r"is not an IP address|is not a host and its address"),
    Refused("host names that the kernel refuses", r"is not a (hostname|domainname)"),
    Refused(
        "a limit of `blkio_config` without its device or its rate", r"<[^>]*blkio_config[^>]*> (path|rate|weight) is"
    ),
    Refused("a key of a network, config or secret beside `external: true`", r"external: true excludes"),
    Refused("YAML tags other than `!reset` and `!override`", r"the tag .* is not known here"),
    Refused("`pull_refresh_after` that is not a duration", r"pull_refresh_after> .*duration"),
    Refused("more than 10,000 containers of a service", r"containers are too many"),
    Refused("a whole service as a step of `pre_start`", r"pre_start\[\d+\]\.[a-z_]+> .* is not a key of"),
    Refused(
        "a list or a mapping as the value of a variable or label, which is let pass when files are merged",
        r"\.(environment|labels|args|sysctls|annotations)\.[^>]*> found a (list|mapping)",
    ),
    Refused("ports that are none", r"is not a port$"),
    Refused("a project without services", r"the project has no services"),
    Refused("an empty name of a project", r"<name> found the text \"\""),
    Refused("a schedule of a job that is none", r"is not a schedule|cannot be the (minute|hour|day|month)"),
    Refused("a relative `working_dir`", r"<[^>]*working_dir>"),
)

ACCEPTED = (
    Accepted(
        'a text where a number is meant (`weight: "300"`, `mode: "0755"`, `priority: "5"`), as everywhere else',
        r"got unconvertible type 'string'|(priority|weight|rate|context_size|retries) must be a (number|integer)",
    ),
    Accepted(
        "a number where only one thing can be meant by it (`cpuset: 0`, `stop_signal: 15`, `memory: 50000000`)",
        r"(cpuset|stop_signal|memory) must be a string",
    ),
    Accepted(
        "what a list says twice is meant once, as the specification has it; docker compose does so in some lists",
        r"items at \d+ and \d+ are equal",
    ),
    Accepted(
        "microseconds as a duration (`cpu_rt_runtime: 400us`), as the specification allows", r"cpu_[a-z_]+: failed"
    ),
    Accepted("a device without `target`, which is then the same as its source", r"missing a mount target"),
    Accepted("container names of one letter", r"container_name .* does not match"),
    Accepted("infinite numbers as the text of a variable", r"json: unsupported value"),
    Accepted("keys for `ssh`, which docker compose cannot write as JSON", r"type types.SSHKey"),
    Accepted("`ssh` of a build in several files, which is merged", r"cannot override services\..*\.build\.ssh"),
    Accepted("a boolean among the options of a log or a driver", r"must be a (null, )?number or string"),
    Accepted("an empty document among others, which says nothing", r"top-level object must be a mapping"),
    Accepted("a `version:` of any kind, as it is ignored", r"version must be a string"),
    Accepted(
        "a limit beside a `deploy.resources.limits` that says nothing about it",
        r"can't set distinct values on '(mem_limit|cpus|pids_limit)'",
    ),
    Accepted(
        "an empty `volumes:`, `networks:`, `configs:` or `secrets:` at the top",
        r"(volumes|networks|configs|secrets|models) must be a mapping",
    ),
)


def _one_number(ours: Any, theirs: Any) -> bool:
    """A size or number as a text or not, in bytes or with a unit."""
    return _bytes(ours) == _bytes(theirs)


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_BINARY = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def _bytes(value: Any, units: dict[str, int] = _UNITS) -> float | str:
    match = re.fullmatch(r"([0-9.]+)([kmg]?)b?", str(value).lower())
    return float(match[1]) * units[match[2]] if match else str(value)


def _binary_sizes(ours: Any, theirs: Any) -> bool:
    def inside(text: str) -> str:
        return re.sub(r"(?<==)[0-9.]+[kmg]b?", lambda size: f"{_bytes(size[0], _BINARY):.0f}", text)

    return set(re.split("[:,]", inside(str(ours)))) == set(re.split("[:,]", inside(str(theirs))))


def _same_limit(ours: Any, theirs: Any) -> bool:
    return (theirs == {} and ours == 0) or (
        isinstance(theirs, dict) and bool(theirs.get("soft") == theirs.get("hard") == ours)
    )


def _same_signal(ours: Any, theirs: Any) -> bool:
    return str(theirs).isdecimal() or str(ours).removeprefix("SIG") == str(theirs).removeprefix("SIG")


def _same_option(ours: Any, theirs: Any) -> bool:
    name, value = re.split("[=:]", str(theirs), maxsplit=1) if re.search("[=:]", str(theirs)) else (str(theirs), "")
    return str(ours) == f"{name}={value}" or (name == "seccomp" and str(ours).endswith(value.removeprefix(".")))


def _only_theirs(ours: Any, _theirs: Any) -> bool:
    return ours is ABSENT


def _only_ours(_ours: Any, theirs: Any) -> bool:
    return theirs is ABSENT


WRITTEN = (
    Written(
        "the rates of `blkio_config` keep their names; docker compose writes them with capitals that it cannot read",
        r"\.blkio_config\.device_(read|write)_(bps|iops)\[\d+\]\.([Pp]ath|[Rr]ate)$",
    ),
    Written(
        "`models` are in the JSON as well as in the YAML; docker compose forgets them there", r"^\.models$", _only_ours
    ),
    Written(
        "a dependency that is not `required` and whose profile is not active is left out",
        r"\.depends_on(\.[^.]+)?$",
        _only_theirs,
    ),
    Written(
        "the directory of a volume with `o: bind` is absolute, whether or not `driver: local` is said",
        r"^\.volumes\.[^.]+\.driver_opts\.device$",
    ),
    Written("keys keep their `$`, as variables are not looked for in keys", r"\.[^.]*\$"),
    Written(
        "paths are written without a slash at their end", r"\.source$", lambda ours, theirs: ours == theirs.rstrip("/")
    ),
    Written(
        "a service that says nothing more of a model or network has null there",
        r"\.(models|networks)\.[^.]+$",
        lambda ours, theirs: ours is None and theirs == {},
    ),
    Written(
        "`z` and `Z` mean nothing for a named volume and are left out there", r"\.volumes\[\d+\]\.bind$", _only_theirs
    ),
    Written(
        "what a list says twice is meant once, as the specification has it; docker compose does so in some lists",
        r"\.secrets$",
        lambda ours, theirs: (
            isinstance(theirs, list) and all(item in ours for item in theirs) and len(theirs) > len(ours)
        ),
    ),
    Written("a watch rule without `exec` has none", r"\.watch\[\d+\]\.exec$", _only_theirs),
    Written(
        "sizes among the options of a log or a tmpfs are written in bytes",
        r"\.logging\.options\.max-(size|buffer-size)$",
        lambda ours, theirs: _one_number(ours, theirs) or _bytes(ours) == _bytes(theirs, _BINARY),
    ),
    Written("sizes among the options of a log or a tmpfs are written in bytes", r"\.tmpfs\[\d+\]$", _binary_sizes),
    Written("a ulimit whose two sides are the same is written as one number", r"\.ulimits\.[a-z]+$", _same_limit),
    Written("signals are written with their full names", r"\.stop_signal$", _same_signal),
    Written(
        "security options are written with `=`, the path of a seccomp profile absolute",
        r"\.security_opt\[\d+\]$",
        _same_option,
    ),
    Written("`mem_swappiness: 0` is kept; docker compose drops it", r"\.mem_swappiness$", _only_ours),
    Written("`pull_refresh_after` is written as the other durations are", r"\.pull_refresh_after$"),
    Written(
        "`/dev/a:rw` gives the device's rights, as `docker run` has it", r"\.devices\[\d+\]\.(target|permissions)$"
    ),
    Written(
        "a variable of a hook that has no value takes the one of the environment, as those of services do",
        r"\.(post_start|pre_stop|exec)(\[\d+\])?\.environment\.",
    ),
    Written(
        "a step of `pre_start` says what the file says; docker compose writes the service into it",
        r"\.pre_start\[\d+\]\.",
        _only_theirs,
    ),
)


def refused(problem: str) -> bool:
    """Whether a problem of ours, as `<path> message`, is one that docker compose lets pass."""
    return any(re.search(difference.told, problem) for difference in REFUSED)


def accepted(said: str) -> bool:
    """Whether docker compose refuses for a reason that is none for us."""
    return any(re.search(difference.said, said) for difference in ACCEPTED)


def written(path: str, ours: Any, theirs: Any) -> bool:
    """Whether a value may be written in these two ways."""
    return any(re.search(difference.path, path) and difference.same(ours, theirs) for difference in WRITTEN)
