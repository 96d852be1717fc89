"""File events: inotify(7).

Beyond this module: waiting. The descriptor does not block and becomes readable for any event loop.
"""

from __future__ import annotations

import ctypes
import os
import struct

from composer.frozen import frozen
from composer.linux.libc import c_string, libc_function

IN_ACCESS = 0x1
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_CLOSE_NOWRITE = 0x10
IN_OPEN = 0x20
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800

# Only reported
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ISDIR = 0x40000000

# Only asked
IN_ONLYDIR = 0x1000000
IN_DONT_FOLLOW = 0x2000000
IN_MASK_CREATE = 0x10000000
IN_MASK_ADD = 0x20000000
IN_ONESHOT = 0x80000000

IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC

_HEADER = struct.Struct("=iIII")  # struct inotify_event: wd, mask, cookie, length of the name that follows
_BUFFER_SIZE = 64 * 1024  # bytes; one event needs at most 16 + 256

_inotify_init1 = libc_function("inotify_init1", ctypes.c_int)
_inotify_add_watch = libc_function("inotify_add_watch", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
_inotify_rm_watch = libc_function("inotify_rm_watch", ctypes.c_int, ctypes.c_int)


@frozen
class Event:
    """One event of watch `wd`; `name` is the file within a watched directory, "" for the watched file itself."""

    wd: int
    mask: int
    cookie: int
    name: str


def inotify_init1() -> int:
    """inotify_init1(2): a descriptor, non-blocking and close-on-exec. Raises OSError: EMFILE at the user's limit."""
    return _inotify_init1(IN_NONBLOCK | IN_CLOEXEC)


def inotify_add_watch(fd: int, path: str | bytes | os.PathLike[str], *, mask: int) -> int:
    """inotify_add_watch(2): the watch's number. Raises OSError: ENOSPC at fs.inotify.max_user_watches, ENOENT."""
    return _inotify_add_watch(fd, c_string(path), mask)


def inotify_rm_watch(fd: int, wd: int) -> None:
    """inotify_rm_watch(2); an IN_IGNORED event follows. Raises OSError: EINVAL for a watch that is gone."""
    _inotify_rm_watch(fd, wd)


def read_events(fd: int) -> list[Event]:
    """The events that are there, possibly none. IN_Q_OVERFLOW (wd -1) says that some were lost."""
    try:
        buffer = os.read(fd, _BUFFER_SIZE)
    except BlockingIOError:
        return []
    return decode_events(buffer)


def decode_events(buffer: bytes) -> list[Event]:
    """What read(2) gave as events."""
    events = []
    offset = 0
    while offset < len(buffer):
        wd, mask, cookie, length = _HEADER.unpack_from(buffer, offset)
        start = offset + _HEADER.size
        name = buffer[start : start + length].rstrip(b"\0")
        events.append(Event(wd, mask, cookie, os.fsdecode(name)))
        offset = start + length
    return events
