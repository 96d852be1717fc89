"""Files into containers and out of them, from the command line; containers that would like to reach further."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.root

Inside = Callable[[str], str]

TEXT = """
name: shop
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    network_mode: none
    volumes: [data:/data]
    tmpfs: /scratch
  locked:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    network_mode: none
    read_only: true
    tmpfs: /scratch
    profiles: [locked]
volumes:
  data:
"""


@pytest.fixture
def shop(pycompose: Pycompose, busybox_rootfs: Path) -> Pycompose:
    (pycompose.directory / "compose.yaml").write_text(TEXT.replace("ROOT", str(busybox_rootfs)))
    tree = pycompose.directory / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "file").write_text("content\n")
    (tree / "file").chmod(0o640)
    (tree / "inner/deep").write_text("deep\n")
    (tree / "link").symlink_to("file")
    os.link(tree / "file", tree / "again")
    os.chown(tree / "file", 1000, 2000)
    return pycompose


@pytest.fixture
def running(shop: Pycompose) -> Pycompose:
    shop("up", "-d")
    return shop


@pytest.fixture
def inside(running: Pycompose) -> Inside:
    """Runs a shell's words in the container and answers what it prints."""
    return lambda words: running("exec", "-T", "web", "sh", "-c", words).stdout


def piped(pycompose: Pycompose, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        pycompose.argv(*words),
        cwd=pycompose.directory,
        env=pycompose.environment,
        input=stdin,
        capture_output=True,
        timeout=60,
    )


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(mode="w", fileobj=output) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return output.getvalue()


def member(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def test_what_becomes_of_names(running: Pycompose, inside: Inside) -> None:
    running("cp", "tree", "web:/new")  # not there: it is the tree
    running("cp", "tree", "web:/tmp")  # a directory: the tree is in it
    running("cp", "tree/.", "web:/home")  # its entries are
    running("cp", "tree/file", "web:/tmp/as")
    running("cp", "tree/file", "web:tmp/")
    assert inside("cd /new && find . | sort") == ".\n./again\n./file\n./inner\n./inner/deep\n./link\n"
    assert inside("cat /tmp/tree/inner/deep /home/inner/deep /tmp/as /tmp/file") == "deep\ndeep\ncontent\ncontent\n"
    assert inside("readlink /new/link; stat -c '%u %g %a %h' /new/file") == "file\n0 0 640 2\n"
    here = running.directory / "here"
    here.mkdir()
    running("cp", "web:/new", "here/copy")
    running("cp", "web:/new/inner", "here")
    running("cp", "web:/new/.", "here")
    assert (here / "copy/inner/deep").read_text() == (here / "inner/deep").read_text() == "deep\n"
    assert (here / "file").samefile(here / "again")
    running("cp", "web:/new/link", "here/copied-link")
    running("cp", "-L", "web:/new/link", "here/copied-file")
    assert os.readlink(here / "copied-link") == "file"
    assert not (here / "copied-file").is_symlink()
    assert (here / "copied-file").read_text() == "content\n"


def test_archive_mode_keeps_owners_and_powers(running: Pycompose, inside: Inside) -> None:
    inside("cp /bin/busybox /tmp/tool && chown 1000:2000 /tmp/tool && chmod 4755 /tmp/tool")
    running("cp", "web:/tmp/tool", "tool")
    running("cp", "-a", "web:/tmp/tool", "tool-a")
    plain, archived = os.stat(running.directory / "tool"), os.stat(running.directory / "tool-a")
    assert (plain.st_uid, plain.st_gid, stat.S_IMODE(plain.st_mode)) == (0, 0, 0o755)
    assert (archived.st_uid, archived.st_gid, stat.S_IMODE(archived.st_mode)) == (1000, 2000, 0o4755)
    running("cp", "-a", "tree", "web:/kept")
    assert inside("stat -c '%u %g' /kept/file") == "1000 2000\n"


def test_mounts_are_copied_through(running: Pycompose, inside: Inside) -> None:
    running("cp", "tree/file", "web:/data")
    running("cp", "tree/file", "web:/scratch")
    assert inside("cat /data/file /scratch/file") == "content\ncontent\n"
    assert (Path(running.paths.root) / "volumes/shop_data/_data/file").read_text() == "content\n"
    running("cp", "tree/file", "web:/etc/hostname")  # a mount point keeps its place
    assert inside("cat /etc/hostname") == "content\n"


@pytest.mark.parametrize("state", ["created", "stopped", "paused"])
def test_a_container_need_not_run(shop: Pycompose, state: str) -> None:
    shop("create")
    if state != "created":
        shop("start")
        shop("stop" if state == "stopped" else "pause")
    shop("cp", "tree", "web:/srv")
    shop("cp", "tree/file", "web:/data")
    shop("cp", "web:/srv/inner/deep", "out")
    assert (shop.directory / "out").read_text() == "deep\n"
    shop("unpause" if state == "paused" else "start")
    assert shop("exec", "-T", "web", "cat", "/srv/file", "/data/file").stdout == "content\ncontent\n"
    assert shop("exec", "-T", "web", "stat", "-c", "%a", "/", "/srv").stdout == "755\n755\n"


def test_streams(running: Pycompose, inside: Inside) -> None:
    running("cp", "tree", "web:/new")
    done = piped(running, "cp", "web:/new", "-")
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert sorted(archive.getnames()) == [
            "new", "new/again", "new/file", "new/inner", "new/inner/deep", "new/link",
        ]  # fmt: skip
        assert {archive.getmember(f"new/{name}").type for name in ("again", "file")} == {
            tarfile.REGTYPE,
            tarfile.LNKTYPE,
        }
    inside("mkdir /again")
    done = piped(running, "cp", "-", "web:/again", stdin=done.stdout)
    assert done.returncode == 0, done.stderr
    assert inside("cat /again/new/inner/deep /again/new/link; stat -c %h /again/new/file") == "deep\ncontent\n2\n"
    done = piped(running, "cp", "-", "web:/again", stdin=b"hello")
    assert b"cannot read standard input as a tar archive" in done.stderr
    done = piped(running, "cp", "-", "web:/nowhere", stdin=tar(member("x")))
    assert b"/nowhere: it does not exist" in done.stderr


def test_all_containers_of_a_service_get_it_or_one(shop: Pycompose) -> None:
    shop("up", "-d", "--scale", "web=2")
    shop("cp", "tree/file", "web:/tmp/all")
    shop("cp", "--index", "2", "tree/file", "web:/tmp/two")
    look = ("exec", "-T", "--index")
    assert shop(*look, "1", "web", "ls", "/tmp").stdout == "all\n"
    assert shop(*look, "2", "web", "ls", "/tmp").stdout == "all\ntwo\n"
    done = piped(shop, "cp", "-", "web:/tmp", stdin=tar(member("x")))
    assert b"standard input can be read once, and there are 2 containers" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--dry-run", "tree", "web:/tmp"), "cannot try `cp` without doing it"),
        (("tree", "here"), "no side of this is a container's"),
        (("web:/a", "web:/b"), "cannot copy from one container to another"),
        (("nope:/a", "b"), 'there is no service "nope"'),
        (("web:/nope", "b"), "web-1:/nope: it does not exist"),
        (("nope", "web:/tmp"), "cannot copy nope: it does not exist"),
        (("tree/file/", "web:/tmp"), "cannot copy tree/file/: it is not a directory"),
        (("tree/file", "web:/nope/"), "there is no such directory"),
        (("tree/file", "web:/nope/x"), "there is no directory /nope"),
        (("tree", "web:/etc/passwd"), "a directory cannot take the place of a file"),
        (("tree/file", "web:/etc/passwd/"), "that is not a directory"),
        (("tree/file", "web:/etc/passwd/x"), "Not a directory"),
        (("tree/file", "web:/proc/1/root/tmp"), "Too many levels of symbolic links"),
        (("web:/proc/1/root/etc/passwd", "b"), "Too many levels of symbolic links"),
    ],
)
def test_what_cannot_be_is_told(running: Pycompose, words: tuple[str, ...], says: str) -> None:
    refused = running("cp", *words, check=False)
    assert refused.returncode in (1, 2)
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_read_only_root_stays_as_it_is(shop: Pycompose, state: str) -> None:
    shop("--profile", "locked", "up", "-d", "locked")
    if state == "stopped":
        shop("stop", "locked")
    refused = shop("cp", "tree/file", "locked:/etc", check=False)
    assert "Read-only file system" in refused.stderr
    if state == "running":
        shop("cp", "tree/file", "locked:/scratch")


# ---- containers that would like to reach further -----------------------------------------------------------------


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A directory of the host that no container may change or read."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("the host's\n")
    return victim


@pytest.mark.parametrize("state", ["running", "stopped"])
@pytest.mark.parametrize("form", ["{}", "/../../../../../../../..{}", "../../../../../../../../../..{}"])
def test_links_stay_in_the_container(running: Pycompose, inside: Inside, victim: Path, form: str, state: str) -> None:
    target = form.format(victim)
    inside(f"mkdir -p {victim}; echo own > {victim}/own; ln -s {target} /tmp/way; ln -s {target}/file /tmp/name")
    if state == "stopped":
        running("stop", "web")
    before = sorted(os.listdir(victim))
    running("cp", "tree", "web:/tmp/way")  # through a link to a directory
    running("cp", "tree/inner", "web:/tmp/way/below")
    running("cp", "tree/file", "web:/tmp/name")  # through a link that dangles in the container
    done = piped(running, "cp", "-", "web:/tmp/way", stdin=tar(member("x", b"x"), member("inner/x", b"x")))
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(victim)) == before
    assert (victim / "file").read_text() == "the host's\n"
    running("cp", "web:/tmp/way/own", "own")
    running("cp", "-L", "web:/tmp/name", "name")
    assert (running.directory / "own").read_text() == "own\n"
    assert (running.directory / "name").read_text() == "content\n"
    if state == "stopped":
        running("start", "web")
    assert inside(f"cd {victim} && find . | sort").split() == [
        ".", "./below", "./below/deep", "./file", "./inner", "./inner/x", "./own", "./tree", "./tree/again",
        "./tree/file", "./tree/inner", "./tree/inner/deep", "./tree/link", "./x",
    ]  # fmt: skip


def test_an_archive_leads_nowhere_else(running: Pycompose, inside: Inside, victim: Path) -> None:
    link = member("way", type=tarfile.SYMTYPE, linkname=str(victim))
    done = piped(running, "cp", "-", "web:/tmp", stdin=tar(link, member("way/planted", b"x")))
    assert done.returncode == 0, done.stderr
    assert os.listdir(victim) == ["file"]
    assert inside(f"cat {victim}/planted") == "x"
    for name in ("../x", "a/../../x"):
        done = piped(running, "cp", "-", "web:/tmp", stdin=tar(member(name, b"x")))
        assert b"it leads out of the directory" in done.stderr
    hard = member("hard", type=tarfile.LNKTYPE, linkname=f"..{victim}/file")
    assert b"it leads out" in piped(running, "cp", "-", "web:/tmp", stdin=tar(hard)).stderr
    node = member("node", type=tarfile.BLKTYPE, devmajor=8, devminor=0)
    assert b"node was left out" in piped(running, "cp", "-", "web:/tmp", stdin=tar(node)).stderr
    assert inside("cd /tmp && ls -d hard node way 2>/dev/null || true") == "way\n"


def test_devices_and_pipes_are_not_opened(running: Pycompose, inside: Inside) -> None:
    inside("mkdir /trap; cd /trap; mkfifo pipe; mknod disk b 8 0; mknod null c 1 3; echo x > file")
    done = running("cp", "web:/trap", "trap", timeout=30)
    assert sorted(os.listdir(running.directory / "trap")) == ["file", "pipe"]
    assert "trap/disk was left out" in done.stderr
    assert "trap/null was left out" in done.stderr
    archive = piped(running, "cp", "web:/trap", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as read:
        assert sorted(read.getnames()) == ["trap", "trap/disk", "trap/file", "trap/null", "trap/pipe"]


def test_a_device_is_never_replaced(running: Pycompose, inside: Inside) -> None:
    null = running.directory / "null"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    inside("mkdir /trap; echo x > /trap/null; mkdir /nodes; mknod /nodes/file c 1 3")
    for words in (("web:/trap/null", "null"), ("web:/trap/null", "."), ("web:/trap/.", ".")):
        assert "cannot replace null: it is a device" in running("cp", *words, check=False).stderr
    assert stat.S_ISCHR(null.stat().st_mode)
    assert "it is a device" in running("cp", "tree/file", "web:/nodes", check=False).stderr
    done = piped(running, "cp", "-", "web:/nodes", stdin=tar(member("file", b"x")))
    assert b"it is a device" in done.stderr
    assert inside("stat -c %t,%T /nodes/file; ls -A /nodes") == "1,3\nfile\n"


def test_a_tree_too_deep_is_refused(running: Pycompose, inside: Inside) -> None:
    inside("cd /tmp; i=0; while [ $i -lt 450 ]; do mkdir d && cd d; i=$((i+1)); done")
    for target in ("out", "-"):
        done = piped(running, "cp", "web:/tmp/d", target)
        assert b"more than 200 directories inside each other" in done.stderr
        assert b"Traceback" not in done.stderr


def test_a_link_swapped_in_meanwhile_leads_nowhere(running: Pycompose, inside: Inside, victim: Path) -> None:
    """The container swaps a directory and a link to the host's directory as fast as it can."""
    inside("mkdir -p /race/real /race/there; touch /race/real/file")
    (running.directory / "out").mkdir()
    swap = "mv real there/real; mv bad real; mv real bad; mv there/real real"
    swap = f"cd /race; ln -s {victim} bad; while :; do {swap}; done"
    running("exec", "-T", "-d", "web", "sh", "-c", swap)
    for number in range(12):
        running("cp", "tree", "web:/race/real", check=False)
        running("cp", "tree/file", "web:/race/real/file", check=False)
        piped(running, "cp", "-", "web:/race", stdin=tar(*(member(f"real/{n}", b"x") for n in range(200))))
        out = f"out/{number}"  # a new one: where the link was copied, the next copy would follow it, as cp(1) does
        running("cp", "web:/race/real", out, check=False)
    assert os.listdir(victim) == ["file"]
    assert (victim / "file").read_text() == "the host's\n"
    for above, _, names in os.walk(running.directory / "out"):
        assert all(
            "the host's" not in Path(above, name).read_text() for name in names if not Path(above, name).is_symlink()
        )
