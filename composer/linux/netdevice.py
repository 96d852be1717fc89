"""Interface flags of the current network namespace: netdevice(7).

Beyond this module: everything that needs rtnetlink, such as addresses, routes and links. A new namespace has a
loopback interface with both its addresses; it is only down.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

from composer.linux.libc import c_string, libc_function

IFF_UP = 0x1
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914

AF_INET = 2
SOCK_DGRAM = 2

_IFREQ = struct.Struct("16sh22x")  # struct ifreq: name, flags, the rest of the union

_socket = libc_function("socket", ctypes.c_int, ctypes.c_int, ctypes.c_int)  # `import socket` costs milliseconds


def set_interface_up(name: str) -> None:
    """Set IFF_UP of the interface `name`, e.g. "lo". Raises OSError: ENODEV, EPERM without CAP_NET_ADMIN."""
    fd = _socket(AF_INET, SOCK_DGRAM | os.O_CLOEXEC, 0)
    try:
        answer = fcntl.ioctl(fd, SIOCGIFFLAGS, _IFREQ.pack(c_string(name), 0))
        _, flags = _IFREQ.unpack(answer)
        fcntl.ioctl(fd, SIOCSIFFLAGS, _IFREQ.pack(c_string(name), flags | IFF_UP))
    except OSError as error:
        error.add_note(f"ioctl(SIOCSIFFLAGS, {name})")
        raise
    finally:
        os.close(fd)
