"""The file system of a container: mounts as Docker's, nothing of the host in reach, hostile images and volumes."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer.errors import HostError, PycomposeError
from composer.linux.mount import MS_BIND, MS_PRIVATE, MS_REC, MS_SHARED, mount, umount2
from composer.linux.namespaces import CLONE_NEWNS, unshare
from composer.runtime import container, overlay
from composer.spec.container import Device
from composer.spec.mounts import Bind, File, Propagation, Recursion, Tmpfs
from composer.store.paths import Paths
from tests.linux.forked import run_in_child
from tests.runtime.containers import DOCKER_MOUNTS, MASKED, READ_ONLY, Machine

pytestmark = pytest.mark.root

Flags = frozenset[str]


def mounts_of(text: str) -> dict[str, tuple[str, Flags, str]]:
    """Mount point → (file system, flags, its own options), the topmost of each."""
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        fields = before.split()
        found[fields[4]] = (kind, frozenset(fields[5].split(",")), options)
    return found


@pytest.fixture
def own_rootfs(machine: Machine, tmp_path: Path) -> Path:
    """A copy of the root file system that a test may spoil."""
    machine.rootfs = Path(shutil.copytree(machine.rootfs, tmp_path / "rootfs", symlinks=True))
    return machine.rootfs


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    directory = tmp_path / "volume"
    directory.mkdir()
    (directory / "file").write_text("of the host\n")
    return directory


SAFE = frozenset({"nosuid", "nodev", "noexec"})
DOCKERS = [
    ("/", "overlay", {"rw"}, ""),
    ("/proc", "proc", {"rw", *SAFE}, ""),
    ("/dev", "tmpfs", {"rw", "nosuid"}, "mode=755"),
    ("/dev", "tmpfs", {"rw", "nosuid"}, "size=65536k"),
    ("/dev/pts", "devpts", {"rw", "nosuid", "noexec"}, "gid=5,mode=620,ptmxmode=666"),
    ("/dev/shm", "tmpfs", {"rw", *SAFE}, "size=65536k"),
    ("/dev/mqueue", "mqueue", {"rw", *SAFE}, ""),
    ("/sys", "sysfs", {"ro", *SAFE}, ""),
    ("/sys/fs/cgroup", "", {"ro", *SAFE}, ""),
    ("/proc/sys", "proc", {"ro", *SAFE}, ""),
    ("/proc/bus", "proc", {"ro", *SAFE}, ""),
]


def test_mounts_are_those_of_docker(machine: Machine) -> None:
    found = mounts_of(machine.run("cat", "/proc/self/mountinfo").stdout)
    for target, kind, flags, options in DOCKERS:
        assert found[target][0].startswith(kind), target
        assert found[target][1] - {"relatime"} == flags, target
        assert options in found[target][2], target
    assert "noatime" not in found["/dev"][1]


def test_nothing_else_is_mounted(machine: Machine) -> None:
    """The old root is gone, with all that was mounted on the host."""
    found = mounts_of(machine.run("cat", "/proc/self/mountinfo").stdout)
    known = {"/", "/dev", *MASKED, *READ_ONLY, *(file.target for file in machine.spec("x").files)}
    known |= {mount.target for mount in DOCKER_MOUNTS}
    assert {target for target in found if not target.startswith("/sys/fs/cgroup/")} <= known


def test_masked_paths_are_empty(machine: Machine) -> None:
    script = "for p in {}; do [ -e $p ] || continue; [ -d $p ] && ls -A $p || cat $p; done"
    assert machine.sh(script.format(" ".join(MASKED))).stdout == ""
    assert any(os.path.exists(path) for path in MASKED)


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"])
def test_kernel_files_cannot_be_written(machine: Machine, path: str) -> None:
    ended = machine.sh(f"[ -e {path} ] || exit 7; : > {path}")
    assert ended.exit_code in (1, 2, 7)
    assert ended.exit_code == 7 or "Read-only file system" in ended.stderr


def test_dev_holds_the_usual_nodes_and_links(machine: Machine) -> None:
    ended = machine.sh("cd /dev; for n in null zero full random urandom tty; do stat -c '%n %t,%T %a %F' $n; done; ls")
    assert ended.lines[:6] == [
        "null 1,3 666 character special file",
        "zero 1,5 666 character special file",
        "full 1,7 666 character special file",
        "random 1,8 666 character special file",
        "urandom 1,9 666 character special file",
        "tty 5,0 666 character special file",
    ]
    names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert sorted(ended.lines[6:]) == names.split()


def test_standard_streams_can_be_opened_by_name_by_another_user(machine: Machine) -> None:
    ended = machine.sh("echo out > /dev/stdout; echo err > /dev/stderr", user="app")
    assert (ended.stdout, ended.stderr) == ("out\n", "err\n")


def test_a_device_is_shown_and_no_other(machine: Machine, tmp_path: Path) -> None:
    node = tmp_path / "node"
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    os.chown(node, 3, 4)
    node.chmod(0o640)
    ended = machine.sh(
        "stat -c '%t,%T %a %u %g' /dev/here; head -c 1 /dev/here | wc -c; mknod /tmp/mem c 1 1 && cat /tmp/mem",
        devices=(Device(str(node), "/dev/here", "r"),),
    )
    assert ended.lines == ["1,5 640 3 4", "1"]
    assert "Operation not permitted" in ended.stderr


def test_a_privileged_container_has_the_hosts_devices(machine: Machine) -> None:
    ended = machine.sh("ls /dev", privileged=True)
    host = {entry.name for entry in os.scandir("/dev") if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)}
    assert host <= set(ended.lines)


def test_what_it_writes_does_not_reach_the_image(machine: Machine) -> None:
    before = sorted(os.listdir(machine.rootfs))
    machine.sh("touch /new; rm /etc/group; echo x >> /etc/passwd")
    assert sorted(os.listdir(machine.rootfs)) == before
    assert (machine.rootfs / "etc/group").exists()


def test_what_it_writes_is_there_at_the_next_start(machine: Machine) -> None:
    machine.sh("echo kept > /root/file")
    assert machine.sh("cat /root/file").lines == ["kept"]


def test_generated_files_are_shown(machine: Machine) -> None:
    assert machine.sh("cat /etc/hostname /etc/resolv.conf").lines == ["box", "nameserver 192.0.2.1"]
    ended = machine.sh(
        "stat -c '%a %u %g' /etc/new/deep; cat /etc/new/deep",
        files=(File("/etc/new/deep", "content\n", mode=0o400, uid=7, gid=8),),
    )
    assert ended.lines == ["400 7 8", "content"]


def test_a_read_only_root_is_read_only_and_its_tmpfs_is_not(machine: Machine) -> None:
    ended = machine.sh(
        "touch /x; touch /run/y && echo written; touch /dev/shm/z && echo written",
        read_only=True,
        mounts=(Tmpfs("/run"),),
    )
    assert ended.lines == ["written", "written"]
    assert "/x: Read-only file system" in ended.stderr


def test_tmpfs_has_its_size_mode_and_owner(machine: Machine) -> None:
    ended = machine.sh(
        "stat -c '%a %u %g' /t; df -k /t | tail -1; grep ' /t ' /proc/mounts",
        mounts=(Tmpfs("/t", size=1 << 20, mode=0o750, uid=3, gid=4),),
    )
    assert ended.lines[0] == "750 3 4"
    assert ended.lines[1].split()[1] == "1024"
    assert {"nosuid", "nodev", "noexec"} <= set(ended.lines[2].split()[3].split(","))


def test_a_missing_working_directory_is_made(machine: Machine) -> None:
    assert machine.run("pwd", cwd="/srv/a/b").lines == ["/srv/a/b"]


class TestBinds:
    def test_a_bind_is_written_through(self, machine: Machine, volume: Path) -> None:
        machine.sh("echo of the container > /data/new", mounts=(Bind(str(volume), "/data"),))
        assert (volume / "new").read_text() == "of the container\n"

    def test_a_file_is_bound_over_a_missing_one(self, machine: Machine, volume: Path) -> None:
        ended = machine.sh("cat /a/b/c", mounts=(Bind(str(volume / "file"), "/a/b/c"),))
        assert ended.lines == ["of the host"]

    def test_a_read_only_bind_cannot_be_written(self, machine: Machine, volume: Path) -> None:
        ended = machine.sh("touch /data/new", mounts=(Bind(str(volume), "/data", read_only=True),))
        assert "Read-only file system" in ended.stderr

    def test_a_missing_source_is_an_error_that_names_it(self, machine: Machine, volume: Path) -> None:
        with pytest.raises(HostError, match=f"cannot bind {volume}/none on /data: {volume}/none does not exist"):
            machine.sh("true", mounts=(Bind(f"{volume}/none", "/data"),))

    def test_a_missing_source_is_made_where_asked_for(self, machine: Machine, volume: Path) -> None:
        machine.sh("touch /data/x", mounts=(Bind(f"{volume}/a/b", "/data", create_source=True),))
        assert (volume / "a/b/x").exists()

    def test_a_target_behind_a_link_stays_inside(self, machine: Machine, own_rootfs: Path, volume: Path) -> None:
        outside = volume.parent / "outside"
        outside.mkdir()
        (own_rootfs / "link").symlink_to(f"../../../../../../../..{outside}")
        ended = machine.sh(f"cat {outside}/sub/file", mounts=(Bind(str(volume), "/link/sub"),))
        assert ended.lines == ["of the host"]
        assert list(outside.iterdir()) == []

    @pytest.mark.parametrize("target", ["/proc/1", "/proc/sys/kernel", "/"])
    def test_some_targets_are_refused(self, machine: Machine, volume: Path, target: str) -> None:
        with pytest.raises(HostError, match=f"cannot mount on '?{target}"):
            machine.sh("true", mounts=(Bind(str(volume), target),))

    def test_a_target_that_a_link_leads_into_proc_is_refused(
        self, machine: Machine, own_rootfs: Path, volume: Path
    ) -> None:
        (own_rootfs / "innocent").symlink_to("/proc/sys")
        with pytest.raises(HostError, match="cannot mount on /innocent: it leads into /proc"):
            machine.sh("true", mounts=(Bind(str(volume), "/innocent"),))

    def test_something_else_is_not_taken_for_proc(self, machine: Machine, volume: Path) -> None:
        with pytest.raises(HostError, match="it is no procfs"):
            machine.sh("true", mounts=(Bind(str(volume), "/proc"),))


@pytest.fixture
def submount(volume: Path) -> Iterator[Path]:
    """A tmpfs mounted below the volume."""
    below = volume / "below"
    below.mkdir()
    mount("tmpfs", below, filesystem="tmpfs")
    (below / "deep").write_text("deep\n")
    yield below
    umount2(below)


RECURSIONS = [
    (Recursion.ENABLED, ["deep", "ro"]),
    (Recursion.READONLY, ["deep", "ro"]),
    (Recursion.WRITABLE, ["deep", "rw"]),
]


@pytest.mark.parametrize(("recursion", "expected"), RECURSIONS)
def test_read_only_goes_as_deep_as_asked(
    machine: Machine, submount: Path, recursion: Recursion, expected: list[str]
) -> None:
    bind = Bind(str(submount.parent), "/data", read_only=True, recursion=recursion)
    ended = machine.sh("ls /data/below; touch /data/below/x 2>/dev/null && echo rw || echo ro", mounts=(bind,))
    assert ended.lines == expected


def test_submounts_stay_behind_when_asked(machine: Machine, submount: Path) -> None:
    bind = Bind(str(submount.parent), "/data", recursion=Recursion.DISABLED)
    assert machine.sh("ls /data/below", mounts=(bind,)).lines == []


PROPAGATIONS = [(Propagation.RPRIVATE, False), (Propagation.RSLAVE, True), (Propagation.RSHARED, True)]


@pytest.mark.parametrize(("propagation", "arrives"), PROPAGATIONS)
def test_a_mount_of_the_host_arrives_where_propagation_says_so(
    machine: Machine, volume: Path, propagation: Propagation, arrives: bool
) -> None:
    below = volume / "below"
    below.mkdir()
    mount(volume, volume, flags=MS_BIND)
    mount("", volume, flags=MS_SHARED)
    try:
        started = machine.start(
            "sh",
            "-c",
            "read go; ls /data/below > /data/seen",
            stdin_open=True,
            mounts=(Bind(str(volume), "/data", propagation=propagation),),
        )
        mount("tmpfs", below, filesystem="tmpfs")
        (below / "late").touch()
        os.write(started.kept[0], b"go\n")
        machine.wait(started)
        machine.end(started)
        umount2(below)
        assert (volume / "seen").read_text().split() == (["late"] if arrives else [])
    finally:
        umount2(volume)


@pytest.mark.parametrize("mount_with", [overlay.mount_by_descriptors, overlay.mount_by_paths])
def test_layers_may_have_any_name(tmp_path: Path, mount_with: Callable[..., int]) -> None:
    """Longer than an option of fsconfig(2), and with the characters that options end at."""
    long_name = "x" * 200
    directories = [tmp_path / long_name / name for name in ("a,b", "a:b", "a\\b", "merged")]
    for directory in directories:
        directory.mkdir(parents=True)
    lower, upper, work, merged = map(str, directories)
    (directories[0] / "below").touch()

    def use() -> list[str]:
        unshare(CLONE_NEWNS)
        mount("", "/", flags=MS_REC | MS_PRIVATE)
        root_fd = mount_with(overlay.Layers(lower=lower, upper=upper, work=work), at=merged)
        os.close(os.open("above", os.O_CREAT | os.O_WRONLY, dir_fd=os.open(merged, os.O_RDONLY)))
        assert os.path.samestat(os.stat(merged), os.fstat(root_fd))
        return sorted(os.listdir(merged))

    assert run_in_child(use) == ["above", "below"]
    assert os.listdir(upper) == ["above"]


HOSTILE_LINKS = ["proc", "sys"]


@pytest.mark.parametrize("name", HOSTILE_LINKS)
def test_an_image_whose_kernel_directory_is_a_link_is_refused(
    machine: Machine, own_rootfs: Path, tmp_path: Path, name: str
) -> None:
    (own_rootfs / name).rmdir()
    (own_rootfs / name).symlink_to("/tmp")
    with pytest.raises(HostError, match=f"cannot mount /{name}: in the root file system it is a symbolic link"):
        machine.run("true")


@pytest.mark.parametrize("target", ["/etc", "../../../../../../etc", "{outside}"])
def test_an_image_whose_dev_is_a_link_makes_no_nodes_on_the_host(
    machine: Machine, own_rootfs: Path, tmp_path: Path, target: str
) -> None:
    """CVE-2026-41579."""
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(own_rootfs / "dev")
    (own_rootfs / "dev").symlink_to(target.format(outside=outside))
    before = sorted(os.listdir("/etc"))
    machine.run("/bin/true")
    assert sorted(os.listdir("/etc")) == before
    assert list(outside.iterdir()) == []


def test_an_image_whose_etc_is_a_link_gets_no_file_of_the_host(
    machine: Machine, own_rootfs: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(own_rootfs / "etc")
    (own_rootfs / "etc").symlink_to(outside)
    machine.run("/bin/true")
    assert list(outside.iterdir()) == []


def test_the_hosts_root_is_a_layer_that_is_only_read(machine: Machine) -> None:
    marker = f"/var/tmp/{machine.where.project}"
    ended = machine.sh(f"ls -d /usr/bin/env; echo x > {marker}; cat {marker}", host_root=True)
    assert ended.lines == ["/usr/bin/env", "x"]
    assert not os.path.exists(marker)


def test_over_the_hosts_root_our_own_directories_are_hidden(machine: Machine) -> None:
    """Even where they lie on the root's own file system."""
    places = [tempfile.mkdtemp(prefix="pycompose-", dir="/var/tmp") for _ in range(2)]
    machine.paths = Paths(run=places[0], root=places[1])
    try:
        os.makedirs(machine.paths.layers)
        Path(machine.paths.layers, "secret").write_text("of another project\n")
        ended = machine.sh(f"find {' '.join(places)} -mindepth 1; ls -d {places[1]}", host_root=True)
        assert ended.lines == [places[1]]
    finally:
        for place in places:
            shutil.rmtree(place)


def test_remove_deletes_whatever_a_container_has_made(machine: Machine) -> None:
    """Deeper than a path can say, with links out and modes that forbid."""
    outside = Path(machine.paths.root).parent / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    machine.sh(
        "i=0; while [ $i -lt 1500 ]; do mkdir dddddddddd; cd dddddddddd; i=$((i+1)); done; touch f;"
        f"ln -s {outside} /link; ln -s {outside} /root/link; mkdir -m 0 /forbidden; mknod /node c 1 3; mkfifo /fifo",
        cwd="/root",
    )
    launch = machine.launch(machine.spec("true"))
    assert sorted(os.listdir(launch.bundle)) == ["upper", "work"]  # what need not outlast a reboot is in memory
    container.remove(launch.bundle, launch.state)
    assert not os.path.exists(launch.bundle)
    assert not os.path.exists(launch.state)
    assert (outside / "precious").exists()
    container.remove(launch.bundle, launch.state)


def test_no_mount_reaches_a_host_whose_mounts_are_shared(machine: Machine) -> None:
    """systemd makes them so."""

    def start() -> bool:
        unshare(CLONE_NEWNS)
        mount("", "/", flags=MS_REC | MS_SHARED)
        before = Path("/proc/self/mountinfo").read_text()
        started = machine.start("sleep", "60")
        after = Path("/proc/self/mountinfo").read_text()
        machine.end(started)
        return before == after

    assert run_in_child(start)


def test_no_mount_is_left_on_the_host(machine: Machine) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    machine.start("sleep", "60")
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.parametrize("sysctl", ["kernel.panic", "vm.swappiness", "kernel.hostname", "kernel/../vm/swappiness"])
def test_sysctls_of_the_host_are_refused(machine: Machine, sysctl: str) -> None:
    with pytest.raises(PycomposeError, match=f"cannot set sysctl {sysctl}"):
        machine.run("true", sysctls=((sysctl, "1"),))
