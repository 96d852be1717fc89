"""Binds whose files have other owners in the container than on the host: id-mapped mounts (mount_setattr(2)).

An id of the host and one of the container change places, all others stay as they are: so every id has its
counterpart, and nothing turns up as nobody's or cannot be written.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager

from composer.errors import HostError
from composer.hints import Iterable, Iterator, Mapping
from composer.linux.mount import MOUNT_ATTR_IDMAP, mount_setattr
from composer.linux.userns import Range, open_user_namespace
from composer.spec.mounts import Bind, IdMap, Mount

IDS = 2**32 - 1  # the last one, -1, stands for none

UserNamespaces = Mapping[IdMap, int]


@contextmanager
def opened(mounts: Iterable[Mount]) -> Iterator[UserNamespaces]:
    """For each map of some mounts a descriptor of a user namespace that has it, while the block runs.

    Raises OSError. Not for the container's process: who writes a map must see the other process in /proc.
    """
    with ExitStack() as stack:
        found: dict[IdMap, int] = {}
        for idmap in {one.idmap for one in mounts if isinstance(one, Bind) and one.idmap is not None}:
            found[idmap] = fd = open_user_namespace(exchanged(idmap.uid), exchanged(idmap.gid))
            stack.callback(os.close, fd)
        yield found


def exchanged(pair: tuple[int, int]) -> tuple[Range, ...]:
    """The map that has two ids change places."""
    low, high = sorted(pair)
    if low == high:
        return ((0, 0, IDS),)
    ranges = (
        (0, 0, low),
        (low, high, 1),
        (low + 1, low + 1, high - low - 1),
        (high, low, 1),
        (high + 1, high + 1, IDS - high - 1),
    )
    return tuple(one for one in ranges if one[2])


def apply(tree_fd: int, bind: Bind, namespaces: UserNamespaces, *, recursive: bool) -> None:
    """Give a detached mount the owners that its bind wants. Raises OSError, HostError."""
    if bind.idmap is None:
        return
    try:
        mount_setattr(tree_fd, set=MOUNT_ATTR_IDMAP, userns_fd=namespaces[bind.idmap], recursive=recursive)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        below = "" if not recursive else ", or one that is mounted below it,"
        raise HostError(
            f"cannot bind {bind.source} on {bind.target} with x-idmap: its file system{below} has no id-mapped mounts",
            hint="with `recursive: disabled`, what is mounted below it stays out" if recursive else None,
        ) from error
