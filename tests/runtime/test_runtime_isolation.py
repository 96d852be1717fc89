"""What a process in a container sees and may do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from composer.linux.capability import ALL_KNOWN, CAPABILITIES, DOCKER_DEFAULT, capget, names_of
from composer.spec.container import Host, Join, Namespaces, Private, Unconfined
from tests.runtime.containers import CAPABILITIES as DOCKERS
from tests.runtime.containers import Machine

pytestmark = pytest.mark.root

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def namespaces_of(pid: int | str) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


def status(machine: Machine, **settings: object) -> dict[str, str]:
    """/proc/self/status of a container's process."""
    ended = machine.run("cat", "/proc/self/status", **settings)
    return {name: value.strip() for name, _, value in (line.partition(":") for line in ended.lines)}


def test_a_container_has_namespaces_of_its_own(machine: Machine) -> None:
    started = machine.start("sleep", "60")
    inside, host = namespaces_of(started.pid), namespaces_of("self")
    assert {kind for kind in KINDS if inside[kind] == host[kind]} == set()


@pytest.mark.parametrize("kind", ["pid", "ipc", "uts", "network", "cgroup"])
def test_a_namespace_of_the_host_is_shared_and_no_other(machine: Machine, kind: str) -> None:
    started = machine.start("sleep", "60", namespaces=Namespaces(**{kind: Host()}))
    inside, host = namespaces_of(started.pid), namespaces_of("self")
    assert {one for one in KINDS if inside[one] == host[one]} == {"net" if kind == "network" else kind}


def test_its_process_is_pid_1_and_alone(machine: Machine) -> None:
    ended = machine.sh("echo $$; ls -d /proc/[0-9]* | wc -l; hostname")
    assert ended.lines == ["1", "3", "box"]  # the shell, ls, wc


def test_the_host_keeps_its_name(machine: Machine) -> None:
    before = os.uname().nodename
    machine.run("hostname")
    assert os.uname().nodename == before


def test_it_leads_a_session_of_its_own(machine: Machine) -> None:
    assert machine.sh("cut -d' ' -f5,6 /proc/1/stat").lines == ["1 1"]


def test_no_descriptor_but_the_streams_is_open(machine: Machine) -> None:
    leak = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(leak, True)
    high = os.dup2(leak, 200)
    try:
        ended = machine.sh("ls /proc/1/fd; true")
    finally:
        os.close(leak)
        os.close(high)
    assert ended.lines == ["0", "1", "2"]


def test_signals_are_as_a_program_expects_them(machine: Machine) -> None:
    fields = status(machine)
    assert {name: int(fields[name], 16) for name in ("SigIgn", "SigBlk", "SigCgt")} == {
        "SigIgn": 0,
        "SigBlk": 0,
        "SigCgt": 0,
    }


def test_a_broken_pipe_ends_a_writer(machine: Machine) -> None:
    assert machine.sh("yes | head -n 1").lines == ["y"]


def test_umask_is_022(machine: Machine) -> None:
    assert machine.sh("umask").lines == ["0022"]


CAPABILITY_CASES = [
    pytest.param({}, DOCKER_DEFAULT, id="docker's fourteen"),
    pytest.param({"capabilities": ()}, 0, id="none"),
    pytest.param({"capabilities": ("CAP_NET_ADMIN",)}, 1 << CAPABILITIES.index("CAP_NET_ADMIN"), id="one added"),
    pytest.param({"capabilities": DOCKERS[1:]}, DOCKER_DEFAULT & ~1, id="one dropped"),
    pytest.param(
        {"capabilities": names_of(ALL_KNOWN), "privileged": True, "seccomp": Unconfined()},
        capget().permitted,
        id="privileged: all that we have ourselves",
    ),
]


@pytest.mark.parametrize(("settings", "mask"), CAPABILITY_CASES)
def test_capabilities_of_root(machine: Machine, settings: dict[str, object], mask: int) -> None:
    fields = status(machine, **settings)
    sets = {name: int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    assert sets == {"CapInh": 0, "CapPrm": mask, "CapEff": mask, "CapAmb": 0}
    assert int(fields["CapBnd"], 16) & mask == mask


@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_another_user_has_no_capabilities(machine: Machine, no_new_privileges: bool) -> None:
    fields = status(machine, user="app", no_new_privileges=no_new_privileges)
    assert fields["Uid"].split() == ["1000"] * 4
    assert [int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0]
    assert int(fields["CapBnd"], 16) == DOCKER_DEFAULT
    assert fields["NoNewPrivs"] == str(int(no_new_privileges))
    assert fields["Seccomp"] == "2"


def test_seccomp_filters_by_default_and_not_when_unconfined(machine: Machine) -> None:
    assert status(machine)["Seccomp"] == "2"
    assert status(machine, seccomp=Unconfined())["Seccomp"] == "0"


def test_the_default_filter_forbids_new_namespaces(machine: Machine) -> None:
    ended = machine.sh(
        "unshare -U true", capabilities=names_of(ALL_KNOWN & ~(1 << CAPABILITIES.index("CAP_SYS_ADMIN")))
    )
    assert ended.exit_code == 1
    assert "Operation not permitted" in ended.stderr


def test_loopback_is_up_and_low_ports_are_anybodys(machine: Machine) -> None:
    ended = machine.sh(
        "cat /sys/class/net/lo/flags /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range"
    )
    assert ended.lines == ["0x9", "0", "0\t2147483647"]


def test_the_hosts_network_is_not_touched(machine: Machine) -> None:
    port_start = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    before = port_start.read_text()
    machine.run("true", namespaces=Namespaces(network=Host()))
    assert port_start.read_text() == before


def test_sysctls_of_its_own_namespaces_are_set(machine: Machine) -> None:
    ended = machine.sh(
        "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_unprivileged_port_start",
        sysctls=(("net.core.somaxconn", "77"), ("kernel.shmmni", "99"), ("net.ipv4.ip_unprivileged_port_start", "80")),
    )
    assert ended.lines == ["77", "99", "80"]


def test_its_cgroup_is_the_root_of_what_it_sees(machine: Machine) -> None:
    ended = machine.run("cat", "/proc/self/cgroup")
    assert {line.split(":", 2)[2] for line in ended.lines} <= {"/"}


def test_its_cgroup_shows_in_sys_read_only(machine: Machine) -> None:
    ended = machine.sh("find /sys/fs/cgroup -name cgroup.procs | head -1 | xargs cat; mkdir /sys/fs/cgroup/x")
    assert "1" in ended.lines
    assert "Read-only file system" in ended.stderr


def test_shared_memory_comes_with_a_joined_ipc_namespace(machine: Machine) -> None:
    first = machine.start("sleep", "60")
    shared = Path(f"/proc/{first.pid}/root/dev/shm")
    (shared / "word").write_text("hello\n")
    ended = machine.sh(
        "cat /dev/shm/word; echo there >/dev/shm/answer",
        name=f"{machine.where.project}-web-2",
        number=2,
        joins=(("ipc", first.pid, first.start_time),),
        namespaces=Namespaces(ipc=Join("a")),
    )
    assert ended.lines == ["hello"]
    assert (shared / "answer").read_text() == "there\n"


def test_a_namespace_is_joined(machine: Machine) -> None:
    first = machine.start("sleep", "60")
    joins = tuple((kind, first.pid, first.start_time) for kind in ("network", "ipc", "pid", "uts"))
    second = machine.start(
        "sleep",
        "60",
        name=f"{machine.where.project}-web-2",
        number=2,
        joins=joins,
        namespaces=Namespaces(pid=Join("a"), ipc=Join("a"), uts=Join("a"), network=Join("a"), cgroup=Private()),
    )
    one, other = namespaces_of(first.pid), namespaces_of(second.pid)
    assert {kind for kind in KINDS if one[kind] == other[kind]} == {"net", "ipc", "pid", "uts"}
    assert os.readlink("/proc/self/ns/pid_for_children") == os.readlink("/proc/self/ns/pid")
