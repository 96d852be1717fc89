"""An unpacked archive is what GNU tar makes of it, and a hostile one is refused or stays inside."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from composer import images
from composer.errors import HostError
from composer.spec.rootfs import Archive
from tests.images.hostile import archive, directory, hard_link, look, member, pax, record, symlink, tar_bytes
from tests.linux.forked import run_in_child

pytestmark = pytest.mark.root

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep
MEBIBYTE = 1 << 20


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """A tree with one of everything that tar can hold."""
    root = tmp_path / "varied"
    deep = root / "usr" / ("long-" + "d" * 90) / ("name-" + "e" * 90)
    deep.mkdir(parents=True)
    (deep / ("f" * 120)).write_text("a path longer than any field")
    (root / "setuid").write_bytes(b"#!")
    os.chown(root / "setuid", 1000, 2000)
    os.chmod(root / "setuid", 0o6755)
    (root / "empty").touch(mode=0o000)
    (root / "big").write_bytes(os.urandom(MEBIBYTE + 333))
    (root / "block").write_bytes(b"x" * 512)
    os.link(root / "big", root / "usr" / "big-again")
    os.link(root / "big", root / "a-before-big")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "dangling").symlink_to("../" * 30 + "nowhere" + "n" * 120)
    os.lchown(root / "dangling", 7, 8)
    os.link(root / "dangling", root / "dangling-again", follow_symlinks=False)
    os.mkfifo(root / "fifo", 0o622)
    (Path(os.fsdecode(os.fsencode(root) + b"/not-utf-8-\xff\xfe"))).write_text("name")
    (root / "ümläut").symlink_to(os.fsdecode(b"\xe9t\xe9"))
    (root / "no-entry").mkdir(mode=0o000)
    (root / "sticky").mkdir()
    os.chmod(root / "sticky", 0o1777)
    with open(root / "sparse", "wb") as file:
        for position in (0, 300, 900, 4000):
            file.seek(position * 4096)
            file.write(b"data" * 1024)
        file.truncate(64 * MEBIBYTE)
    with open(root / "many-holes", "wb") as file:
        for position in range(60):
            file.seek(position * 16384)
            file.write(b"y" * 4096)
    with open(root / "only-hole", "wb") as file:
        file.truncate(3 * MEBIBYTE + 1)
    for index, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, ns=(0, 1_600_000_000_123_456_789 + index), follow_symlinks=False)
    os.utime(root / "block", ns=(0, -1_500_000_000))
    return root


def with_attributes(root: Path) -> None:
    os.setxattr(root / "setuid", "user.note", b"binary \0\n=\xff")
    os.setxattr(root / "setuid", "user.empty", b"")
    os.setxattr(root / "big", "security.capability", CAPABILITY)
    os.setxattr(root / "sticky", "user.on-directory", b"x" * 3000)


def unpacked(path: Path, *, limits: images.Limits | None = None) -> images.Layer:
    return images.resolve(Archive(str(path)), store_root=str(path.parent / "store"), limits=limits)


def from_bytes(tmp_path: Path, data: bytes, *, limits: images.Limits | None = None) -> images.Layer:
    (tmp_path / "rootfs.tar").write_bytes(data)
    return unpacked(tmp_path / "rootfs.tar", limits=limits)


def partials(tmp_path: Path) -> list[str]:
    """Whatever a failed unpacking left in the store."""
    return os.listdir(tmp_path / "store/layers")


def gnu_tar(*words: str | Path) -> None:
    subprocess.run(["tar", *words], check=True, capture_output=True)


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=gnu", "--sparse"],
        ["--format=pax"],
        ["--format=pax", "--xattrs", "--xattrs-include=*"],
        ["--format=pax", "--sparse", "--sparse-version=0.0"],
        ["--format=pax", "--sparse", "--sparse-version=0.1"],
        ["--format=pax", "--sparse", "--sparse-version=1.0", "--xattrs", "--xattrs-include=*"],
    ],
    ids=" ".join,
)
def test_a_tree_comes_out_as_gnu_tar_makes_it(tmp_path: Path, varied: Path, options: list[str]) -> None:
    if "--xattrs" in options:
        with_attributes(varied)
    path, expected = tmp_path / "rootfs.tar", tmp_path / "expected"
    gnu_tar(*options, "--sort=name", "-cpf", path, "-C", varied, ".")
    expected.mkdir()
    gnu_tar("--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", path, "-C", expected)
    layer = unpacked(path)
    assert look(layer.path) == look(expected)
    assert layer.warnings == ()
    if "--sparse" in options:
        assert os.stat(f"{layer.path}/sparse").st_blocks < 64 * 1024 * 1024 // 512 // 10
        assert os.stat(f"{layer.path}/only-hole").st_blocks == 0
    if "--xattrs" in options:
        assert os.getxattr(f"{layer.path}/a-before-big", "security.capability") == CAPABILITY


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_and_numbers_of_each_format_are_read(tmp_path: Path, format_: int) -> None:
    long = "p" * 60 + "/" + "q" * 90
    info = tarfile.TarInfo(long)
    info.uid, info.gid, info.mtime, info.mode = 0o7777777, 12, 8**11 - 1, 0o4711
    if format_ != tarfile.USTAR_FORMAT:
        info.uid, info.mtime = 4_000_000_000, 8**11 + 5  # too much for octal digits
    layer = from_bytes(tmp_path, tar_bytes(format_, (info, b"content")))
    status = os.stat(f"{layer.path}/{long}")
    assert (status.st_uid, status.st_gid, status.st_mtime, status.st_mode & 0o7777) == (
        info.uid,
        12,
        info.mtime,
        0o4711,
    )


def two_streams(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: compress(data[:1000]) + compress(data[1000:])


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in two streams, padded": lambda data: two_streams(gzip.compress)(data) + bytes(1 << 19),
    "bzip2": bz2.compress,
    "bzip2 in two streams": two_streams(bz2.compress),
    "xz": lzma.compress,
    "xz in two streams, padded": lambda data: two_streams(lzma.compress)(data) + bytes(8),
    "zstd": zstandard.compress,
    "zstd in two frames": two_streams(zstandard.compress),
    "zstd after a skippable frame": lambda data: b"\x50\x2a\x4d\x18\4\0\0\0skip" + zstandard.compress(data),
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compression_is_told_by_content(tmp_path: Path, compression: str) -> None:
    content = os.urandom(300_000) + bytes(2 * MEBIBYTE)
    data = archive(directory("etc/"), member("etc/file", data=content))
    layer = from_bytes(tmp_path, COMPRESSIONS[compression](data))
    assert Path(layer.path, "etc/file").read_bytes() == content


def damaged_in_the_middle(data: bytes) -> bytes:
    middle = len(data) * 3 // 4
    return data[:middle] + bytes(byte ^ 0x55 for byte in data[middle : middle + 64]) + data[middle + 64 :]


CHECKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


@pytest.mark.parametrize("compression", CHECKED)
@pytest.mark.parametrize("harm", [damaged_in_the_middle, lambda data: data[: len(data) * 2 // 3]], ids=["bits", "cut"])
def test_damage_is_found_and_leaves_nothing(tmp_path: Path, compression: str, harm: Callable[[bytes], bytes]) -> None:
    data = archive(*(member(f"file-{number}", data=os.urandom(40_000)) for number in range(40)))
    with pytest.raises(HostError, match=r"^cannot unpack rootfs .*rootfs\.tar: .*(damaged|truncated)"):
        from_bytes(tmp_path, harm(CHECKED[compression](data)))
    assert partials(tmp_path) == []


def test_every_truncation_is_found(tmp_path: Path) -> None:
    data = archive(directory("etc"), pax(record(b"path", b"etc/renamed")), member("x", data=b"1" * 700), end=b"")
    for length in range(0, len(data) + 1, 256):
        with pytest.raises(HostError, match=r"truncated|empty|not a tar archive"):
            from_bytes(tmp_path, data[:length])
    assert partials(tmp_path) == []
    assert from_bytes(tmp_path, data + bytes(512)).digest  # one zero block is a mark


def sparse_member(map_: bytes, *, size: bytes = b"10", data: bytes = b"12345") -> bytes:
    records = record(b"GNU.sparse.size", size) + record(b"GNU.sparse.map", map_)
    return pax(records) + member("sparse", data=data)


REFUSED: dict[str, tuple[bytes, str]] = {
    "up and out": (archive(member("../escape")), r"'\.\./escape' leads out of the root"),
    "up in the middle": (archive(member("a/../../escape")), "leads out of the root"),
    "up, absolute": (archive(member("/../escape")), "leads out of the root"),
    "directory up": (archive(directory("..")), "leads out of the root"),
    "hard link up": (archive(hard_link("inside", "../../outside")), "leads out of the root"),
    "hard link to the host": (
        archive(hard_link("inside", "/etc/passwd")),
        "is a hard link to 'etc/passwd', which is not",
    ),
    "hard link through a link": (
        archive(symlink("out", "/"), hard_link("inside", "out/etc/passwd")),
        "is a hard link to 'out/etc/passwd', which is not there",
    ),
    "root is a file": (archive(member(".", data=b"x")), "its root is not a directory"),
    "root is a link": (archive(symlink("./", "/etc")), "its root is not a directory"),
    "below a file": (archive(member("a"), member("a/b")), "'a' is used as a directory and is none"),
    "below a dangling link": (archive(symlink("a", "b"), member("a/c")), "is a link to nowhere"),
    "below a loop": (archive(symlink("a", "b"), symlink("b", "a"), member("a/c")), "too many levels"),
    "NUL in a name": (archive(pax(record(b"path", b"a\0b")), member("x")), "has a NUL in it"),
    "NUL in a link": (archive(pax(record(b"linkpath", b"a\0b")), symlink("x", "y")), "has a NUL in it"),
    "name too long": (archive(pax(record(b"path", b"a/" * 3000)), member("x")), "more than 4095 bytes"),
    "component too long": (archive(pax(record(b"path", b"a" * 256)), member("x")), "file name too long"),
    "too many components": (archive(pax(record(b"path", b"a/" * 2000)), member("x")), "more than 128 directories"),
    "nobody's user": (archive(pax(record(b"uid", b"4294967295")), member("x")), "4294967295 is no user or group"),
    "impossible time": (archive(pax(record(b"mtime", b"9" * 20)), member("x")), "impossible time"),
    "no number": (archive(pax(record(b"size", b"-1")), member("x")), "for a number"),
    "unknown type": (archive(member("x", b"Z")), r"'x' is of the unknown type b'Z'"),
    "pax record too long": (archive(pax(b"99 path=x\n"), member("x")), "pax header is damaged"),
    "pax record without end": (archive(pax(b"9 path=xx"), member("x")), "pax header is damaged"),
    "pax header too large": (archive(pax(b"", size=1 << 32)), "an extended header has more than"),
    "sparse beyond the size": (archive(sparse_member(b"8,5")), "map of a sparse file is damaged"),
    "sparse backwards": (archive(sparse_member(b"5,3,0,2")), "map of a sparse file is damaged"),
    "sparse with too little data": (archive(sparse_member(b"0,9")), "map of the sparse file 'sparse' is damaged"),
    "not tar": (b"#!/bin/sh\n" * 200, "it is not a tar archive"),
    "not even a block": (b"hello", "it is not a tar archive"),
    "zip": (b"PK\x03\x04" + bytes(2000), "it is a zip archive"),
    "nothing": (b"", "it is empty"),
    "no members": (bytes(10240), "it has no members"),
    "damaged header": (archive(member("a"), b"\1" + member("b")[1:]), "it is damaged at byte 512"),
    "terminal codes": (archive(member("../\x1b[2J")), r"'\.\./\\x1b\[2J' leads out"),
    "docker save": (archive(member("manifest.json"), directory("blobs")), "as `docker save` writes it"),
}


@pytest.mark.parametrize("attack", REFUSED)
def test_a_hostile_or_broken_archive_is_refused(tmp_path: Path, attack: str) -> None:
    data, reason = REFUSED[attack]
    with pytest.raises(HostError, match=reason) as failure:
        from_bytes(tmp_path, data)
    assert failure.value.message.startswith(f"cannot unpack rootfs {tmp_path}/rootfs.tar: ")
    assert partials(tmp_path) == []


def test_links_on_the_way_do_not_make_directories_of_any_depth(tmp_path: Path) -> None:
    level = "d/" * 50
    steps = [step for n in range(6) for step in (symlink(f"s{n}", f"s{n - 1}/{level}" if n else level),)]
    members = [directory(level)] + [part for n, step in enumerate(steps) for part in (step, directory(f"s{n}/{level}"))]
    with pytest.raises(HostError, match="more than 128 directories inside each other"):
        from_bytes(tmp_path, archive(*members))
    assert partials(tmp_path) == []


def test_an_absolute_name_and_links_stay_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    layer = from_bytes(
        tmp_path,
        archive(
            member("/etc/absolute", data=b"1"),
            symlink("abs", str(outside)),
            symlink("up", "../../../../../../../../" + str(outside)),
            directory(str(outside)),
            member("abs/through", data=b"2"),
            member("up/through-too", data=b"3"),
            symlink("etc/self", "/etc"),
            member("etc/self/again", data=b"4"),
        ),
    )
    assert os.listdir(outside) == []
    inside = Path(layer.path + str(outside))
    assert sorted(os.listdir(inside)) == ["through", "through-too"]
    assert Path(layer.path, "etc/absolute").read_bytes() == b"1"
    assert Path(layer.path, "etc/again").read_bytes() == b"4"


def test_a_file_does_not_go_through_the_link_it_replaces(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    layer = from_bytes(tmp_path, archive(symlink("x", str(victim)), member("x", data=b"new", mode=0o777)))
    assert victim.read_text() == "untouched"
    assert stat.S_IMODE(victim.stat().st_mode) != 0o777
    assert Path(layer.path, "x").read_text() == "new"


LAST_WINS: dict[str, tuple[list[bytes], dict[bytes, bytes | None]]] = {
    "file over file": ([member("a", data=b"1"), member("a", data=b"2")], {b"a": b"2"}),
    "file over link's target": (
        [member("t", data=b"1"), hard_link("a", "t"), member("a", data=b"2")],
        {b"t": b"1", b"a": b"2"},
    ),
    "file over directory": ([directory("a"), member("a/b"), member("a", data=b"2")], {b"a": b"2"}),
    "directory over file": ([member("a", data=b"1"), directory("a"), member("a/b", data=b"2")], {b"a/b": b"2"}),
    "directory over link": (
        [directory("real"), symlink("a", "real"), directory("a"), member("a/b", data=b"2")],
        {b"a/b": b"2", b"real/b": None},
    ),
    "directory over directory": ([directory("a"), member("a/b", data=b"1"), directory("a")], {b"a/b": b"1"}),
    "link's directory replaced while in use": (
        [directory("d"), member("d/b"), symlink("s", "d"), member("s/c"), member("s", data=b"2"), member("d/e")],
        {b"s": b"2", b"d/c": b"", b"d/e": b""},
    ),
    "link's directory exchanged while in use": (
        [directory("d"), directory("e"), symlink("s", "d"), member("s/1"), symlink("s", "e"), member("s/2", data=b"2")],
        {b"d/1": b"", b"e/2": b"2", b"d/2": None},
    ),
    "link replaced through itself": (
        [directory("d"), symlink("d/l", "."), member("d/l/l", data=b"2")],
        {b"d/l": b"2"},
    ),
    "hard link over itself": ([member("a", data=b"1"), hard_link("b", "a"), hard_link("b", "a")], {b"b": b"1"}),
    "hard link over file": ([member("a", data=b"1"), member("b", data=b"2"), hard_link("b", "a")], {b"b": b"1"}),
}


@pytest.mark.parametrize("case", LAST_WINS)
def test_the_last_of_several_members_with_one_name_wins(tmp_path: Path, case: str) -> None:
    members, expected = LAST_WINS[case]
    layer = from_bytes(tmp_path, archive(*members))
    for name, content in expected.items():
        path = Path(layer.path, os.fsdecode(name))
        assert (path.read_bytes() if path.exists() else None) == content


def test_a_replaced_directory_does_not_hand_its_permissions_on(tmp_path: Path) -> None:
    loop = [directory("l"), directory("l/x"), symlink("l", "l")]
    heir = [directory("b", mode=0o711), directory("b/x", mode=0o777)]
    replaced = [directory("a", mode=0o700), directory("a/x", mode=0o700)]
    layer = from_bytes(tmp_path, archive(*loop, *heir, *replaced, symlink("a", "b")))
    assert stat.S_IMODE(os.stat(f"{layer.path}/b").st_mode) == 0o711
    assert stat.S_IMODE(os.stat(f"{layer.path}/b/x").st_mode) == 0o777


def test_devices_are_left_out_but_for_whiteouts(tmp_path: Path) -> None:
    def node(name: str, type_: bytes, major: int, minor: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.type, info.devmajor, info.devminor = type_, major, minor
        return info.tobuf(tarfile.USTAR_FORMAT)

    layer = from_bytes(
        tmp_path,
        archive(
            node("dev/sda", tarfile.BLKTYPE, 8, 0),
            node("dev/mem", tarfile.CHRTYPE, 1, 1),
            node("gone", tarfile.CHRTYPE, 0, 0),
            node("zero-block", tarfile.BLKTYPE, 0, 0),
            member("etc/file"),
        ),
    )
    assert sorted(os.listdir(layer.path)) == ["etc", "gone"]
    status = os.lstat(f"{layer.path}/gone")
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    (warning,) = layer.warnings
    assert warning == "device nodes are left out: a container gets a /dev of its own ('dev/sda' and 2 more)"


def test_attributes_that_steer_the_host_are_left_out(tmp_path: Path) -> None:
    names = ["trusted.overlay.redirect", "user.overlay.opaque", "security.selinux", "user.kept"]
    records = b"".join(record(f"SCHILY.xattr.{name}".encode(), b"y") for name in names)
    layer = from_bytes(tmp_path, archive(pax(records), member("x"), pax(records), directory("d")))
    for name in "x", "d":
        assert os.listxattr(f"{layer.path}/{name}") == ["user.kept"]
    assert len(layer.warnings) == 3
    assert layer.warnings[0] == "the extended attribute 'trusted.overlay.redirect' is not kept ('x' and 1 more)"


def test_missing_directories_are_made_for_everyone_to_enter(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        layer = from_bytes(tmp_path, archive(member("a/b/c")))
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(os.stat(f"{layer.path}/{name}").st_mode) for name in (".", "a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o755, 0o755, 0o644]


SMALL = images.Limits(unpacked=4 * MEBIBYTE, ratio=10, ratio_applies_from=MEBIBYTE, members=100)
WINDOW_OF_A_GIBIBYTE = b"\x28\xb5\x2f\xfd\x00\xa0"  # RFC 8878: magic, frame header descriptor, window 2^(10+20)
BOMBS: dict[str, tuple[bytes, str]] = {
    "bytes": (archive(member("a", data=bytes(5 * MEBIBYTE))), "more than 4,194,304 bytes"),
    "ratio": (gzip.compress(archive(member("a", data=bytes(3 * MEBIBYTE)))), "more than 10 times its size"),
    "ratio of zstd": (
        zstandard.compress(archive(member("a", data=bytes(3 * MEBIBYTE)))),
        "more than 10 times its size",
    ),
    "after the end mark": (gzip.compress(archive(member("a")) + bytes(3 * MEBIBYTE)), "more than 10 times its size"),
    "holes": (archive(sparse_member(b"0,5", size=b"5000000")), "its files have more than 4,194,304 bytes"),
    "members": (archive(*(member(f"f{number}") for number in range(101))), "more members than"),
    "implied directories": (archive(*(member(f"d{n}/" * 30 + "f") for n in range(4))), "more members than"),
    "one member for ever": (archive(*(directory("d") for _ in range(101))), "more members than"),
    "window": (WINDOW_OF_A_GIBIBYTE + bytes(20), "compressed data is damaged .*memory"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_stopped_early(tmp_path: Path, bomb: str) -> None:
    data, reason = BOMBS[bomb]
    with pytest.raises(HostError, match=reason):
        from_bytes(tmp_path, data, limits=SMALL)
    assert partials(tmp_path) == []


def test_who_is_not_root_gets_the_files_and_is_told() -> None:
    info = tarfile.TarInfo("locked/file")
    info.uid, info.gid, info.mode = 12, 34, 0o640
    closed = tarfile.TarInfo("locked")
    closed.type, closed.mode, closed.uid = tarfile.DIRTYPE, 0o500, 12
    data = tar_bytes(tarfile.PAX_FORMAT, (closed, b""), (info, b"content"))

    def unpack() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        layer = from_bytes(Path(everyones), data)
        assert layer.warnings == ("owners are not kept: only root can give files away ('locked/' and 1 more)",)
        status = os.stat(f"{layer.path}/locked/file")
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (65534, 0o640)
        assert stat.S_IMODE(os.stat(f"{layer.path}/locked").st_mode) == 0o500

    with tempfile.TemporaryDirectory(prefix="pc-", dir="/tmp") as everyones:  # pytest's own are closed to others
        os.chmod(everyones, 0o777)
        run_in_child(unpack)
