"""Texts and parts that mean a device, a rule about devices, or a tmpfs."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Literal

from composer.frozen import frozen
from composer.model.part import Part
from composer.model.scalars import Text, TextValue, Unreadable, read_file_mode, read_integer, read_size

_RULE = re.compile(r"([abc])(?: ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3}))?")


class Device(Part):
    """A device node of the host inside the container. A CDI name (vendor/class=name) stands in `source` alone."""

    source: Text
    target: Text | None = None
    permissions: Text = "rwm"

    @property
    def is_cdi(self) -> bool:
        return "=" in self.source and not self.source.startswith("/")


@frozen
class DeviceRule(TextValue):
    """`device_cgroup_rules`: `c 1:3 mr`. A number of None is `*`, any."""

    type: Literal["a", "b", "c"]
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"

    @classmethod
    def parse(cls, text: str) -> DeviceRule:
        match = _RULE.fullmatch(text)
        if (
            match is None
            or (match[1] != "a" and match[2] is None)
            or len(match[2] or "") > 9
            or len(match[3] or "") > 9
        ):
            raise Unreadable(f'"{text}" is not a rule about devices', hint='write "c 1:3 mr" or "b 8:* r"')
        kind: Literal["a", "b", "c"] = "a" if match[1] == "a" else "b" if match[1] == "b" else "c"
        return cls(kind, _number(match[2]), _number(match[3]), match[4] or "rwm")

    def __str__(self) -> str:
        return f"{self.type} {_star(self.major)}:{_star(self.minor)} {self.access}"


def _number(text: str | None) -> int | None:
    return None if text in (None, "*") else int(text)


def _star(number: int | None) -> str:
    return "*" if number is None else str(number)


_MOUNT_FLAGS = (
    "ro rw exec noexec suid nosuid dev nodev sync async dirsync atime noatime diratime nodiratime relatime norelatime "
    "strictatime nostrictatime private rprivate shared rshared slave rslave"
)
_TMPFS_FLAGS = frozenset(_MOUNT_FLAGS.split())
_TMPFS_HINT = "write /run:size=64m,mode=1777,uid=1000,noexec"


@frozen
class Tmpfs(TextValue):
    """`tmpfs`: a path in the container and its options. Bytes; permission bits; numeric owners."""

    target: str
    size: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    nr_inodes: int | None = None
    flags: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Tmpfs:
        target, _, options = text.partition(":")
        if not target.startswith("/"):
            raise Unreadable(f'the tmpfs path "{target}" is not absolute', hint=_TMPFS_HINT)
        flags: list[str] = []
        numbers: dict[str, int] = {}
        for option in filter(None, options.split(",")):
            key, equals, value = option.partition("=")
            if equals and key in _TMPFS_NUMBERS:
                numbers[key] = _TMPFS_NUMBERS[key](value)
            elif option in _TMPFS_FLAGS:
                flags.append(option)
            else:
                raise Unreadable(
                    f'"{option}" is not an option of tmpfs',
                    hint=_TMPFS_HINT,
                    near=key,
                    known=(*_TMPFS_NUMBERS, *_TMPFS_FLAGS),
                )
        return cls(target, flags=tuple(flags), **numbers)

    def __str__(self) -> str:
        given = ((field.name, getattr(self, field.name)) for field in fields(self) if field.name in _TMPFS_NUMBERS)
        numbers = [
            f"{name}={value:o}" if name == "mode" else f"{name}={value}" for name, value in given if value is not None
        ]
        options = ",".join((*numbers, *self.flags))
        return f"{self.target}:{options}" if options else self.target


_TMPFS_NUMBERS = {
    "size": read_size,
    "mode": read_file_mode,
    "uid": read_integer,
    "gid": read_integer,
    "nr_inodes": read_size,
}
