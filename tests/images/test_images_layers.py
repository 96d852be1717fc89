"""A layer is unpacked once, is whole or not there, and goes when nobody uses it, whoever dies meanwhile."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from composer import images
from composer.errors import FileNotFound, HostError
from composer.images.stream import BLOCK
from composer.spec.rootfs import Archive, Directory, HostRoot
from tests.images.hostile import archive, directory, member
from tests.linux.forked import run_in_child

pytestmark = pytest.mark.root

CONTENT = archive(directory("etc"), member("etc/file", data=b"content" * 100_000), member("last"))


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def resolve(path: Path, store: Path, progress: images.Progress | None = None) -> images.Layer:
    return images.resolve(Archive(str(path)), store_root=str(store), progress=progress)


def in_store(store: Path) -> list[str]:
    return sorted(os.listdir(store / "layers"))


def never(done: int, total: int) -> None:
    raise AssertionError("the archive is read again")


def test_the_hosts_root_is_a_layer_as_it_is(store: Path) -> None:
    assert images.resolve(HostRoot(), store_root=str(store)) == images.Layer("/")
    assert not store.exists()


def test_a_directory_is_a_layer_under_its_real_name(tmp_path: Path, store: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    assert images.resolve(Directory(str(link)), store_root=str(store)) == images.Layer(str(real))
    assert not store.exists()


def test_what_is_there_decides_what_it_is(rootfs: Path, tmp_path: Path, store: Path) -> None:
    (tmp_path / "directory.tar").mkdir()
    assert resolve(tmp_path / "directory.tar", store).digest is None
    assert images.resolve(Directory(str(rootfs)), store_root=str(store)).digest is not None


def test_what_cannot_be_a_rootfs_is_named(tmp_path: Path, store: Path) -> None:
    with pytest.raises(FileNotFound, match=r"^cannot use rootfs .*/missing: there is no such file or directory$"):
        resolve(tmp_path / "missing", store)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(HostError, match="neither a directory nor a tar archive"):
        resolve(tmp_path / "fifo", store)
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="not a directory"):
        resolve(tmp_path / "file/below", store)


def test_an_archive_is_unpacked_under_its_digest(rootfs: Path, store: Path) -> None:
    seen: list[tuple[int, int]] = []
    layer = resolve(rootfs, store, lambda done, total: seen.append((done, total)))
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert layer == images.Layer(str(store / "layers" / digest / "rootfs"), digest)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) == -(-len(CONTENT) // BLOCK)
    assert stat.S_IMODE(os.stat(store / "layers").st_mode) == 0o700
    (stored,) = images.LayerStore(str(store)).layers()
    assert (stored.digest, stored.path) == (layer.digest, layer.path)
    assert (stored.record.size, stored.record.members, stored.record.archive) == (700_000, 3, str(rootfs))


def test_an_unchanged_archive_is_not_read_again(rootfs: Path, store: Path) -> None:
    first = resolve(rootfs, store)
    os.truncate(rootfs, len(CONTENT))  # the change time is another now, the content is not
    before = os.stat(first.path).st_ino
    assert resolve(rootfs, store, never).path == first.path
    rootfs.chmod(0)
    source = Archive(str(rootfs))
    assert images.resolve(source, store_root=str(store), progress=never).digest == first.digest
    assert images.current_digest(source, store_root=str(store)) == first.digest
    assert os.stat(first.path).st_ino == before


def test_resolving_again_opens_nothing(rootfs: Path, store: Path) -> None:
    resolve(rootfs, store)

    def opened() -> list[str]:
        """In a child, since an audit hook stays for good."""
        paths: list[str] = []
        sys.addaudithook(lambda event, arguments: paths.append(str(arguments)) if event == "open" else None)
        resolve(rootfs, store)
        return paths.copy()

    assert run_in_child(opened) == []


def test_a_copy_is_hashed_and_not_unpacked(rootfs: Path, store: Path, tmp_path: Path) -> None:
    first = resolve(rootfs, store)
    shutil.copy(rootfs, tmp_path / "copy.tar")
    assert resolve(tmp_path / "copy.tar", store, never) == first


def test_a_changed_archive_is_another_layer(rootfs: Path, store: Path) -> None:
    first = resolve(rootfs, store)
    status = rootfs.stat()
    with open(rootfs, "r+b") as file:  # same inode, same size, and the modification time set back
        file.write(archive(directory("usr"))[:512])
    os.utime(rootfs, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = images.current_digest(Archive(str(rootfs)), store_root=str(store))
    second = resolve(rootfs, store)
    assert second.digest == changed != first.digest
    assert "usr" in os.listdir(second.path)
    assert "usr" not in os.listdir(first.path)


def test_an_archive_that_changes_meanwhile_is_refused(rootfs: Path, store: Path) -> None:
    def touch(done: int, total: int) -> None:
        os.truncate(rootfs, total)

    with pytest.raises(HostError, match="it was changed while it was read"):
        resolve(rootfs, store, touch)
    assert in_store(store) == []


def test_what_progress_raises_ends_it_and_leaves_nothing(rootfs: Path, store: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve(rootfs, store, interrupt)
    assert in_store(store) == []


@contextmanager
def process(work: Callable[[], object]) -> Iterator[int]:
    """A forked child doing `work`, its exit status 0 if that returned; killed and reaped at the end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def succeeded(pid: int) -> bool:
    """Whether a child ends well; it stays to be reaped."""
    status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert status is not None
    return status.si_code == os.CLD_EXITED and status.si_status == 0


class Pause:
    """Progress that tells when the first block was read, and waits to be let on."""

    def __init__(self) -> None:
        self.reached, self._tell = os.pipe()
        self._wait, self.go_on = os.pipe()

    def __call__(self, done: int, total: int) -> None:
        if done <= BLOCK:
            os.write(self._tell, b"x")
            os.read(self._wait, 1)

    def wait_until_reached(self) -> None:
        assert os.read(self.reached, 1) == b"x"

    def close(self) -> None:
        for descriptor in (self.reached, self._tell, self._wait, self.go_on):
            os.close(descriptor)


@pytest.fixture
def pause() -> Iterator[Pause]:
    pause = Pause()
    yield pause
    pause.close()


def wait_until_blocked_on_a_lock(pid: int) -> None:
    """/proc/locks shows who waits with an arrow; there is no event for it."""
    deadline = time.monotonic() + 10
    while not any("->" in line and f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < deadline, f"process {pid} never waited for a lock"
        time.sleep(0.005)  # not synchronisation: the pace of looking


def test_a_second_process_waits_for_the_first_and_takes_its_layer(rootfs: Path, store: Path, pause: Pause) -> None:
    with process(lambda: resolve(rootfs, store, pause)) as first:
        pause.wait_until_reached()
        with process(lambda: resolve(rootfs, store, never)) as second:
            wait_until_blocked_on_a_lock(second)
            os.write(pause.go_on, b"x")
            assert succeeded(first)
            assert succeeded(second)
    assert in_store(store) == [".archives", hashlib.sha256(CONTENT).hexdigest()]


def test_two_names_of_one_content_meet_in_one_layer(rootfs: Path, store: Path, pause: Pause, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tar"
    shutil.copy(rootfs, copy)
    with process(lambda: resolve(rootfs, store, pause)) as first:
        pause.wait_until_reached()
        layer = resolve(copy, store)  # not the same file: nobody to wait for
        os.write(pause.go_on, b"x")
        assert succeeded(first)
    assert in_store(store) == [".archives", layer.digest]


def test_the_next_takes_over_when_the_first_is_killed(rootfs: Path, store: Path, pause: Pause) -> None:
    with process(lambda: resolve(rootfs, store, pause)) as first:
        pause.wait_until_reached()
        with process(lambda: resolve(rootfs, store)) as second:
            wait_until_blocked_on_a_lock(second)
            os.kill(first, signal.SIGKILL)
            assert succeeded(second)
    assert in_store(store) == [".archives", hashlib.sha256(CONTENT).hexdigest()]


@pytest.mark.parametrize("killed_at", range(0, len(CONTENT), BLOCK))
def test_what_a_killed_process_leaves_is_removed(rootfs: Path, store: Path, killed_at: int, tmp_path: Path) -> None:
    def die(done: int, total: int) -> None:
        if done > killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with process(lambda: resolve(rootfs, store, die)) as first:
        assert not succeeded(first)
    (left,) = in_store(store)
    assert left.startswith(".partial-")
    other = tmp_path / "other.tar"
    other.write_bytes(archive(directory("usr")))
    digest = resolve(other, store).digest
    assert in_store(store) == [".archives", digest]
    assert Path(resolve(rootfs, store).path, "etc/file").read_bytes() == b"content" * 100_000


def test_who_is_at_work_is_not_swept_away(rootfs: Path, store: Path, pause: Pause) -> None:
    with process(lambda: resolve(rootfs, store, pause)) as first:
        pause.wait_until_reached()
        images.LayerStore(str(store)).remove_unused(())
        os.write(pause.go_on, b"x")
        assert succeeded(first)
    assert in_store(store) == [".archives", hashlib.sha256(CONTENT).hexdigest()]


def test_unused_layers_are_removed_and_used_ones_stay(rootfs: Path, store: Path, tmp_path: Path) -> None:
    layers = images.LayerStore(str(store))
    assert layers.layers() == layers.remove_unused(()) == ()
    used = resolve(rootfs, store)
    other = tmp_path / "other.tar"
    other.write_bytes(archive(directory("usr")))
    unused = resolve(other, store)
    assert used.digest is not None
    assert [layer.digest for layer in layers.remove_unused({used.digest})] == [unused.digest]
    assert in_store(store) == [".archives", used.digest]
    assert len(os.listdir(store / "layers/.archives")) == 1
    assert resolve(rootfs, store, never) == used
    assert resolve(other, store).digest == unused.digest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,nr_inodes=40", "none", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize(
    "data", [CONTENT, archive(*(directory(f"d{number}") for number in range(60)))], ids=["bytes", "inodes"]
)
def test_a_full_disk_is_told_and_left_as_it_was(small_disk: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "rootfs.tar").write_bytes(data)
    free = os.statvfs(small_disk).f_bfree
    with pytest.raises(HostError, match=r"^cannot unpack rootfs .*rootfs\.tar: no space left on device \(at "):
        resolve(tmp_path / "rootfs.tar", small_disk)
    assert in_store(small_disk) == []
    assert os.statvfs(small_disk).f_bfree >= free - 1  # the page of layers/ itself


def test_a_store_that_cannot_be_written_is_told(rootfs: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(HostError, match=r"^cannot unpack rootfs .*: read-only file system"):
        resolve(rootfs, small_disk)
