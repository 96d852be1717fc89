from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from composer.linux import mount as m
from composer.linux.libc import AT_RECURSIVE
from composer.linux.mount import MS_BIND, MS_PRIVATE, MS_REC
from composer.linux.namespaces import CLONE_NEWNS, unshare
from composer.linux.openat2 import open_in_root
from composer.linux.statfs import OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, filesystem_magic
from tests.linux.forked import errno_of, run_in_child

pytestmark = pytest.mark.root


def own_mount_namespace() -> None:
    unshare(CLONE_NEWNS)
    m.mount("", "/", flags=MS_REC | MS_PRIVATE)


def directory(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY)


def tmpfs(*, attributes: int = 0) -> int:
    context = m.fsopen("tmpfs")
    m.fsconfig_set_string(context, "mode", value="0700")
    m.fsconfig_create(context)
    return m.fsmount(context, attributes=attributes)


def test_mount_and_umount2(tmp_path: Path) -> None:
    def work() -> object:
        own_mount_namespace()
        m.mount("none", tmp_path, filesystem="tmpfs", flags=m.MS_NOSUID, data="size=64k")
        mounted = filesystem_magic(tmp_path), bool(os.statvfs(tmp_path).f_flag & os.ST_NOSUID)
        m.umount2(tmp_path)
        return mounted, filesystem_magic(tmp_path) == TMPFS_MAGIC and os.statvfs(tmp_path).f_blocks == 16

    assert run_in_child(work) == [[TMPFS_MAGIC, True], False]


def test_a_failed_mount_is_noted_as_a_call(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such device") as caught:
        m.mount("none", tmp_path, filesystem="nosuchfs", flags=m.MS_NODEV)
    assert caught.value.__notes__ == [f'mount("none", "{tmp_path}", "nosuchfs", 4, NULL)']


def test_a_null_byte_in_a_path_is_refused_before_the_kernel_sees_half_of_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        m.umount2(f"{tmp_path}\0/etc")


def test_a_detached_tmpfs_is_attached_to_a_descriptor(tmp_path: Path) -> None:
    def work() -> object:
        own_mount_namespace()
        m.move_mount(tmpfs(attributes=m.MOUNT_ATTR_NODEV), directory(f"{tmp_path}"))
        status = os.stat(tmp_path)
        return status.st_mode & 0o777, bool(os.statvfs(tmp_path).f_flag & os.ST_NODEV)

    assert run_in_child(work) == [0o700, True]


def test_a_failed_fsconfig_carries_the_kernels_own_words() -> None:
    context = m.fsopen("tmpfs")
    try:
        with pytest.raises(OSError, match="Invalid argument") as caught:
            m.fsconfig_set_string(context, "colour", value="blue")
    finally:
        os.close(context)
    call, message = caught.value.__notes__
    assert call == f'fsconfig({context}, 1, "colour", "blue", 0)'
    assert "Unknown parameter 'colour'" in message


def test_overlay_is_built_from_descriptors(tmp_path: Path) -> None:
    for name in ("lower", "lower2", "merged"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "kept").write_text("below")

    def work() -> object:
        own_mount_namespace()
        m.move_mount(tmpfs(), directory(f"{tmp_path}/lower2"))  # upper must be no overlay itself
        for name in ("upper", "work"):
            (tmp_path / "lower2" / name).mkdir()
        context = m.fsopen("overlay")
        m.fsconfig_set_fd(context, "lowerdir+", fd=directory(f"{tmp_path}/lower"))
        m.fsconfig_set_fd(context, "upperdir", fd=directory(f"{tmp_path}/lower2/upper"))
        m.fsconfig_set_fd(context, "workdir", fd=directory(f"{tmp_path}/lower2/work"))
        m.fsconfig_create(context)
        root = m.fsmount(context)
        m.move_mount(root, directory(f"{tmp_path}"), target="merged")
        (tmp_path / "merged" / "new").write_text("above")
        return (
            filesystem_magic(root),
            (tmp_path / "merged" / "kept").read_text(),
            (tmp_path / "lower2" / "upper" / "new").read_text(),
        )

    assert run_in_child(work) == [OVERLAYFS_SUPER_MAGIC, "below", "above"]
    assert not (tmp_path / "lower" / "new").exists()


def test_mount_setattr_makes_a_whole_tree_read_only(tmp_path: Path) -> None:
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "target").mkdir()

    def work() -> object:
        own_mount_namespace()
        m.mount("none", tmp_path / "source" / "deep", filesystem="tmpfs")
        tree = m.open_tree(tmp_path / "source", flags=m.OPEN_TREE_CLONE | AT_RECURSIVE)
        m.mount_setattr(tree, set=m.MOUNT_ATTR_RDONLY, propagation=MS_PRIVATE, recursive=True)
        m.move_mount(tree, directory(f"{tmp_path}/target"))
        return [
            errno_of(lambda where=where: (tmp_path / where / "file").touch())  # type: ignore[misc]
            for where in ("target", "target/deep", "source", "source/deep")
        ]

    assert run_in_child(work) == [errno.EROFS, errno.EROFS, 0, 0]


def test_a_clone_of_one_mount_leaves_out_those_below(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()

    def work() -> object:
        own_mount_namespace()
        m.mount("none", tmp_path / "deep", filesystem="tmpfs")
        tree = m.open_tree("", dir_fd=directory(f"{tmp_path}"))
        return filesystem_magic(open_in_root(tree, "deep")) == filesystem_magic(tmp_path)

    assert run_in_child(work) is True


def test_pivot_root_leaves_nothing_of_the_old_root(tmp_path: Path) -> None:
    (tmp_path / "marker").touch()

    def work() -> object:
        own_mount_namespace()
        m.mount(tmp_path, tmp_path, flags=MS_BIND | MS_REC)
        old_root = directory("/")
        os.chdir(tmp_path)
        m.pivot_root(".", ".")
        os.fchdir(old_root)
        m.mount("", ".", flags=m.MS_SLAVE | MS_REC)
        m.umount2(".", flags=m.MNT_DETACH)
        os.chdir("/")
        return sorted(os.listdir("/")), os.getcwd()

    assert run_in_child(work) == [["marker"], "/"]
