"""Becoming a launcher.

The interpreter is executed from a read-only mount of its file that nobody can see. /proc/PID/exe of a container's
init, which is a fork of the launcher, leads to that mount: whoever gets hold of it can read the interpreter and not
overwrite it (CVE-2019-5736).
"""

from __future__ import annotations

import os
import sys

from composer.hints import NoReturn
from composer.linux.mount import MOUNT_ATTR_RDONLY, mount_setattr, open_tree
from composer.runtime.launcher.config import Config
from composer.spec import codec

MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


def become(config: Config) -> NoReturn:
    """Replace this process by a launcher, its standard error the launcher's log. Raises OSError."""
    for fd in (config.ready_fd, config.gate_fd):
        if fd >= 0:
            os.set_inheritable(fd, True)
    argv = [sys.executable, "-I", "-S", MAIN, codec.dumps(config)]
    os.execve(_interpreter(), argv, {"LC_CTYPE": "C.UTF-8"})


def _interpreter() -> int | str:
    try:
        fd = open_tree(os.path.realpath(sys.executable))
        mount_setattr(fd, set=MOUNT_ATTR_RDONLY)
    except OSError:
        return sys.executable  # not allowed to mount, then containers are not root on the host either
    return fd
