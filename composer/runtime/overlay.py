"""The bottom of a container's root: an overlay of its own writable layer over a read-only one.

The lower layer may be the host's own root, below which the upper layer itself lies. The kernel allows that, and
keeps the upper layer's directory from being entered through the overlay; what is mounted on the host below / is not
part of it and simply absent.

redirect_dir, index and metacopy are off: with them a layer is bound to the very lower layer it was first used with,
and a renamed directory of the lower layer would carry its contents past a mask.
"""

from __future__ import annotations

import errno
import os

from composer.frozen import frozen
from composer.linux.mount import (
    fsconfig_create,
    fsconfig_set_fd,
    fsconfig_set_string,
    fsmount,
    fsopen,
    mount,
    move_mount,
)

OFF = ("redirect_dir", "index", "metacopy")


@frozen
class Layers:
    """Directories in the caller's mount namespace."""

    lower: str
    upper: str
    work: str


def mount_overlay(layers: Layers, *, at: str) -> int:
    """Mount the overlay on the directory `at`; a descriptor of its root. Raises OSError."""
    try:
        return mount_by_descriptors(layers, at=at)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return mount_by_paths(layers, at=at)


def mount_by_descriptors(layers: Layers, *, at: str) -> int:
    """With layers as descriptors, whatever their paths are. Raises OSError EINVAL before Linux 6.13."""
    fs_fd = fsopen("overlay")
    try:
        fsconfig_set_string(fs_fd, "source", value="overlay")
        for key, path in (("lowerdir+", layers.lower), ("upperdir", layers.upper), ("workdir", layers.work)):
            layer_fd = _open_directory(path)
            fsconfig_set_fd(fs_fd, key, fd=layer_fd)
            os.close(layer_fd)
        for option in OFF:
            fsconfig_set_string(fs_fd, option, value="off")
        fsconfig_create(fs_fd)
        root_fd = fsmount(fs_fd)
    finally:
        os.close(fs_fd)
    at_fd = _open_directory(at)
    move_mount(root_fd, at_fd)
    os.close(at_fd)
    return root_fd


def mount_by_paths(layers: Layers, *, at: str) -> int:
    """With layers as options of mount(2): all of them in one page."""
    options = [
        *(f"{key}={_escaped(path)}" for key, path in (("lowerdir", layers.lower), ("upperdir", layers.upper))),
        f"workdir={_escaped(layers.work)}",
        *(f"{option}=off" for option in OFF),
    ]
    mount("overlay", at, filesystem="overlay", data=",".join(options))
    return _open_directory(at)


def _escaped(path: str) -> str:
    """A comma ends an option, and a colon a layer."""
    for character in "\\:,":
        path = path.replace(character, f"\\{character}")
    return path


def _open_directory(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
