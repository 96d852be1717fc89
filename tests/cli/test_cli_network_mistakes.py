"""What cannot be about networks, addresses, volumes and ports: one clear message each, before anything is there.

Tables, a row a mistake: what the files alone tell, with the line it stands on; what only the host can tell, with the
place in brackets; what a host or a person lacks. After each, nothing is left: no project, no directory, no interface.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from composer.linux import nftables
from tests.conftest import Pycompose
from tests.linux.test_linux_nftables import without_netfilter

pytestmark = pytest.mark.root

BRIDGE = "pcmistake"


@dataclass(frozen=True, slots=True)
class Case:
    """What the service says from line 6 on, what stands at the top, and parts of the answer in their order."""

    name: str
    says: tuple[str, ...]
    service: tuple[str, ...] = ()
    top: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # lines of other services
    status: int = 1
    files: tuple[str, ...] = field(default=())


def text(case: Case, rootfs: Path) -> str:
    web = ["name: shop", "services:", "  web:", f"    rootfs: {rootfs}", "    command: [sleep, '60']"]
    web += [f"    {line}" for line in case.service]
    other = [line.replace("ROOT", str(rootfs)) for line in case.others]
    return "\n".join([*web, *other, *case.top]) + "\n"


def db(line: str) -> tuple[str, ...]:
    return ("  db:", "    rootfs: ROOT", "    command: [sleep, '60']", f"    {line}")


def subnets(*nets: str) -> str:
    return "{ipam: {config: [" + ", ".join(f"{{subnet: {net}}}" for net in nets) + "]}}"


def names(case: Case) -> str:
    return case.name


IN_ONE = "networks: {a: {ipv4_address: %s}}"
SAID = (
    "  a: {ipam: {config: [{subnet: 10.213.200.0/24, gateway: 10.213.200.7, aux_addresses: {router: 10.213.200.9}}]}}"
)

FILES = [
    Case(
        "networks that overlap",
        ("compose.yaml:9:32: error: networks.b", "10.213.200.64/26: it overlaps that of network a, 10.213.200.0/24"),
        ("networks: [a, b]",),
        ("networks:", f"  a: {subnets('10.213.200.0/24')}", f"  b: {subnets('10.213.200.64/26')}"),
    ),
    Case(
        "a network that overlaps itself",
        ("compose.yaml:8:59: error: networks.a.ipam.config[1].subnet", "it overlaps its own 10.213.200.0/24"),
        ("networks: [a]",),
        ("networks:", f"  a: {subnets('10.213.200.0/24', '10.213.200.0/25')}"),
    ),
    *(
        Case(
            f"an address that {what}",
            ("compose.yaml:6:34: error: services.web.networks.a", f"the service cannot have address {address}", why),
            (IN_ONE % address,),
            ("networks:", SAID),
        )
        for what, address, why in (
            ("is outside", "10.213.201.1", "network a has 10.213.200.0/24"),
            ("is the gateway's", "10.213.200.7", "it is the gateway's"),
            ("is kept for another", "10.213.200.9", "it is kept for router by aux_addresses"),
            ("is the network's own", "10.213.200.0", "it is the first one of 10.213.200.0/24"),
            ("is for all", "10.213.200.255", "it is the last one of 10.213.200.0/24"),
        )
    ),
    Case(
        "an address without a subnet",
        ("compose.yaml:6:34:", "network a does not say which IPv4 subnet it has", "give networks.a a subnet"),
        (IN_ONE % "10.213.200.5",),
        ("networks: {a: {}}",),
    ),
    Case(
        "a network that is not defined",
        ("compose.yaml:6:16:", 'the network "frontt" is not defined', "did you mean front?"),
        ("networks: [frontt]",),
        ("networks: {front: {}}",),
    ),
    Case(
        "a volume that is not defined",
        ("compose.yaml:6:15:", 'the volume "dta" is not defined', "did you mean data?"),
        ("volumes: ['dta:/data']",),
        ("volumes: {data: {}}",),
    ),
]  # fmt: skip

ONE = ("networks:", f"  a: {subnets('10.213.200.0/24')}")
HOST = [
    Case(
        "a subnet of an interface",
        ("network shop_a (compose.yaml:8:32): its subnet 10.213.210.0/25 overlaps 10.213.210.0/24",
         f"the subnet of interface {BRIDGE}", "hint: choose another subnet"),
        ("networks: [a]",),
        ("networks:", f"  a: {subnets('10.213.210.0/25')}"),
    ),
    Case(
        "a subnet that is routed",
        ("network shop_a (compose.yaml:8:32): its subnet 10.213.211.0/25 overlaps 10.213.211.0/24",
         f"a route of this host through {BRIDGE}", "hint: choose another subnet"),
        ("networks: [a]",),
        ("networks:", f"  a: {subnets('10.213.211.0/25')}"),
    ),
    Case(
        "an address twice",
        ("container shop-db-1 (compose.yaml:10:34): cannot use address 10.213.200.5",
         "container shop-web-1 (compose.yaml:6:34) is to have it", "hint: choose another address"),
        (IN_ONE % "10.213.200.5",),
        ONE,
        db(IN_ONE % "10.213.200.5"),
    ),
    Case(
        "an address for several",
        ("container shop-web-2 (compose.yaml:6:34)", "container shop-web-1 is to have it", "leave it out, or scale"),
        (IN_ONE % "10.213.200.5", "scale: 2"),
        ONE,
    ),
    Case(
        "too few addresses",
        ("cannot start 3 containers in network shop_a (compose.yaml:9:32): 1 of its addresses (10.213.200.0/30)",
         "hint: give the network a larger subnet"),
        ("networks: [a]", "scale: 3"),
        ("networks:", f"  a: {subnets('10.213.200.0/30')}"),
    ),
    Case(
        "too few in the range",
        ("cannot start 3 containers in network shop_a", "2 of its addresses (10.213.200.8/31) are free"),
        ("networks: [a]", "scale: 3"),
        ("networks: {a: {ipam: {config: [{subnet: 10.213.200.0/24, ip_range: 10.213.200.8/31}]}}}",),
    ),
    Case(
        "too few beside one that is asked for",
        ("cannot start 1 containers", "none of its addresses (10.213.200.0/30) are free"),
        (IN_ONE % "10.213.200.2",),
        ("networks:", f"  a: {subnets('10.213.200.0/30')}"),
        db("networks: [a]"),
    ),
    Case(
        "an external network that is missing",
        ("cannot use network lan (compose.yaml:8:3): it is external, and there is none", "hint: pycompose network"),
        ("networks: [lan]",),
        ("networks:", "  lan: {external: true}"),
    ),
    Case(
        "an external volume that is missing",
        ("service web: the external volume data (compose.yaml:8:3) does not exist", "hint: pycompose volume create"),
        ("volumes: ['data:/data']",),
        ("volumes:", "  data: {external: true}"),
    ),
    Case(
        "binds of what is not there",
        ("/no on /x (compose.yaml:7:30), and", "/no does not exist", "/nor on /y (compose.yaml:8:30)", "hint: make it"),
        ("volumes:",
         "  - {type: bind, source: ./no, target: /x, bind: {create_host_path: false}}",
         "  - {type: bind, source: ./nor, target: /y, bind: {create_host_path: false}}"),
    ),
    Case(
        "a bind below a file",
        ("/f/x on /x (compose.yaml:6:15), and", "/f is not a directory", "hint: name another one"),
        ("volumes: ['./f/x:/x']",),
        files=("f",),
    ),
    Case(
        "a device that is not there",
        ("volume shop_data (compose.yaml:8:3) shows /nope, and /nope does not exist", "hint: make it"),
        ("volumes: ['data:/data']",),
        ("volumes:", "  data: {driver_opts: {type: none, o: bind, device: /nope}}"),
    ),
    Case(
        "a secret that is not there",
        ("service web: it has the secret key (compose.yaml:8:15), and", "/no does not exist", "hint: make that file"),
        ("secrets: [key]",),
        ("secrets:", "  key: {file: ./no}"),
        status=14,
    ),
    Case(
        "an interface of somebody else's",
        (f"network shop_a (compose.yaml:8:3): there is an interface {BRIDGE} already", "hint: choose another"),
        ("networks: [a]",),
        ("networks:", f"  a: {{driver_opts: {{com.docker.network.bridge.name: {BRIDGE}}}}}"),
    ),
    Case(
        "a parent that is not there",
        ("network shop_a (compose.yaml:8:3): there is no interface pcnone to be its parent", "hint: `ip link` lists"),
        ("networks: [a]",),
        ("networks:", "  a: {driver: macvlan, driver_opts: {parent: pcnone}}"),
    ),
    Case(
        "everything at once",
        ("network lan (compose.yaml:12:3)", "/no on /x (compose.yaml:7:30)",
         "port 5353/udp of service web (compose.yaml:9:9)",
         "hint: pycompose network create lan"),
        ("volumes:",
         "  - {type: bind, source: ./no, target: /x, bind: {create_host_path: false}}",
         "ports:", "  - '10.213.211.9:5353:53/udp'", "networks: [lan]"),
        ("networks:", "  lan: {external: true}"),
    ),
]  # fmt: skip

NEIGHBOUR = """
name: blog
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    networks: {{lan: {{ipv4_address: 10.213.200.5}}}}
    ports: ["127.0.0.1:{port}:80"]
networks: {{lan: {{name: pclan, ipam: {{config: [{{subnet: 10.213.200.0/29}}]}}}}}}
"""
LAN = ("networks:", "  lan: {name: pclan, external: true}")
NEIGHBOURS = [
    Case(
        "a subnet of another project",
        ("network shop_a (compose.yaml:8:32): its subnet 10.213.200.0/24 overlaps 10.213.200.0/29",
         "the subnet of network pclan of project blog", "hint: choose another subnet"),
        ("networks: [a]",),
        ONE,
    ),
    Case(
        "an address that another project's container has",
        ("container shop-web-1 (compose.yaml:6:36): cannot use address 10.213.200.5 in network pclan",
         "container blog-web-1 of project blog has it", "hint: choose another address"),
        ("networks: {lan: {ipv4_address: 10.213.200.5}}",),
        LAN,
    ),
    Case(
        "an address outside of another project's network",
        ("container shop-web-1 (compose.yaml:6:36)", "outside of its subnet, it has 10.213.200.0/29", "hint: choose"),
        ("networks: {lan: {ipv4_address: 10.213.201.5}}",),
        LAN,
    ),
    Case(
        "too few addresses left by another project",
        ("cannot start 5 containers in network pclan (compose.yaml:9:3): 4 of its addresses", "hint: give the network"),
        ("networks: [lan]", "scale: 5"),
        LAN,
    ),
    Case(
        "a name of another project's network",
        ("cannot create network pclan (compose.yaml:8:3): there is one of that name, which belongs to project blog",
         "hint: say external: true"),
        ("networks: [lan]",),
        ("networks:", "  lan: {name: pclan}"),
    ),
    Case(
        "a port of another project",
        ("port PORT of service web (compose.yaml:6:13): service web of project blog has it",),
        ("ports: ['127.0.0.1:PORT:80']",),
    ),
]  # fmt: skip


@pytest.fixture
def interface() -> Iterator[None]:
    """A bridge of somebody else's, with an address and a route."""
    for words in (
        ("link", "add", BRIDGE, "type", "bridge"),
        ("address", "add", "10.213.210.1/24", "dev", BRIDGE),
        ("link", "set", BRIDGE, "up"),
        ("route", "add", "10.213.211.0/24", "dev", BRIDGE),
    ):
        subprocess.run(["ip", *words], check=True)
    yield
    subprocess.run(["ip", "link", "delete", BRIDGE], check=True)


@pytest.fixture
def neighbour(pycompose: Pycompose, busybox_rootfs: Path) -> Iterator[str]:
    """Another project that runs, with a network and a port; the number of that."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        free_port = sock.getsockname()[1]
    file = pycompose.directory / "blog.yaml"
    file.write_text(NEIGHBOUR.format(port=free_port).replace("ROOT", str(busybox_rootfs)))
    pycompose("-f", "blog.yaml", "up", "-d")
    yield str(free_port)
    pycompose("-f", "blog.yaml", "down")


def refused(pycompose: Pycompose, case: Case, rootfs: Path, *, port: str = "") -> str:
    """What `up -d` says, seen to have left nothing, and `up --dry-run` to say the same."""
    for name in case.files:
        (pycompose.directory / name).touch()
    (pycompose.directory / "compose.yaml").write_text(text(case, rootfs).replace("PORT", port))
    before = there_is(pycompose)
    done = pycompose("up", "-d", check=False)
    assert there_is(pycompose) == before
    assert "Traceback" not in done.stderr
    assert "Creat" not in done.stderr, "nothing has begun"
    at = 0
    for part in case.says:
        part = part.replace("PORT", port)
        assert part in done.stderr[at:], done.stderr
        at = done.stderr.index(part, at)
    tried = pycompose("up", "--dry-run", check=False)
    assert (tried.returncode, tried.stderr) == (done.returncode, done.stderr)
    assert there_is(pycompose) == before
    assert done.returncode == case.status, done.stderr
    return done.stderr


def there_is(pycompose: Pycompose) -> dict[str, object]:
    """All that a project could leave: the key of secrets, compiled filters and files are nobody's."""
    run, root = pycompose.paths.run, Path(pycompose.paths.root)
    kept = [str(path) for kind in ("networks", "volumes", "projects") for path in (root / kind).rglob("*")]
    return {
        "projects": [name for name in os.listdir(run) if name[0] != "."] if os.path.isdir(run) else [],
        "kept": sorted(path for path in kept if "blog" not in path),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "tables": nftables.run("list tables"),
        "cgroups": sorted(str(path) for path in Path("/sys/fs/cgroup").rglob("pycompose/*")),
    }


@pytest.mark.parametrize("case", FILES, ids=names)
def test_what_the_files_tell(pycompose: Pycompose, busybox_rootfs: Path, case: Case) -> None:
    (pycompose.directory / "compose.yaml").write_text(text(case, busybox_rootfs))
    before = there_is(pycompose)
    done = pycompose("up", "-d", check=False)
    assert done.returncode == 15, done.stderr
    assert all(part in done.stderr for part in case.says), done.stderr
    assert "\n    = " in done.stderr or "\n     = " in done.stderr, "there is a hint"
    assert there_is(pycompose) == before


@pytest.mark.parametrize("case", HOST, ids=names)
def test_what_the_host_tells(pycompose: Pycompose, busybox_rootfs: Path, interface: None, case: Case) -> None:
    refused(pycompose, case, busybox_rootfs)


@pytest.mark.parametrize("case", NEIGHBOURS, ids=names)
def test_what_another_project_has(pycompose: Pycompose, busybox_rootfs: Path, neighbour: str, case: Case) -> None:
    refused(pycompose, case, busybox_rootfs, port=neighbour)


def test_pools_that_are_used_up(pycompose: Pycompose, busybox_rootfs: Path) -> None:
    pycompose.environment["PYCOMPOSE_ADDRESS_POOLS"] = "10.213.200.0/24:25"
    case = Case(
        "",
        ("network shop_c (compose.yaml:10:3): no subnet is free in any of the address pools", "hint: remove"),
        ("networks: [a, b, c]",),
        ("networks:", "  a: {}", "  b: {}", "  c: {}"),
    )  # fmt: skip
    refused(pycompose, case, busybox_rootfs)


def test_a_subnet_that_is_chosen_is_none_that_another_network_must_have(
    pycompose: Pycompose, busybox_rootfs: Path
) -> None:
    pycompose.environment["PYCOMPOSE_ADDRESS_POOLS"] = "10.213.200.0/24:25"
    case = Case(
        "",
        (),
        ("networks: [a, b]", "stop_grace_period: 0s"),
        ("networks:", "  a: {}", f"  b: {subnets('10.213.200.0/25')}"),
    )
    (pycompose.directory / "compose.yaml").write_text(text(case, busybox_rootfs))
    pycompose("up", "-d")
    found = json.loads(pycompose("network", "inspect", "shop_a", "shop_b").stdout)
    assert [it["IPAM"]["Config"][0]["Subnet"] for it in found] == ["10.213.200.128/25", "10.213.200.0/25"]
    pycompose("down")


# ---- what a host or a person lacks -------------------------------------------------------------------------------

PLAIN = Case("", (), ("volumes: ['data:/data']",), ("volumes: {data: {}}",), db("network_mode: none"))


def ordinary() -> None:
    pass


def without(capability: str) -> tuple[str, ...]:
    return ("setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}")


LACKING: list[tuple[str, tuple[str, ...], Callable[[], None], str]] = [
    (
        "nftables",
        (),
        without_netfilter,
        "cannot isolate network shop_default: this kernel has no nf_tables\nhint: modprobe nf_tables",
    ),
    (
        "CAP_NET_ADMIN",
        without("net_admin"),
        ordinary,
        "cannot create network shop_default: Operation not permitted [rtnetlink: link add type bridge]\n"
        "hint: networks take root, or CAP_NET_ADMIN",
    ),
    (
        "CAP_SYS_ADMIN",
        without("sys_admin"),
        ordinary,
        "cannot up: this root has no CAP_SYS_ADMIN, which namespaces and mounts take\nhint: run it outside of",
    ),
]


@pytest.mark.parametrize(("_", "words", "become", "says"), LACKING, ids=[row[0] for row in LACKING])
def test_what_is_lacking(
    pycompose: Pycompose, busybox_rootfs: Path, _: str, words: tuple[str, ...], become: Callable[[], None], says: str
) -> None:
    before = there_is(pycompose)
    done = subprocess.run(
        [*words, *pycompose.argv("-f", "-", "up", "-d")],
        cwd="/",
        env=pycompose.environment,
        input=text(PLAIN, busybox_rootfs),
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=become,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"pycompose: {says}"), done.stderr
    assert there_is(pycompose) == before


def test_check_says_that_nftables_is_lacking(pycompose: Pycompose) -> None:
    """The library would end the process that asks."""
    done = subprocess.run(
        pycompose.argv("check"), env=pycompose.environment, capture_output=True, text=True, preexec_fn=without_netfilter
    )
    lines = done.stdout.splitlines()
    at = lines.index("absent   nftables")
    assert "no networks" in lines[at + 1]
    assert "modprobe nf_tables" in lines[at + 2]
    assert "net.ipv4.ip_forward" in lines[at + 3]
