"""Volumes, what a service mounts, and the configs and secrets it is handed as files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from composer.frozen import frozen
from composer.model.part import Part
from composer.model.scalars import Boolean, ByteSize, FileMode, Spelled, Text, TextValue, Unreadable, read_text

LARGEST_ID = 2**32 - 2  # the next one stands for none
SECRETS = "/run/secrets"  # where secrets are, and configs at the root, unless a target says otherwise


class MountType(StrEnum):
    """What is mounted."""

    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"
    IMAGE = "image"
    NPIPE = "npipe"
    CLUSTER = "cluster"


class Propagation(StrEnum):
    """How later mounts travel between host and container (mount_namespaces(7))."""

    PRIVATE = "private"
    RPRIVATE = "rprivate"
    SHARED = "shared"
    RSHARED = "rshared"
    SLAVE = "slave"
    RSLAVE = "rslave"


class Recursive(StrEnum):
    """Which mounts below a bind come along, and whether they become read-only too."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    WRITABLE = "writable"
    READONLY = "readonly"


class Selinux(StrEnum):
    """How a bind is labelled: shared between containers, or private to one."""

    SHARED = "z"
    PRIVATE = "Z"


def read_mount_target(value: object) -> str:
    """An absolute path inside the container, without `.`, `..` and doubled slashes."""
    text = read_text(value)
    if text.startswith("\\\\"):  # a pipe of Windows
        return text
    if not text.startswith("/"):
        raise Unreadable(f'the container path "{text}" is not absolute', hint=f"write /{text}")
    return "/" + posixpath.normpath(text).lstrip("/")


MountTarget = Annotated[str, BeforeValidator(read_mount_target)]


@frozen
class Exchange(TextValue):
    """`HOST:CONTAINER`: two ids that change places."""

    host: int
    container: int

    @classmethod
    def parse(cls, text: str) -> Exchange:
        if re.fullmatch("[0-9]{1,10}:[0-9]{1,10}", text) is None:
            raise Unreadable(f'"{text}" is not a pair of ids', hint='write HOST:CONTAINER, as in "1000:999"')
        host, container = map(int, text.split(":"))
        if max(host, container) > LARGEST_ID:
            raise Unreadable(f'"{text}" is not a pair of ids: the largest is {LARGEST_ID}')
        return cls(host, container)

    def __str__(self) -> str:
        return f"{self.host}:{self.container}"


class IdMap(Part):
    """`x-idmap`: ids that change places between host and container."""

    uid: Exchange | None = None
    gid: Exchange | None = None


class BindOptions(Part):
    """A bind's own options."""

    propagation: Propagation | None = None
    create_host_path: Boolean = True
    recursive: Recursive | None = None
    selinux: Selinux | None = None
    x_idmap: IdMap | None = Field(default=None, alias="x-idmap")


class VolumeOptions(Part):
    """A named volume's own options."""

    nocopy: Boolean = False
    subpath: Text | None = None
    labels: Mapping[str, Spelled] = {}


class TmpfsOptions(Part):
    """A tmpfs's own options: bytes and permission bits."""

    size: ByteSize | None = None
    mode: FileMode | None = None


class ImageOptions(Part):
    """An image mount's own options."""

    subpath: Text | None = None


class ServiceVolume(Part):
    """One mount of a service. `source`: a host path (bind), a volume's key, None (anonymous volume, tmpfs)."""

    type: MountType
    source: Text | None = None
    target: MountTarget
    read_only: Boolean = False
    consistency: Text | None = None
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    image: ImageOptions | None = None


class FileReference(Part):
    """A config or secret as a service sees it: `source` is its key, `target` its path in the container."""

    source: Text
    target: Text | None = None
    uid: Text | None = None
    gid: Text | None = None
    mode: FileMode | None = None

    def path(self, *, below: str) -> str:
        """Its place in the container, `below` where the target is not absolute."""
        return posixpath.normpath(posixpath.join(below, self.target or self.source))


class Volume(Part):
    """A top-level volume. `name` is its name on the host."""

    name: Text = ""
    driver: Text | None = None
    driver_opts: Mapping[str, Spelled] = {}
    external: Boolean = False
    labels: Mapping[str, Spelled] = {}


class Config(Part):
    """A top-level config: its content comes from a file, an environment variable or the Compose file itself."""

    name: Text = ""
    file: Text | None = None
    environment: Text | None = None
    content: Text | None = None
    external: Boolean = False
    labels: Mapping[str, Spelled] = {}
    template_driver: Text | None = None


class Secret(Part):
    """A top-level secret: its content comes from a file or an environment variable."""

    name: Text = ""
    file: Text | None = None
    environment: Text | None = None
    external: Boolean = False
    labels: Mapping[str, Spelled] = {}
    driver: Text | None = None
    driver_opts: Mapping[str, Spelled] = {}
    template_driver: Text | None = None
