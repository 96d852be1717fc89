from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.linux.libc import AT_FDCWD, libc_function
from composer.linux.openat2 import (
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    make_directories,
    make_file,
    open_in_root,
    openat2,
)
from tests.linux.forked import errno_of

RENAME_EXCHANGE = 2


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def where(fd: int, tmp_path: Path) -> str:
    """The path of `fd` below `tmp_path`; closes it."""
    try:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), tmp_path.resolve())
    finally:
        os.close(fd)


LINKS_OUT = {
    "absolute": "/outside",
    "climbing": "../outside",
    "climbing-far": "../../../../../../../../outside",
}


@pytest.mark.parametrize("target", LINKS_OUT.values(), ids=LINKS_OUT)
def test_a_link_out_of_the_root_stays_in_it(root: int, tmp_path: Path, target: str) -> None:
    (tmp_path / "root" / "link").symlink_to(target)
    assert errno_of(lambda: open_in_root(root, "link")) == errno.ENOENT
    (tmp_path / "root" / "outside").mkdir()
    assert where(open_in_root(root, "/link"), tmp_path) == "root/outside"


@pytest.mark.parametrize("target", LINKS_OUT.values(), ids=LINKS_OUT)
def test_directories_are_made_through_dangling_links_inside_the_root_only(
    root: int, tmp_path: Path, target: str
) -> None:
    (tmp_path / "root" / "sub").mkdir()
    (tmp_path / "root" / "sub" / "link").symlink_to(target)
    assert where(make_directories(root, "/sub/link/a/b"), tmp_path) == "root/outside/a/b"
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_swapped_in_meanwhile_leads_nowhere_else(root: int, tmp_path: Path) -> None:
    """CVE-2024-45310: a container swaps a directory for a link to the host while the runtime makes one below."""
    inside, outside = tmp_path / "root", tmp_path / "outside"
    (inside / "link").symlink_to(outside)
    (inside / "dir").mkdir()
    attacker = os.fork()
    if attacker == 0:
        swap_for_ever(inside)
    made = 0
    try:
        for number in range(300):
            try:
                os.close(make_directories(root, f"dir/{number}/below"))
                made += 1
            except OSError:
                continue
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)
    assert made
    assert list(outside.iterdir()) == []


def swap_for_ever(inside: Path) -> None:
    """Let `dir` be by turns the directory and the link."""
    exchange = libc_function("renameat2", *(ctypes.c_int, ctypes.c_char_p) * 2, ctypes.c_uint)
    names = (AT_FDCWD, os.fsencode(inside / "dir"), AT_FDCWD, os.fsencode(inside / "link"), RENAME_EXCHANGE)
    try:
        while True:
            exchange(*names)
    finally:
        os._exit(1)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("", "root"),
        ("/", "root"),
        ("a", "root/a"),
        ("/a//b/./c/", "root/a/b/c"),
        ("a/../b", "root/b"),
        ("../../x", "root/x"),
    ],
)
def test_missing_directories_are_made(root: int, tmp_path: Path, path: str, made: str) -> None:
    assert where(make_directories(root, path), tmp_path) == made
    assert (tmp_path / made).is_dir()


def test_only_missing_directories_get_the_mode(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "old").mkdir(mode=0o700)
    os.close(make_directories(root, "old/new", mode=0o711))
    modes = [stat.S_IMODE((tmp_path / "root" / name).stat().st_mode) for name in ("old", "old/new")]
    assert modes == [0o700, 0o711]


def test_a_link_that_leads_to_itself_is_an_error(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "loop").symlink_to("loop")
    assert errno_of(lambda: make_directories(root, "loop/a")) == errno.ELOOP


def test_a_link_that_grows_at_every_step_is_an_error(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "grow").symlink_to("grow/missing/..")
    assert errno_of(lambda: make_directories(root, "grow")) == errno.ELOOP


def test_a_file_in_the_way_is_an_error(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "file").touch()
    assert errno_of(lambda: make_directories(root, "file")) == errno.ENOTDIR
    assert errno_of(lambda: make_directories(root, "file/below")) == errno.ENOTDIR


@pytest.mark.parametrize("target", ["/etc/real", "../../etc/real"])
def test_a_file_is_made_through_a_dangling_link_inside_the_root_only(root: int, tmp_path: Path, target: str) -> None:
    (tmp_path / "root" / "link").symlink_to(target)
    assert where(make_file(root, "link"), tmp_path) == "root/etc/real"
    assert (tmp_path / "root" / "etc" / "real").read_bytes() == b""


def test_an_existing_file_is_left_as_it_is(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "file").write_text("kept")
    assert where(make_file(root, "/file"), tmp_path) == "root/file"
    assert (tmp_path / "root" / "file").read_text() == "kept"


def test_a_directory_is_no_place_for_a_file(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "dir").mkdir()
    for path in ("dir", "dir/", "/", "missing/.."):
        assert errno_of(lambda path=path: make_file(root, path)) == errno.EISDIR  # type: ignore[misc]


def test_resolve_flags_and_the_note(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "link").symlink_to("/etc")
    assert errno_of(lambda: openat2("link", os.O_PATH, dir_fd=root, resolve=RESOLVE_BENEATH)) == errno.EXDEV
    with pytest.raises(OSError, match="Too many levels") as caught:
        openat2("link/x", os.O_PATH, dir_fd=root, resolve=RESOLVE_NO_SYMLINKS)
    assert caught.value.__notes__ == [f'openat2({root}, "link/x", {{...}}, 24)']


def test_descriptors_are_close_on_exec_and_none_is_left(root: int, tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    made = make_directories(root, "a/b/c")
    assert not os.get_inheritable(made)
    os.close(made)
    os.close(make_file(root, "a/b/d/e"))
    errno_of(lambda: make_file(root, "a"))
    errno_of(lambda: make_directories(root, "a/b/d/e/f"))
    assert os.listdir("/proc/self/fd") == before
