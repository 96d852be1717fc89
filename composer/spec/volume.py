"""A volume: a directory of the host that outlives containers, and may be the mount point of another file system."""

from __future__ import annotations

from composer.frozen import frozen

OPTIONS = ("type", "device", "o")  # of the local driver
BIND_OPTIONS = frozenset(("bind", "rbind"))


@frozen
class Volume:
    """A volume as it should be. `options` are those of the local driver: type, device, o."""

    name: str  # on the host: shop_data
    external: bool = False  # made by somebody else; it must be there
    options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    place: str = ""  # spec.place


def bound_device(options: tuple[tuple[str, str], ...]) -> str:
    """The directory of the host that a volume with these options shows, "" where it is none of that kind."""
    said = dict(options)
    return said.get("device", "") if BIND_OPTIONS & set(said.get("o", "").split(",")) else ""


def is_mounted(options: tuple[tuple[str, str], ...]) -> bool:
    """Whether a file system of its own is mounted for such a volume."""
    return bool(options) and not bound_device(options)
