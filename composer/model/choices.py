"""Texts that choose: a restart policy, a namespace, a user, a security option, a set of CPUs."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from composer.frozen import frozen
from composer.model.scalars import TextValue, Unreadable, WrongType, spelled


class RestartWhen(StrEnum):
    """When a container that ended is started again."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


_GOOD_RESTART = "write no, always, on-failure, on-failure:3 or unless-stopped"


@frozen
class Restart(TextValue):
    """`restart`: when, and for on-failure at most how often (None: without end)."""

    when: RestartWhen = RestartWhen.NO
    max_retries: int | None = None

    @classmethod
    def parse(cls, text: str) -> Restart:
        name, colon, retries = text.partition(":")
        known = tuple(when.value for when in RestartWhen)
        if name not in known:
            raise Unreadable(f'"{text}" is not a restart policy', hint=_GOOD_RESTART, near=name, known=known)
        if not colon:
            return cls(RestartWhen(name))
        if name != RestartWhen.ON_FAILURE:
            raise Unreadable(f'the restart policy {name} takes no number, found "{text}"', hint=_GOOD_RESTART)
        if not (retries.isascii() and retries.isdecimal() and len(retries) < 10):
            raise Unreadable(f'"{retries}" is not a number of retries', hint="write on-failure:3")
        return cls(RestartWhen.ON_FAILURE, int(retries) or None)

    @classmethod
    def of(cls, value: object) -> Restart:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise WrongType(value, "a restart policy", hint=_GOOD_RESTART)
        return cls.parse(value)

    def __str__(self) -> str:
        return self.when.value + (f":{self.max_retries}" if self.max_retries else "")


class NamespaceKind(StrEnum):
    """Whose namespace a container lives in."""

    PRIVATE = "private"
    HOST = "host"
    SHAREABLE = "shareable"
    NONE = "none"
    BRIDGE = "bridge"
    SERVICE = "service"
    CONTAINER = "container"


@frozen
class NamespaceMode(TextValue):
    """`network_mode`, `pid`, `ipc`, `uts`, `cgroup`, `userns_mode`. `target` names the service or container."""

    kind: NamespaceKind
    target: str | None = None

    @classmethod
    def parse(cls, text: str) -> NamespaceMode:
        name, colon, target = text.partition(":")
        targeted = name in (NamespaceKind.SERVICE, NamespaceKind.CONTAINER)
        if name not in {kind.value for kind in NamespaceKind} or bool(colon) != targeted or (colon and not target):
            raise Unreadable(f'"{text}" is not a namespace', hint="write host, private or service:NAME")
        return cls(NamespaceKind(name), target or None)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.target}" if self.target else self.kind.value


def namespace(*kinds: str) -> BeforeValidator:
    """A namespace mode of these kinds only: what one key of a service allows."""
    shapes = [f"{kind}:NAME" if kind in ("service", "container") else kind for kind in kinds]
    hint = f"write {', '.join(shapes[:-1])} or {shapes[-1]}" if len(shapes) > 1 else f"write {shapes[0]}"

    def read(value: object) -> NamespaceMode:
        if not isinstance(value, (str, NamespaceMode)):
            raise WrongType(value, "a text", hint=hint)
        try:
            mode = NamespaceMode.of(value)
        except Unreadable:
            raise Unreadable(f'"{value}" is not a namespace', hint=hint, near=str(value), known=kinds) from None
        if mode.kind not in kinds:
            raise Unreadable(f'the namespace "{value}" is not possible here', hint=hint, known=kinds)
        return mode

    return BeforeValidator(read)


NetworkMode = Annotated[NamespaceMode, namespace("none", "host", "bridge", "service", "container")]
PidMode = Annotated[NamespaceMode, namespace("private", "host", "service", "container")]
IpcMode = Annotated[NamespaceMode, namespace("private", "host", "shareable", "none", "service", "container")]
UtsMode = Annotated[NamespaceMode, namespace("private", "host", "service")]
CgroupMode = Annotated[NamespaceMode, namespace("private", "host", "service")]
UsernsMode = Annotated[NamespaceMode, namespace("private", "host")]

_ACCOUNT = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\-@\\]*\$?")


@frozen
class User(TextValue):
    """`user`: a name or number, and a group's. Looked up in the root file system, later."""

    user: str
    group: str | None = None

    @classmethod
    def parse(cls, text: str) -> User:
        user, colon, group = text.partition(":")
        for part in (user, group) if colon else (user,):
            if not _ACCOUNT.fullmatch(part):
                raise Unreadable(f'"{text}" is not a user', hint='write a name or "uid", "uid:gid"')
        return cls(user, group or None)

    def __str__(self) -> str:
        return f"{self.user}:{self.group}" if self.group else self.user


_SECURITY_OPTIONS = ("no-new-privileges", "seccomp", "apparmor", "label", "systempaths", "writable-cgroups")


@frozen
class SecurityOption(TextValue):
    """`security_opt`: `name` is one of no-new-privileges, seccomp, apparmor, label, systempaths, writable-cgroups."""

    name: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> SecurityOption:
        name, separator, value = text.partition("=")
        if not separator or ":" in name:
            name, separator, value = text.partition(":")  # the older way to write it
        if name not in _SECURITY_OPTIONS:
            hint = f"known are {', '.join(_SECURITY_OPTIONS)}"
            raise Unreadable(f'"{text}" is not a security option', hint=hint, near=name, known=_SECURITY_OPTIONS)
        return cls._checked(name, value if separator else None)

    @classmethod
    def _checked(cls, name: str, value: str | None) -> SecurityOption:
        if name in ("no-new-privileges", "writable-cgroups"):
            if value not in (None, "true", "false"):
                raise Unreadable(f'"{value}" is not a boolean', hint=f"write {name} or {name}=false")
        elif not value:
            raise Unreadable(f"{name} says nothing", hint=f"write {name}=unconfined or {name}=PROFILE")
        return cls(name, value)

    @property
    def enabled(self) -> bool:
        """Of an option that is on or off: whether it is on."""
        return self.value != "false"

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


_CPUS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?")
_MAX_CPU = 8191  # CONFIG_NR_CPUS ends there


def read_cpuset(value: object) -> str:
    """CPUs by number, as the kernel's cpuset files take them: 0-3,6."""
    text = spelled(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise WrongType(value, "a set of CPUs", hint='write "0-3" or "0,2"')
    text = text.replace(" ", "")
    for part in text.split(",") if text else ():
        low, _, high = part.partition("-")
        if not _CPUS.fullmatch(part) or int(high or low) < int(low) or int(high or low) > _MAX_CPU:
            raise Unreadable(f'"{part}" is not a CPU or a range of them', hint='write "0-3" or "0,2"')
    return text


CpuSet = Annotated[str, BeforeValidator(read_cpuset)]


_PULL_POLICIES = ("always", "never", "missing", "build", "refresh", "daily", "weekly")
_EVERY = re.compile(r"every_([0-9]+[wdhms])+")


def read_pull_policy(value: object) -> str:
    """When an image is pulled; `if_not_present` is the older name of `missing`."""
    if value == "if_not_present":
        return "missing"
    if isinstance(value, str) and (value in _PULL_POLICIES or _EVERY.fullmatch(value)):
        return value
    hint = f"write {', '.join(_PULL_POLICIES)} or every_12h"
    if not isinstance(value, str):
        raise WrongType(value, "a pull policy", hint=hint)
    raise Unreadable(f'"{value}" is not a pull policy', hint=hint, near=value, known=_PULL_POLICIES)


PullPolicy = Annotated[str, BeforeValidator(read_pull_policy)]
