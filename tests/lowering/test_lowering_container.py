"""A service snippet and what the machine is asked to do for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from composer.errors import InvalidFile, NoSuchThing, UsageError
from composer.lowering import rootfs
from composer.lowering.desired import LoweringOptions, OneoffOverrides, lower, oneoff
from composer.lowering.host import HostFacts
from composer.model.project import Project
from composer.model.service import Service
from composer.spec.cgroup import DeviceRule, DeviceWeight, Resources, Throttle, ThrottleKind
from composer.spec.container import (
    ContainerSpec,
    DefaultSeccomp,
    Device,
    Host,
    Join,
    LogMode,
    LogPolicy,
    Namespaces,
    Private,
    SeccompProfile,
    Unconfined,
)
from composer.spec.desired import Condition, Dependency
from composer.spec.fingerprint import fingerprint
from composer.spec.mounts import Bind, File, Filesystem, IdMap, Mount, Propagation, Recursion, Tmpfs
from composer.spec.network import Endpoint, NamedPort, Names, Protocol
from composer.spec.policy import Policy
from composer.spec.process import Process, Rlimit
from composer.spec.rootfs import Archive, Directory, HostRoot

HOST = HostFacts(
    hostname="metal",
    hosts="127.0.0.1 localhost metal\n",
    resolv_conf="# made by hand\nnameserver 9.9.9.9\nsearch example.org\noptions edns0\n",
    directories=frozenset(["/srv/root"]),
)
LOCALHOST = """\
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
"""
ASKING_US = "nameserver 127.0.0.11\nsearch example.org\noptions edns0 ndots:0\n"
HOSTS = f"{LOCALHOST}127.0.1.1\tshop-web-1\n"
FOURTEEN = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
)


def project(**services: dict[str, Any]) -> Project:
    made = {
        name: Service.model_validate({"name": name, "rootfs": "/", "command": ("run",), **keys})
        for name, keys in services.items()
    }
    return Project(name="shop", working_dir="/shop", compose_files=("/shop/compose.yaml",), services=made)


def web(**keys: Any) -> ContainerSpec:
    """The container of a service that says just this."""
    desired = lower(project(web=keys), host=HOST, options=LoweringOptions())
    return desired.services[0].containers[0]


def policy(**keys: Any) -> Policy:
    return lower(project(web=keys), host=HOST, options=LoweringOptions()).services[0].policy


def test_a_service_that_says_nothing_is_docker_s_default_container() -> None:
    assert web() == ContainerSpec(
        name="shop-web-1",
        project="shop",
        service="web",
        number=1,
        rootfs=HostRoot(),
        process=Process(
            argv=("run",),
            env=(
                ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                ("HOSTNAME", "shop-web-1"),
            ),
            cwd="/",
            capabilities=FOURTEEN,
        ),
        hostname="shop-web-1",
        mounts=(
            Filesystem("proc", "/proc", ("nosuid", "noexec", "nodev")),
            Tmpfs("/dev", size=65536 << 10, mode=0o755, exec=True, dev=True),
            Filesystem("devpts", "/dev/pts", ("nosuid", "noexec"), "newinstance,ptmxmode=0666,mode=0620,gid=5"),
            Filesystem("sysfs", "/sys", ("ro", "nosuid", "noexec", "nodev")),
            Filesystem("cgroup", "/sys/fs/cgroup", ("ro", "nosuid", "noexec", "nodev")),
            Filesystem("mqueue", "/dev/mqueue", ("nosuid", "noexec", "nodev")),
            Tmpfs("/dev/shm", size=67108864, mode=0o1777),
        ),
        files=(
            File("/etc/hostname", "shop-web-1\n"),
            File("/etc/hosts", LOCALHOST, own_names="shop-web-1"),
            File("/etc/resolv.conf", ASKING_US, identity="{'search': (), 'options': ()}"),
        ),
        masked_paths=(
            "/proc/acpi",
            "/proc/asound",
            "/proc/interrupts",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/sched_debug",
            "/proc/scsi",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/sys/devices/virtual/powercap",
            "/sys/firmware",
        ),
        readonly_paths=("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"),
        seccomp=DefaultSeccomp(),
        labels=(
            ("com.docker.compose.container-number", "1"),
            ("com.docker.compose.oneoff", "False"),
            ("com.docker.compose.project", "shop"),
            ("com.docker.compose.service", "web"),
        ),
        endpoints=(Endpoint("shop_default"),),
        names=Names(own=("web", "shop-web-1")),
    )
    assert policy() == Policy()


def test_privileged_lifts_everything() -> None:
    spec = web(privileged=True)
    assert (spec.masked_paths, spec.readonly_paths, spec.seccomp) == ((), (), Unconfined())
    assert len(spec.process.capabilities) == 41
    assert [mount for mount in spec.mounts if isinstance(mount, Filesystem) and "ro" in mount.options] == []


# ---- rootfs, process --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "source"),
    [("/", HostRoot()), ("/srv/root", Directory("/srv/root")), ("/srv/root.tar.xz", Archive("/srv/root.tar.xz"))],
)
def test_rootfs(path: str, source: object) -> None:
    assert web(rootfs=path).rootfs == source


def test_the_root_file_systems_of_a_project() -> None:
    assert rootfs.paths(project(a={"rootfs": "/x"}, b={"rootfs": "/"}, c={"rootfs": "/x"})) == ("/x", "/")


@pytest.mark.parametrize(
    ("keys", "argv"),
    [
        ({"command": ("a", "b")}, ("a", "b")),
        ({"entrypoint": ("e",), "command": ("a",)}, ("e", "a")),
        ({"entrypoint": ("e",), "command": None}, ("e",)),
        ({"entrypoint": (), "command": ("a",)}, ("a",)),
    ],
)
def test_command_and_entrypoint(keys: dict[str, Any], argv: tuple[str, ...]) -> None:
    assert web(**keys).process.argv == argv


def test_the_mistakes_of_all_services_come_at_once() -> None:
    with pytest.raises(InvalidFile) as caught:
        lower(project(a={"command": None}, b={}, c={"rootfs": None}), host=HOST, options=LoweringOptions())
    assert caught.value.message == ("service a has no command: its rootfs carries no default\nservice c has no rootfs")


def test_an_empty_text_is_no_command() -> None:
    with pytest.raises(InvalidFile, match="service web has an empty text for a command"):
        web(command=("", "a"))


def test_names_that_the_kernel_cannot_take_are_refused() -> None:
    with pytest.raises(InvalidFile, match="their names would have 307 characters"):
        lower(project(**{"a" * 300: {}}), host=HOST, options=LoweringOptions())


def test_environment_is_laid_over_the_defaults() -> None:
    env = web(environment={"B": "2", "PATH": "/bin", "A": "1"}, tty=True).process.env
    assert env == (("PATH", "/bin"), ("HOSTNAME", "shop-web-1"), ("TERM", "xterm"), ("B", "2"), ("A", "1"))


def test_the_rest_of_a_process() -> None:
    process = web(
        user="app:staff",
        group_add=("audio", "44"),
        working_dir="/app",
        ulimits={"nproc": {"soft": 5, "hard": 10}, "core": {"soft": -1, "hard": -1}},
        oom_score_adj=-500,
        stdin_open=True,
        security_opt=("no-new-privileges:true",),
    ).process
    assert (process.user, process.groups, process.cwd) == ("app:staff", ("audio", "44"), "/app")
    assert process.rlimits == (Rlimit("core", -1, -1), Rlimit("nproc", 5, 10))
    assert (process.oom_score_adj, process.stdin_open, process.no_new_privileges) == (-500, True, True)


# ---- security ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("add", "drop", "gained", "lost"),
    [
        (("NET_ADMIN",), (), {"CAP_NET_ADMIN"}, set()),
        (("cap_net_admin",), ("CHOWN", "CAP_KILL"), {"CAP_NET_ADMIN"}, {"CAP_CHOWN", "CAP_KILL"}),
        (("KILL", "SYS_TIME"), ("ALL",), {"CAP_SYS_TIME"}, set(FOURTEEN) - {"CAP_KILL"}),
        (("CHOWN",), ("CHOWN",), set(), set()),
    ],
)
def test_capabilities(add: tuple[str, ...], drop: tuple[str, ...], gained: set[str], lost: set[str]) -> None:
    capabilities = web(cap_add=add, cap_drop=drop).process.capabilities
    assert set(capabilities) == (set(FOURTEEN) | gained) - lost


def test_all_capabilities_but_those_dropped() -> None:
    capabilities = web(cap_add=("ALL",), cap_drop=("SYS_ADMIN",)).process.capabilities
    assert len(capabilities) == 40
    assert capabilities[:2] == ("CAP_CHOWN", "CAP_DAC_OVERRIDE")
    assert "CAP_SYS_ADMIN" not in capabilities


@pytest.mark.parametrize(
    ("options", "seccomp"),
    [
        ((), DefaultSeccomp()),
        (("seccomp=unconfined",), Unconfined()),
        (("seccomp:unconfined", "seccomp=builtin"), DefaultSeccomp()),
        (("seccomp=/etc/profile.json",), SeccompProfile("/etc/profile.json")),
        (("apparmor=unconfined", "label=disable"), DefaultSeccomp()),
    ],
)
def test_seccomp(options: tuple[str, ...], seccomp: object) -> None:
    assert web(security_opt=options).seccomp == seccomp


def test_a_privileged_container_may_still_ask_for_a_filter() -> None:
    assert web(privileged=True, security_opt=("seccomp=/p.json",)).seccomp == SeccompProfile("/p.json")


def test_options_that_open_paths() -> None:
    spec = web(security_opt=("systempaths=unconfined", "writable-cgroups=true"))
    assert (spec.masked_paths, spec.readonly_paths) == ((), ())
    assert Filesystem("cgroup", "/sys/fs/cgroup", ("nosuid", "noexec", "nodev")) in spec.mounts


# ---- namespaces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "namespaces"),
    [
        ({"pid": "host", "uts": "host", "cgroup": "host"}, Namespaces(pid=Host(), uts=Host(), cgroup=Host())),
        ({"ipc": "shareable", "pid": "private", "network_mode": "none"}, Namespaces()),
        ({"network_mode": "bridge"}, Namespaces()),
        ({"network_mode": "host", "ipc": "host"}, Namespaces(network=Host(), ipc=Host())),
        ({"network_mode": "service:db", "pid": "service:db"}, Namespaces(network=Join("front"), pid=Join("front"))),
        ({"network_mode": "container:front"}, Namespaces(network=Join("front"))),
        ({"network_mode": "container:elsewhere"}, Namespaces()),
    ],
)
def test_namespaces(keys: dict[str, Any], namespaces: Namespaces) -> None:
    desired = lower(project(web=keys, db={"container_name": "front"}), host=HOST, options=LoweringOptions())
    assert desired.services[0].containers[0].namespaces == namespaces


def test_the_namespace_of_a_service_without_containers() -> None:
    with pytest.raises(InvalidFile, match="service web cannot share a namespace of service db: it has no container"):
        lower(project(web={"pid": "service:db"}, db={"scale": 0}), host=HOST, options=LoweringOptions())


def test_names_follow_the_host_where_its_namespaces_are_shared() -> None:
    assert web(hostname="me").hostname == "me"
    assert web(network_mode="host").hostname == "metal"
    assert web(network_mode="host", hostname="me").hostname == "me"
    shared = web(uts="host")
    assert (shared.hostname, shared.namespaces.uts) == ("", Host())
    assert ("HOSTNAME", "metal") in shared.process.env


def test_a_long_name_is_cut_to_a_hostname() -> None:
    assert web(container_name="a" * 62 + "-b").hostname == "a" * 62


# ---- mounts -----------------------------------------------------------------------------------------------------


def own(spec: ContainerSpec) -> tuple[Mount, ...]:
    standard = {mount.target for mount in web().mounts}
    return tuple(mount for mount in spec.mounts if mount.target not in standard)


def test_binds() -> None:
    volumes = (
        {"type": "bind", "source": "/data/deep", "target": "/srv/deep"},
        {"type": "bind", "source": "/data", "target": "/srv", "read_only": True, "bind": {"create_host_path": False}},
        {"type": "bind", "source": "/m", "target": "/m", "bind": {"propagation": "rslave", "recursive": "readonly"}},
        {"type": "bind", "source": "/o", "target": "/o", "bind": {"x-idmap": {"uid": "1000:999"}}},
    )
    assert own(web(volumes=volumes)) == (
        Bind("/data", "/srv", read_only=True),
        Bind("/m", "/m", propagation=Propagation.RSLAVE, recursion=Recursion.READONLY, create_source=True),
        Bind("/o", "/o", create_source=True, idmap=IdMap(uid=(1000, 999))),
        Bind("/data/deep", "/srv/deep", create_source=True),
    )


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/run", Tmpfs("/run")),
        ("/run/", Tmpfs("/run")),
        (
            "/run:size=64m,mode=755,uid=1,gid=2,exec",
            Tmpfs("/run", size=64 << 20, mode=0o755, uid=1, gid=2, exec=True),
        ),
        ("/run:ro,suid,dev,nosuid", Tmpfs("/run", read_only=True, dev=True)),
        ("/run:nr_inodes=1k", Tmpfs("/run", nr_inodes=1024)),
    ],
)
def test_tmpfs(text: str, mount: Tmpfs) -> None:
    assert own(web(tmpfs=(text,))) == (mount,)


def test_a_tmpfs_among_volumes() -> None:
    volume = {"type": "tmpfs", "target": "/t", "read_only": True, "tmpfs": {"size": "1m", "mode": "0700"}}
    assert own(web(volumes=(volume,))) == (Tmpfs("/t", size=1 << 20, mode=0o700, read_only=True),)


def test_defaults_give_way_to_the_user_s_mounts() -> None:
    spec = web(volumes=({"type": "bind", "source": "/x", "target": "/dev/shm"},), tmpfs=("/sys/fs/cgroup",))
    assert [mount for mount in spec.mounts if mount.target == "/dev/shm"] == [
        Bind("/x", "/dev/shm", create_source=True)
    ]
    assert [mount for mount in spec.mounts if mount.target == "/sys/fs/cgroup"] == [Tmpfs("/sys/fs/cgroup")]
    whole = web(volumes=({"type": "bind", "source": "/dev", "target": "/dev"},))
    assert [mount.target for mount in whole.mounts if mount.target.startswith("/dev")] == ["/dev"]


def test_shared_memory() -> None:
    assert Tmpfs("/dev/shm", size=1 << 30) in web(shm_size="1g").mounts
    assert Bind("/dev/shm", "/dev/shm") in web(ipc="host").mounts
    assert Bind("/dev/mqueue", "/dev/mqueue") in web(ipc="host").mounts
    assert "/dev/shm" not in {mount.target for mount in web(ipc="none").mounts}


# ---- files ------------------------------------------------------------------------------------------------------


def contents(spec: ContainerSpec) -> dict[str, str]:
    return {file.target: file.content for file in spec.files}


def test_hosts() -> None:
    extra = {"db": ("10.0.0.1", "::5"), "me": ("host-gateway",)}
    assert contents(web(extra_hosts=extra, network_mode="none"))["/etc/hosts"] == HOSTS + "10.0.0.1\tdb\n::5\tdb\n"
    hosts = next(file for file in web(extra_hosts=extra).files if file.target == "/etc/hosts")
    assert (hosts.content, hosts.own_names) == (LOCALHOST + "10.0.0.1\tdb\n::5\tdb\n", "shop-web-1")
    assert hosts.gateway_names == ("me",)
    assert contents(web(extra_hosts=extra, network_mode="host"))["/etc/hosts"] == (
        "127.0.0.1 localhost metal\n10.0.0.1\tdb\n::5\tdb\n127.0.0.1\tme\n"
    )
    named = contents(web(hostname="h", domainname="example.org", network_mode="none"))
    assert named["/etc/hosts"].endswith("127.0.1.1\th.example.org h\n")
    assert named["/etc/hostname"] == "h\n"


@pytest.mark.parametrize(
    ("keys", "content"),
    [
        ({}, HOST.resolv_conf),
        (
            {"dns": ("1.1.1.1", "8.8.8.8")},
            "nameserver 1.1.1.1\nnameserver 8.8.8.8\nsearch example.org\noptions edns0\n",
        ),
        ({"dns_search": ("a.org", "b.org")}, "nameserver 9.9.9.9\nsearch a.org b.org\noptions edns0\n"),
        ({"dns_search": (".",)}, "nameserver 9.9.9.9\noptions edns0\n"),
        (
            {"dns": ("1.1.1.1",), "dns_search": ("a.org",), "dns_opt": ("ndots:2", "rotate")},
            "nameserver 1.1.1.1\nsearch a.org\noptions ndots:2 rotate\n",
        ),
    ],
)
def test_resolv_conf_without_networks(keys: dict[str, Any], content: str) -> None:
    assert contents(web(network_mode="none", **keys))["/etc/resolv.conf"] == content


@pytest.mark.parametrize(
    ("keys", "content"),
    [
        ({}, ASKING_US),
        ({"dns": ("1.1.1.1", "8.8.8.8")}, ASKING_US),
        ({"dns_search": ("a.org", "b.org")}, "nameserver 127.0.0.11\nsearch a.org b.org\noptions edns0 ndots:0\n"),
        ({"dns_search": (".",)}, "nameserver 127.0.0.11\noptions edns0 ndots:0\n"),
        ({"dns_opt": ("rotate",)}, "nameserver 127.0.0.11\nsearch example.org\noptions rotate ndots:0\n"),
        ({"dns_opt": ("ndots:2",)}, "nameserver 127.0.0.11\nsearch example.org\noptions ndots:2\n"),
    ],
)
def test_resolv_conf_on_networks_asks_us(keys: dict[str, Any], content: str) -> None:
    assert contents(web(**keys))["/etc/resolv.conf"] == content


def test_who_shares_a_network_namespace_asks_as_its_owner_does() -> None:
    shared = {"network_mode": "service:db"}
    for db, resolv_conf in (({}, ASKING_US), ({"network_mode": "none"}, HOST.resolv_conf)):
        services = lower(project(web=shared, db=db), host=HOST, options=LoweringOptions()).services
        web = next(it for it in services if it.name == "web").containers[0]
        assert contents(web)["/etc/resolv.conf"] == resolv_conf


def test_our_names_are_asked_for_whatever_the_host_says_of_dots() -> None:
    host = replace(HOST, resolv_conf="nameserver 9.9.9.9\noptions ndots:5 timeout:1\n")
    made = lower(project(web={}), host=host, options=LoweringOptions()).services[0].containers[0]
    assert contents(made)["/etc/resolv.conf"] == "nameserver 127.0.0.11\noptions timeout:1 ndots:0\n"


def test_who_is_found_by_which_names_and_asks_whom() -> None:
    names = web(
        hostname="front",
        dns=("1.1.1.1",),
        links=("db:database", "cache"),
        external_links=("blog-redis-1:redis",),
        ports=({"target": 80, "name": "http"}, {"target": 53, "protocol": "udp", "app_protocol": "dns"}, {"target": 9}),
    ).names
    assert names == Names(
        resolvers=("1.1.1.1",),
        links=(("database", "db"), ("cache", "cache"), ("redis", "blog-redis-1")),
        own=("web", "front"),
        ports=(NamedPort("http", Protocol.TCP, 80), NamedPort("dns", Protocol.UDP, 53)),
    )
    assert web(network_mode="none").names == Names()


def test_only_a_healthcheck_tells_who_is_healthy() -> None:
    check = {"test": ("CMD", "true")}
    assert web(healthcheck=check, **{"x-dns": "healthy"}).names.only_healthy
    assert not web(healthcheck=check, **{"x-dns": "running"}).names.only_healthy
    assert not web(healthcheck={"disable": True}, **{"x-dns": "healthy"}).names.only_healthy
    assert not web(**{"x-dns": "healthy"}).names.only_healthy


def test_a_file_gives_way_to_a_mount_at_its_place() -> None:
    spec = web(volumes=({"type": "bind", "source": "/h", "target": "/etc/hosts"},))
    assert [file.target for file in spec.files] == ["/etc/hostname", "/etc/resolv.conf"]


def test_other_name_servers_of_the_host_recreate_nothing() -> None:
    here, there = (
        lower(project(web={}), host=HostFacts(resolv_conf=text), options=LoweringOptions()).services[0].containers[0]
        for text in ("search a.org\n", "search b.org\n")
    )
    assert here != there
    assert fingerprint(here, Policy()) == fingerprint(there, Policy())


@pytest.mark.parametrize("keys", [{"dns": ("3.3.3.3",)}, {"extra_hosts": {"db": ("10.0.0.1",)}}])
@pytest.mark.parametrize("mode", ["none", "host"])
def test_what_the_file_says_about_names_counts(keys: dict[str, Any], mode: str) -> None:
    before, after = web(network_mode=mode), web(network_mode=mode, **keys)
    assert fingerprint(before, Policy()) != fingerprint(after, Policy())


# ---- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "resources"),
    [
        ({"mem_limit": 524288000, "cpus": 0.5}, Resources(memory=524288000, nano_cpus=500_000_000)),
        ({"mem_limit": 0, "cpus": 0, "cpu_shares": 0, "memswap_limit": 0}, Resources()),
        (
            {"mem_limit": "100m", "memswap_limit": -1, "mem_reservation": "50m", "mem_swappiness": 0},
            Resources(memory=100 << 20, memory_swap=-1, memory_reservation=50 << 20, memory_swappiness=0),
        ),
        ({"mem_swappiness": -1, "oom_kill_disable": True}, Resources(oom_kill_disable=True)),
        (
            {"deploy": {"resources": {"limits": {"cpus": "1.5", "memory": "1g", "pids": 9}}}},
            Resources(memory=1 << 30, nano_cpus=1_500_000_000, pids=9),
        ),
        ({"deploy": {"resources": {"reservations": {"memory": "1g"}}}}, Resources(memory_reservation=1 << 30)),
        ({"pids_limit": -1}, Resources(pids=-1)),
        ({"pids_limit": 0}, Resources(pids=-1)),
        (
            {"cpu_quota": 50000, "cpu_period": "100ms", "cpu_shares": 512, "cpuset": "0-1"},
            Resources(cpu_quota=50000, cpu_period=100_000, cpu_shares=512, cpuset_cpus="0-1"),
        ),
        (
            {
                "blkio_config": {
                    "weight": 300,
                    "weight_device": ({"path": "/dev/sda", "weight": 400},),
                    "device_read_bps": ({"path": "/dev/sda", "rate": "1m"},),
                    "device_write_iops": ({"path": "/dev/sda", "rate": 20},),
                }
            },
            Resources(
                blkio_weight=300,
                blkio_weight_devices=(DeviceWeight("/dev/sda", 400),),
                blkio_throttles=(
                    Throttle("/dev/sda", ThrottleKind.READ_BPS, 1 << 20),
                    Throttle("/dev/sda", ThrottleKind.WRITE_IOPS, 20),
                ),
            ),
        ),
        (
            {"device_cgroup_rules": ("c 1:3 mr", "b 8:* rwm")},
            Resources(device_rules=(DeviceRule("c", 1, 3, "mr"), DeviceRule("b", 8, None, "rwm"))),
        ),
    ],
)
def test_resources(keys: dict[str, Any], resources: Resources) -> None:
    assert web(**keys).resources == resources


def test_devices() -> None:
    devices = ({"source": "/dev/fuse"}, {"source": "/dev/sda", "target": "/dev/x", "permissions": "r"})
    assert web(devices=devices).devices == (Device("/dev/fuse", "/dev/fuse"), Device("/dev/sda", "/dev/x", "r"))
    assert web(devices=({"source": "vendor.com/gpu=all"},)).devices == ()


@pytest.mark.parametrize(
    ("logging", "policy"),
    [
        (None, LogPolicy()),
        ({"driver": "none"}, LogPolicy(discard=True)),
        ({"driver": "local"}, LogPolicy(max_size=20 << 20, max_file=5, compress=True)),
        ({"driver": "local", "options": {"compress": "false"}}, LogPolicy(max_size=20 << 20, max_file=5)),
        ({"options": {"compress": "true"}}, LogPolicy(compress=True)),
        ({"options": {"max-size": "10m", "max-file": 3}}, LogPolicy(max_size=10_000_000, max_file=3)),
        ({"driver": "local", "options": {"max-size": -1}}, LogPolicy(max_size=None, max_file=5, compress=True)),
        (
            {"driver": "json-file", "options": {"mode": "non-blocking", "max-buffer-size": "4m"}},
            LogPolicy(mode=LogMode.NON_BLOCKING, max_buffer_size=4 << 20),
        ),
    ],
)
def test_logging(logging: dict[str, Any] | None, policy: LogPolicy) -> None:
    assert web(logging=logging).log == policy


def test_what_is_handed_through() -> None:
    spec = web(init=True, read_only=True, sysctls={"net.core.somaxconn": 9}, labels={"a": "b"}, annotations={"c": 1})
    assert (spec.init, spec.read_only) == (True, True)
    assert (spec.sysctls, spec.annotations) == ((("net.core.somaxconn", "9"),), (("c", "1"),))
    assert ("a", "b") in spec.labels


# ---- the project ------------------------------------------------------------------------------------------------


def test_replicas_and_scale() -> None:
    made = project(web={"deploy": {"replicas": 2}}, db={"container_name": "front"}, log={"scale": 0})
    names = {
        service.name: [container.name for container in service.containers]
        for service in lower(made, host=HOST, options=LoweringOptions(scale={"web": 3})).services
    }
    assert names == {"web": ["shop-web-1", "shop-web-2", "shop-web-3"], "db": ["front"], "log": []}
    with pytest.raises(UsageError, match="cannot scale service db to 2: its containers would share the name front"):
        lower(made, host=HOST, options=LoweringOptions(scale={"db": 2}))
    with pytest.raises(UsageError, match="cannot scale service web to 99999999999: at most 10000 containers"):
        lower(made, host=HOST, options=LoweringOptions(scale={"web": 99999999999}))
    with pytest.raises(NoSuchThing, match='no such service: "wbe"'):
        lower(made, host=HOST, options=LoweringOptions(scale={"wbe": 2}))


def test_the_desired_project() -> None:
    need = {"condition": "service_healthy", "restart": True, "required": False}
    made = project(web={"depends_on": {"db": need}, "attach": False}, db={})
    made = made.model_copy(update={"disabled_services": {"debug": made.services["db"]}})
    desired = lower(made, host=HOST, options=LoweringOptions())
    assert desired.services[0].depends_on == (Dependency("db", Condition.HEALTHY, restart=True, required=False),)
    assert not desired.services[0].attach
    assert (desired.project, desired.disabled) == ("shop", ("debug",))
    assert (desired.working_dir, desired.config_files) == ("/shop", ("/shop/compose.yaml",))


def test_a_one_off_container() -> None:
    made = project(
        web={
            "entrypoint": ("e",),
            "command": ("c",),
            "restart": "always",
            "environment": {"A": "1", "B": "2"},
            "container_name": "front",
        }
    )
    overrides = OneoffOverrides(
        name="shop-web-run-1",
        argv=("sh",),
        env=(("B", "3"),),
        user="0:0",
        cwd="/tmp",
        mounts=(Bind("/x", "/y"),),
        tty=True,
        stdin_open=True,
    )
    spec, run_policy = oneoff(made, "web", host=HOST, overrides=overrides)
    assert (spec.name, spec.hostname, spec.oneoff, spec.number) == ("shop-web-run-1", "shop-web-run-1", True, 1)
    assert spec.process.argv == ("e", "sh")
    assert spec.process.env[2:] == (("TERM", "xterm"), ("A", "1"), ("B", "3"))
    assert (spec.process.user, spec.process.cwd, spec.process.tty, spec.process.stdin_open) == (
        "0:0",
        "/tmp",
        True,
        True,
    )
    assert spec.mounts[-1] == Bind("/x", "/y")
    assert ("com.docker.compose.oneoff", "True") in spec.labels
    assert run_policy == Policy()


def test_a_one_off_container_has_its_service_s_names_if_asked_to() -> None:
    made = project(web={"networks": {"default": {"aliases": ("site",)}}})
    plain, _ = oneoff(made, "web", host=HOST, overrides=OneoffOverrides(name="n"))
    assert (plain.names.own, plain.endpoints) == (("n",), (Endpoint("shop_default"),))
    same, _ = oneoff(made, "web", host=HOST, overrides=OneoffOverrides(name="n", use_aliases=True))
    assert (same.names.own, same.endpoints) == (("web", "n"), (Endpoint("shop_default", aliases=("site",)),))


def test_an_entrypoint_of_a_person_takes_the_file_s_command_away() -> None:
    made = project(web={"command": ("c",)})
    spec, _ = oneoff(made, "web", host=HOST, overrides=OneoffOverrides(name="n", entrypoint=("sh",)))
    assert spec.process.argv == ("sh",)
    with pytest.raises(NoSuchThing):
        oneoff(made, "db", host=HOST, overrides=OneoffOverrides(name="n"))


def test_private_is_what_nobody_spoke_of() -> None:
    assert web().namespaces == Namespaces(Private(), Private(), Private(), Private(), Private())
