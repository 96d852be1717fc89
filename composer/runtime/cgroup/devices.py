"""Which device nodes a container may use: on v1 lines of its devices cgroup, on v2 a program attached to its cgroup.

Beyond this module: which nodes are in its /dev (rootfs). The list counts for those that it makes itself (CAP_MKNOD)
or finds in a volume as well.
"""

from __future__ import annotations

import os
import stat

from composer.errors import HostError, PycomposeError
from composer.runtime.cgroup import files
from composer.runtime.cgroup.container import Cgroup
from composer.spec.cgroup import DeviceRule, Resources
from composer.spec.container import Device

# What Docker and its runtime allow. To make a node of any device is harmless, to open it is not.
DEFAULT_RULES = (
    DeviceRule("c", None, None, "m"),
    DeviceRule("b", None, None, "m"),
    DeviceRule("c", 1, 3, "rwm"),  # null
    DeviceRule("c", 1, 5, "rwm"),  # zero
    DeviceRule("c", 1, 7, "rwm"),  # full
    DeviceRule("c", 1, 8, "rwm"),  # random
    DeviceRule("c", 1, 9, "rwm"),  # urandom
    DeviceRule("c", 5, 0, "rwm"),  # tty
    DeviceRule("c", 5, 1, "rwm"),  # console
    DeviceRule("c", 5, 2, "rwm"),  # ptmx
    DeviceRule("c", 136, None, "rwm"),  # pts/N
    DeviceRule("c", 10, 200, "rwm"),  # net/tun
)


def allowed(rules: tuple[DeviceRule, ...], *, nodes: tuple[Device, ...]) -> tuple[DeviceRule, ...]:
    """The whole allow-list: the default, the devices shown to the container, and `rules` of the user's own.

    Raises PycomposeError for a device that is not there or is none.
    """
    return (*DEFAULT_RULES, *map(_rule, nodes), *rules)


def _rule(node: Device) -> DeviceRule:
    kind, number = _node(node.source)
    return DeviceRule(kind, os.major(number), os.minor(number), node.access)


def _node(path: str) -> tuple[str, int]:
    """("b" or "c", device number) of a device node of the host."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise PycomposeError(f"cannot use device {path}: {error.strerror}") from error
    if stat.S_ISBLK(found.st_mode):
        return "b", found.st_rdev
    if stat.S_ISCHR(found.st_mode):
        return "c", found.st_rdev
    raise PycomposeError(f"cannot use device {path}: it is not a device node")


def block_numbers(resources: Resources) -> dict[str, str]:
    """ "MAJOR:MINOR" of each disk that `resources` name. Raises PycomposeError for what is none."""
    weights = {weight.device for weight in resources.blkio_weight_devices}
    throttles = {throttle.device for throttle in resources.blkio_throttles}
    return {path: _block_number(path) for path in weights | throttles}


def _block_number(path: str) -> str:
    kind, number = _node(path)
    if kind != "b":
        raise PycomposeError(f"cannot limit traffic of {path}: it is not a block device")
    return f"{os.major(number)}:{os.minor(number)}"


def restrict(cgroup: Cgroup, rules: tuple[DeviceRule, ...]) -> None:
    """Deny all devices but those of `rules` to who will be in the cgroup. Raises HostError.

    Without the host's root there is nothing to deny: no node can be made, and none opened that the user could not
    open anyway.
    """
    v1 = cgroup.v1("devices")
    try:
        if v1:
            _restrict_v1(v1, rules)
        elif cgroup.unified and _is_root_of_host():
            _restrict_v2(cgroup.unified, rules)
    except OSError as error:
        raise HostError(f"cannot restrict the devices of container {cgroup.name}: {files.reason(error)}") from error


def _is_root_of_host() -> bool:
    """Whether the capabilities that BPF asks for are those of the first user namespace."""
    return os.geteuid() == 0 and files.read("/proc/self", "uid_map").split() == ["0", "0", str((1 << 32) - 1)]


def _restrict_v1(directory: str, rules: tuple[DeviceRule, ...]) -> None:
    """Documentation/admin-guide/cgroup-v1/devices.rst. A cgroup is born with the list of the one above."""
    files.write(directory, "devices.deny", value="a")
    with files.open_for_writing(directory, "devices.allow") as fd:
        for rule in rules:
            _allow_v1(fd, rule)


def _allow_v1(fd: int, rule: DeviceRule) -> None:
    """A container of another engine, where we may be, can only pass on what it has itself: EPERM for the rest."""
    try:
        os.write(fd, v1_line(rule).encode())
    except PermissionError as error:
        if rule not in DEFAULT_RULES:
            error.add_note(f"devices.allow: {v1_line(rule)}")
            raise


def v1_line(rule: DeviceRule) -> str:
    """A rule as a line for devices.allow: "c 136:* rwm"."""
    major, minor = ("*" if number is None else str(number) for number in (rule.major, rule.minor))
    return f"{rule.type} {major}:{minor} {rule.access}"


def _restrict_v2(directory: str, rules: tuple[DeviceRule, ...]) -> None:
    """The program stays attached for as long as the cgroup is there."""
    from composer.linux import bpf  # not on the way of a launcher with cgroup v1

    program = bpf.device_program(bpf.DeviceRule(True, rule.type, rule.major, rule.minor, rule.access) for rule in rules)
    fd = bpf.load_device_program(program)
    try:
        with files.open_directory(directory) as cgroup_fd:
            bpf.attach_device_program(cgroup_fd, fd)
    finally:
        os.close(fd)
