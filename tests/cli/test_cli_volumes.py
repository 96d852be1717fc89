"""Volumes from the command line: made, filled, shared, kept and removed, on the running kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.root

Write = Callable[[str], None]


@pytest.fixture
def write(pycompose: Pycompose, busybox_rootfs: Path) -> Write:
    """Writes the compose.yaml of a project called shop, with busybox for ROOT."""

    def write(text: str) -> None:
        (pycompose.directory / "compose.yaml").write_text("name: shop\n" + text.replace("ROOT", str(busybox_rootfs)))

    return write


def data(pycompose: Pycompose, name: str) -> Path:
    """Where a person looks for what is in a volume."""
    return Path(pycompose.paths.root) / "volumes" / name / "_data"


def names(pycompose: Pycompose, *words: str) -> list[str]:
    return pycompose("volume", "ls", "-q", *words).stdout.split()


def mounted(directory: Path) -> bool:
    """Whether something is mounted there."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return str(directory) in (line.split()[4] for line in lines)


TWO = """
services:
  one:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: [data:/data]
  two:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: ["data:/mnt:ro"]
volumes:
  data:
    labels: {purpose: test}
"""


def test_two_services_share_a_volume_which_survives_down_and_goes_with_v(pycompose: Pycompose, write: Write) -> None:
    write(TWO)
    pycompose("up", "-d")
    pycompose("exec", "-T", "one", "sh", "-c", "echo hello > /data/greeting")
    assert pycompose("exec", "-T", "two", "cat", "/mnt/greeting").stdout == "hello\n"
    refused = pycompose("exec", "-T", "two", "touch", "/mnt/x", check=False)
    assert "Read-only file system" in refused.stderr
    assert (data(pycompose, "shop_data") / "greeting").read_text() == "hello\n"

    pycompose("down")
    pycompose("up", "-d")
    assert pycompose("exec", "-T", "two", "cat", "/mnt/greeting").stdout == "hello\n"

    pycompose("down", "-v")
    assert os.listdir(Path(pycompose.paths.root) / "volumes") == [".lock"]


def test_volumes_are_listed_inspected_and_not_removed_while_in_use(pycompose: Pycompose, write: Write) -> None:
    write(TWO)
    pycompose("up", "-d")
    pycompose("volume", "create", "--label", "a=b", "other")
    assert names(pycompose) == ["other", "shop_data"]
    assert names(pycompose, "-f", "dangling=true") == ["other"]
    assert names(pycompose, "-f", "label=purpose=test") == ["shop_data"]
    assert pycompose("volumes").stdout.split() == ["DRIVER", "VOLUME", "NAME", "local", "shop_data"]
    [about] = json.loads(pycompose("volume", "inspect", "shop_data").stdout)
    assert about["Mountpoint"] == str(data(pycompose, "shop_data"))
    assert about["Labels"] == {
        "com.docker.compose.project": "shop",
        "com.docker.compose.volume": "data",
        "purpose": "test",
    }
    refused = pycompose("volume", "rm", "shop_data", check=False)
    assert refused.returncode != 0
    assert "cannot remove volume shop_data: it is in use by shop-one-1, shop-two-1" in refused.stderr
    pycompose("stop")
    for dry in ((), ("--dry-run",)):
        assert "in use by" in pycompose(*dry, "volume", "rm", "shop_data", check=False).stderr
    pycompose("down")
    tried = pycompose("--dry-run", "volume", "rm", "shop_data", "other").stdout
    assert tried == "remove volume shop_data: volume rm\nremove volume other: volume rm\n"
    pycompose("volume", "rm", "shop_data", "other")
    assert names(pycompose) == []
    assert "there is no volume shop_data" in pycompose("volume", "inspect", "shop_data", check=False).stderr


def test_prune_takes_what_nobody_uses(pycompose: Pycompose, write: Write) -> None:
    write(TWO)
    pycompose("up", "-d")
    pycompose("volume", "create", "kept")
    anonymous = pycompose("volume", "create").stdout.strip()
    assert pycompose("volume", "prune").stdout == ""  # nobody said yes
    assert pycompose("--dry-run", "volume", "prune").stdout == f"remove volume {anonymous}: volume prune\n"
    assert anonymous in pycompose("volume", "prune", "-f").stdout
    assert names(pycompose) == ["kept", "shop_data"]
    assert "kept" in pycompose("volume", "prune", "-f", "--all").stdout
    assert names(pycompose) == ["shop_data"]


EXTERNAL = """
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: [data:/data]
volumes:
  data: {external: true, name: common}
"""


def test_an_external_volume_must_be_there_and_is_nobodys_to_remove(pycompose: Pycompose, write: Write) -> None:
    write(EXTERNAL)
    refused = pycompose("up", "-d", check=False)
    assert "cannot start service web: the external volume common (compose.yaml:10:3) does not exist" in refused.stderr
    assert "pycompose volume create common" in refused.stderr
    assert pycompose("ps", "-aq").stdout == ""
    refused = pycompose("run", "--rm", "-T", "web", "true", check=False)
    assert "the external volume common does not exist" in refused.stderr
    pycompose("volume", "create", "common")
    pycompose("up", "-d")
    pycompose("exec", "-T", "web", "touch", "/data/x")
    pycompose("down", "-v")
    assert (data(pycompose, "common") / "x").exists()


FILLED = """
services:
  web:
    rootfs: ./root
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes:
      - filled:/srv/www
      - {type: volume, source: empty, target: /srv/copy, volume: {nocopy: true}}
volumes: {filled: {}, empty: {}}
"""


def test_an_empty_volume_gets_what_the_root_has_there(pycompose: Pycompose, write: Write, busybox_rootfs: Path) -> None:
    write(FILLED)
    root = pycompose.directory / "root"
    (root / "srv/www/deep").mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin/busybox").hardlink_to(busybox_rootfs / "bin/busybox")
    for applet in ("sleep", "sh", "touch", "rm"):
        (root / "bin" / applet).symlink_to("busybox")
    (root / "srv/copy").mkdir()
    (root / "srv/copy/page").write_text("not wanted")
    page = root / "srv/www/deep/page"
    page.write_text("a page")
    page.chmod(0o640)
    os.chown(page, 1000, 2000)
    (root / "srv/www/link").symlink_to("/etc/shadow")
    (root / "srv/www/again").hardlink_to(page)
    os.chown(root / "srv/www", 1000, 1000)
    (root / "srv/www").chmod(0o2775)

    pycompose("up", "-d")
    filled = data(pycompose, "shop_filled")
    about = (filled / "deep/page").stat()
    assert (filled / "deep/page").read_text() == "a page"
    assert (about.st_uid, about.st_gid, about.st_mode & 0o7777, about.st_nlink) == (1000, 2000, 0o640, 2)
    assert (filled.stat().st_uid, filled.stat().st_mode & 0o7777) == (1000, 0o2775)
    assert os.readlink(filled / "link") == "/etc/shadow"
    assert os.listdir(data(pycompose, "shop_empty")) == []

    # what is in a volume is the user's: neither changed nor filled again
    pycompose("exec", "-T", "web", "rm", "/srv/www/link")
    pycompose("up", "-d", "--force-recreate")
    assert sorted(os.listdir(filled)) == ["again", "deep"]


SUBPATH = """
services:
  web:
    rootfs: ROOT
    command: [cat, /data/name]
    volumes:
      - {type: volume, source: data, target: /data, volume: {subpath: PART}}
volumes: {data: {external: true, name: data}}
"""


def test_a_subpath_is_a_part_of_the_volume_and_no_link_leads_out(pycompose: Pycompose, write: Write) -> None:
    write(SUBPATH.replace("PART", "part"))
    pycompose("volume", "create", "data")
    refused = pycompose("up", check=False)
    assert refused.returncode != 0
    assert "cannot mount part of volume data on /data: it is not in the volume" in refused.stderr
    part = data(pycompose, "data") / "part"
    part.mkdir()
    (part / "name").write_text("the part\n")
    assert "the part" in pycompose("up", "--no-log-prefix").stdout

    write(SUBPATH.replace("PART", "out"))
    outside = pycompose.directory / "outside"
    outside.mkdir()
    (outside / "name").write_text("outside")
    (data(pycompose, "data") / "out").symlink_to(outside)
    refused = pycompose("up", check=False)
    assert refused.returncode != 0
    assert "outside" not in refused.stdout


SCRATCH = """
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: [scratch:/scratch]
volumes:
  scratch:
    driver: local
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m,uid=1000,noexec"}
"""


def test_driver_options_mount_a_file_system_while_it_is_used(pycompose: Pycompose, write: Write) -> None:
    write(SCRATCH)
    pycompose("up", "-d")
    shown = pycompose("exec", "-T", "web", "grep", " /scratch ", "/proc/mounts").stdout
    assert shown.startswith("tmpfs /scratch tmpfs ")
    for option in ("size=1024k", "uid=1000", "noexec"):
        assert option in shown
    assert mounted(data(pycompose, "shop_scratch"))
    pycompose("exec", "-T", "web", "touch", "/scratch/x")
    pycompose("restart", "-t", "0")
    pycompose("exec", "-T", "web", "ls", "/scratch/x")
    pycompose("down")
    assert not mounted(data(pycompose, "shop_scratch"))
    assert names(pycompose) == ["shop_scratch"]


def test_a_bind_option_shows_a_directory_of_the_host(pycompose: Pycompose, write: Write) -> None:
    there = pycompose.directory / "there"
    text = SCRATCH.replace("type: tmpfs, device: tmpfs", f"type: none, device: {there}")
    write(text.replace("size=1m,uid=1000,noexec", "bind"))
    refused = pycompose("up", "-d", check=False)
    assert f"volume shop_scratch (compose.yaml:10:3) shows {there}" in refused.stderr
    assert pycompose("ps", "-aq").stdout == ""
    there.mkdir()
    pycompose("up", "-d")
    pycompose("exec", "-T", "web", "touch", "/scratch/x")
    assert (there / "x").exists()
    pycompose("down", "-v")
    assert (there / "x").exists()


def test_a_definition_that_has_changed_is_told_and_the_volume_is_as_it_was(pycompose: Pycompose, write: Write) -> None:
    write(SCRATCH)
    pycompose("up", "-d")
    pycompose("down")
    write(SCRATCH.replace("size=1m", "size=2m"))
    told = pycompose("up", "-d").stderr
    assert "volume shop_scratch is used as it was made" in told
    assert "size=1024k" in pycompose("exec", "-T", "web", "grep", " /scratch ", "/proc/mounts").stdout


ANONYMOUS = """
services:
  db:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: [/data]
  reader:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes_from: ["db:ro"]
"""


def test_an_anonymous_volume_is_kept_over_recreation_and_renewed_on_request(pycompose: Pycompose, write: Write) -> None:
    write(ANONYMOUS)
    pycompose("up", "-d")
    [first] = names(pycompose)
    pycompose("exec", "-T", "db", "touch", "/data/x")
    pycompose("up", "-d", "--force-recreate")
    assert names(pycompose) == [first]
    pycompose("exec", "-T", "db", "ls", "/data/x")
    pycompose("exec", "-T", "reader", "ls", "/data/x")
    refused = pycompose("exec", "-T", "reader", "touch", "/data/y", check=False)
    assert "Read-only file system" in refused.stderr

    pycompose("up", "-d", "--force-recreate", "-V")
    [second] = set(names(pycompose)) - {first}
    assert first in pycompose("volume", "prune", "-f").stdout  # nobody's any more
    assert pycompose("exec", "-T", "db", "ls", "/data").stdout == ""
    pycompose("exec", "-T", "db", "touch", "/data/new")
    pycompose("exec", "-T", "reader", "ls", "/data/new")

    pycompose("down")
    assert names(pycompose) == [second]
    pycompose("up", "-d")
    assert len(names(pycompose)) == 2  # down has left it to nobody
    pycompose("down", "-v")
    assert names(pycompose) == []


@pytest.mark.parametrize("option", [(), ("-v",)])
def test_rm_takes_anonymous_volumes_on_request(pycompose: Pycompose, write: Write, option: tuple[str, ...]) -> None:
    write(ANONYMOUS)
    pycompose("up", "-d")
    [name] = names(pycompose)
    pycompose("rm", "-sf", *option)
    assert names(pycompose) == ([] if option else [name])


def test_run_has_the_services_volumes_and_those_of_its_own(pycompose: Pycompose, write: Write) -> None:
    write(TWO)
    words = ("run", "--rm", "-T", "-v", "more:/more", "-v", "/gone", "one", "sh", "-c", "touch /data/x /more/y /gone/z")
    pycompose(*words)
    assert (data(pycompose, "shop_data") / "x").exists()
    assert (data(pycompose, "more") / "y").exists()
    assert names(pycompose) == ["more", "shop_data"]  # the anonymous one went with its container
    pycompose("down")


MOUNTS = """
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes: [data:/data, /srv, ./here:/here:ro]
    tmpfs: /scratch
  other:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes_from: ["web:ro"]
volumes:
  data:
"""


def test_inspect_and_ps_say_what_is_mounted(pycompose: Pycompose, write: Write) -> None:
    write(MOUNTS)
    here = str(pycompose.directory / "here")
    pycompose("up", "-d")
    [anonymous] = [name for name in names(pycompose) if name != "shop_data"]

    def volume(name: str, target: str, mode: str) -> dict[str, object]:
        source = str(data(pycompose, name))
        place = {"Type": "volume", "Name": name, "Source": source, "Destination": target, "Driver": "local"}
        return {**place, "Mode": mode, "RW": mode != "ro", "Propagation": ""}

    [web, other] = (json.loads(pycompose("inspect", service).stdout)[0] for service in ("web", "other"))
    mounts = {mount["Destination"]: mount for mount in web["Mounts"]}
    assert mounts["/data"] == volume("shop_data", "/data", "")
    assert mounts["/srv"] == volume(anonymous, "/srv", "")
    assert (mounts["/here"]["Source"], mounts["/here"]["RW"]) == (here, False)
    assert mounts["/scratch"]["Type"] == "tmpfs"
    assert web["HostConfig"]["Binds"] == ["shop_data:/data:rw", f"{anonymous}:/srv:rw", f"{here}:/here:ro"]
    assert [mount for mount in other["Mounts"] if mount["Type"] == "volume"] == [
        volume("shop_data", "/data", "ro"),
        volume(anonymous, "/srv", "ro"),
    ]
    shown = pycompose("ps", "web", "--format", "{{.LocalVolumes}} {{.Mounts}}").stdout
    assert shown == f"2 shop_data,{anonymous},{here}\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            'type: nope9, device: ":/x", o: "rw"',
            ("cannot mount volume shop_scratch: nope9 :/x with rw: No such device", "no file system of that type"),
        ),
        (
            'type: nfs, device: ":/x", o: "addr=nowhere.invalid,nolock"',
            ("cannot mount volume shop_scratch: nfs :/x with addr=nowhere.invalid,nolock:",),
        ),
        ("type: tmpfs, device: tmpfs, o: size=many", ("tmpfs tmpfs with size=many: Invalid argument",)),
    ],
)
def test_a_file_system_that_cannot_be_mounted(
    pycompose: Pycompose, write: Write, options: str, says: tuple[str, ...]
) -> None:
    write(SCRATCH.replace('type: tmpfs, device: tmpfs, o: "size=1m,uid=1000,noexec"', options))
    refused = pycompose("up", "-d", check=False)
    assert refused.returncode != 0
    for sentence in says:
        assert sentence in refused.stderr
    assert not mounted(data(pycompose, "shop_scratch"))


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[str]:
    """A block device with an empty ext4 on it."""
    for program in ("losetup", "mkfs.ext4"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: run tests/install-packages")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    made = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no loop devices in this kernel: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


@pytest.mark.rare
def test_a_block_device_is_mounted_while_it_is_used(pycompose: Pycompose, write: Write, loop_device: str) -> None:
    options = f'type: ext4, device: {loop_device}, o: "noatime"'
    write(SCRATCH.replace('type: tmpfs, device: tmpfs, o: "size=1m,uid=1000,noexec"', options))
    pycompose("up", "-d")
    shown = pycompose("exec", "-T", "web", "grep", " /scratch ", "/proc/mounts").stdout
    assert shown.startswith(f"{loop_device} /scratch ext4 rw,noatime")
    pycompose("exec", "-T", "web", "sh", "-c", "echo kept > /scratch/x")
    pycompose("down")
    assert not mounted(data(pycompose, "shop_scratch"))
    pycompose("up", "-d")
    assert pycompose("exec", "-T", "web", "cat", "/scratch/x").stdout == "kept\n"
    pycompose("down", "-v")
    assert not (Path(pycompose.paths.root) / "volumes/shop_scratch").exists()


OWNERS = """
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    volumes:
      - {type: bind, source: ./mine, target: /data, bind: {x-idmap: {uid: "1000:999", gid: "1000:998"}}}
"""


def test_a_bind_whose_files_have_other_owners_in_the_container(
    pycompose: Pycompose, write: Write, tmp_path: Path
) -> None:
    mine = pycompose.directory / "mine"
    mine.mkdir()
    os.chown(mine, 1000, 1000)
    for name, uid in (("mine", 1000), ("roots", 0), ("theirs", 999)):
        (mine / name).touch()
        os.chown(mine / name, uid, uid)
    write(OWNERS)
    pycompose("up", "-d")
    seen = pycompose("exec", "-T", "web", "stat", "-c", "%n %u %g", "/data/mine", "/data/roots", "/data/theirs").stdout
    assert seen.splitlines() == ["/data/mine 999 998", "/data/roots 0 0", "/data/theirs 1000 999"]
    pycompose("exec", "-T", "-u", "999:998", "web", "touch", "/data/new")
    assert owner(mine / "new") == (1000, 1000)
    pycompose("stop")
    pycompose("cp", "-a", "web:/data/mine", str(tmp_path / "copy"))  # of one that does not run
    assert owner(tmp_path / "copy") == (999, 998)
    assert "uid: 1000:999" in pycompose("config").stdout


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def test_a_bind_of_a_file_system_without_id_mapped_mounts(pycompose: Pycompose, write: Write) -> None:
    write(OWNERS.replace("./mine", "/sys/kernel").replace('gid: "1000:998"', 'gid: "7:7"'))
    refused = pycompose("up", "-d", check=False)
    assert refused.returncode == 1
    assert "cannot bind /sys/kernel on /data with x-idmap: its file system" in refused.stderr
