"""What /proc says about cgroups on hosts of all kinds."""

from __future__ import annotations

import pytest

from composer.runtime.cgroup import hierarchy
from composer.runtime.cgroup.hierarchy import Hierarchies, Hierarchy, parse, with_controllers

V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1_MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
V1_CPU = "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:17 - cgroup cgroup rw,cpu,cpuacct"
V1_SYSTEMD = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd"
HYBRID_V2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
TMPFS = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755"
DOCKER_V1 = (
    "900 890 0:32 /docker/4f2a /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup rw,memory\n"
    "901 890 0:33 /docker/4f2a /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:16 - cgroup cgroup rw,cpu,cpuacct"
)

CASES = {
    "systemd, v2 only": (
        V2,
        "0::/user.slice/user-1000.slice/session-2.scope",
        [(2, (), "/sys/fs/cgroup", "user.slice/user-1000.slice/session-2.scope")],
    ),
    "at the root of v2": (V2, "0::/", [(2, (), "/sys/fs/cgroup", "")]),
    "hybrid": (
        "\n".join((TMPFS, V1_MEMORY, V1_SYSTEMD, HYBRID_V2)),
        "9:name=systemd:/\n4:memory:/jobs/7d9e\n0::/",
        [
            (1, ("memory",), "/sys/fs/cgroup/memory", "jobs/7d9e"),
            (1, ("name=systemd",), "/sys/fs/cgroup/systemd", ""),
            (2, (), "/sys/fs/cgroup/unified", ""),
        ],
    ),
    "v1, two controllers mounted together": (
        f"{V1_CPU}\n{V1_MEMORY}",
        "7:cpu,cpuacct:/system.slice/ssh.service\n5:memory:/",
        [
            (1, ("memory",), "/sys/fs/cgroup/memory", ""),
            (1, ("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct", "system.slice/ssh.service"),
        ],
    ),
    "a controller that is mounted nowhere": (
        V1_MEMORY,
        "5:memory:/\n3:net_cls:/",
        [(1, ("memory",), "/sys/fs/cgroup/memory", "")],
    ),
    "v2 known to the kernel and not mounted": (
        V1_MEMORY,
        "5:memory:/\n0::/",
        [(1, ("memory",), "/sys/fs/cgroup/memory", "")],
    ),
    "in a container, v1, the host's cgroup namespace": (
        DOCKER_V1,
        "5:memory:/docker/4f2a\n4:cpu,cpuacct:/docker/4f2a/inner",
        [
            (1, ("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct", "inner"),
            (1, ("memory",), "/sys/fs/cgroup/memory", ""),
        ],
    ),
    "in a container, v2, a cgroup namespace of its own": (
        "612 601 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate",
        "0::/init",
        [(2, (), "/sys/fs/cgroup", "init")],
    ),
    "a mount from above our cgroup namespace": (
        "612 601 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup rw",
        "0::/",
        [(2, (), "/sys/fs/cgroup", None)],
    ),
    "our cgroup is outside of our cgroup namespace": (V2, "0::/../other", [(2, (), "/sys/fs/cgroup", None)]),
    "of two mounts, the one that shows our cgroup": (
        "50 1 0:26 /machine /mnt/a rw - cgroup2 none rw\n51 1 0:26 /jobs /mnt/b rw - cgroup2 none rw",
        "0::/jobs/7",
        [(2, (), "/mnt/b", "7")],
    ),
    "of two mounts, the writable one": (
        "50 1 0:26 / /sys/fs/cgroup ro - cgroup2 none rw\n51 1 0:26 / /mnt/cgroup rw - cgroup2 none rw",
        "0::/jobs/7",
        [(2, (), "/mnt/cgroup", "jobs/7")],
    ),
    "rootless, delegated": (
        V2,
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.scope",
        [(2, (), "/sys/fs/cgroup", "user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.scope")],
    ),
    "odd names: a space in the mount point, a colon in the path": (
        r"50 1 0:26 / /mnt/control\040groups rw - cgroup2 none rw",
        "0::/a:b/c d",
        [(2, (), "/mnt/control groups", "a:b/c d")],
    ),
    "a sibling whose name begins like the root of the mount": (
        "50 1 0:26 /jobs /mnt rw - cgroup2 none rw",
        "0::/jobs-2/7",
        [(2, (), "/mnt", None)],
    ),
    "no cgroups": ("22 1 0:21 / /proc rw - proc proc rw", "0::/", []),
}


@pytest.mark.parametrize("case", CASES)
def test_parse(case: str) -> None:
    mountinfo, cgroup, expected = CASES[case]
    found = parse(mountinfo=mountinfo + "\n", cgroup=cgroup + "\n")
    assert [(one.version, one.controllers, one.mount_point, one.own) for one in found.mounted] == expected


def test_a_controller_belongs_to_one_hierarchy() -> None:
    found = with_controllers(parse(mountinfo=f"{V1_CPU}\n{HYBRID_V2}", cgroup="7:cpu,cpuacct:/\n0::/"), "io hugetlb\n")
    assert found.hybrid
    assert (found.of("cpuacct"), found.of("io")) == found.mounted
    assert found.of("memory") is None
    assert [one.name for one in found.mounted] == ["cpu,cpuacct", "unified"]


def test_one_version_alone_is_no_hybrid() -> None:
    assert not Hierarchies((Hierarchy(2, ("cpu",), "/sys/fs/cgroup", ""),)).hybrid
    assert Hierarchies().unified is None


@pytest.mark.cgroup
def test_this_host_has_a_memory_controller_somewhere() -> None:
    memory = hierarchy.observe().of("memory")
    assert memory is not None
    assert memory.own is not None
