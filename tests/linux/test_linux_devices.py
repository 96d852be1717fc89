"""Terminals, file events and the loopback interface."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.linux import inotify as i
from composer.linux.mount import fsconfig_create, fsconfig_set_string, fsmount, fsopen
from composer.linux.namespaces import CLONE_NEWNET, unshare
from composer.linux.netdevice import set_interface_up
from composer.linux.pty import open_pty, pty_number, set_controlling_terminal
from tests.linux.forked import errno_of, run_in_child


class TestPty:
    @pytest.fixture
    def devpts(self) -> Iterator[int]:
        context = fsopen("devpts")
        fsconfig_set_string(context, "ptmxmode", value="0666")
        fsconfig_create(context)
        fd = fsmount(context)
        os.close(context)
        yield fd
        os.close(fd)

    @pytest.mark.root
    def test_a_pair_of_a_new_devpts_carries_bytes_and_sizes(self, devpts: int) -> None:
        master, peer = open_pty(devpts)
        try:
            os.write(master, b"hello\n")
            assert os.read(peer, 100) == b"hello\n"
            termios.tcsetwinsize(master, (24, 80))
            assert termios.tcgetwinsize(peer) == (24, 80)
            assert pty_number(master) == 0
            assert os.stat("0", dir_fd=devpts).st_rdev == os.fstat(peer).st_rdev
            assert not os.get_inheritable(master)
            assert not os.get_inheritable(peer)
        finally:
            os.close(master)
            os.close(peer)

    @pytest.mark.root
    def test_the_session_leader_gets_its_terminal(self, devpts: int) -> None:
        def work() -> object:
            master, peer = open_pty(devpts)
            os.setsid()
            without = errno_of(lambda: os.close(os.open("/dev/tty", os.O_RDWR)))
            set_controlling_terminal(peer)
            tty = os.open("/dev/tty", os.O_RDWR)
            os.write(tty, b"x")
            return without, os.read(master, 1) == b"x", os.tcgetpgrp(peer) == os.getpid()

        assert run_in_child(work) == [errno.ENXIO, True, True]

    def test_a_directory_that_is_no_devpts_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "ptmx").touch()
        fd = os.open(tmp_path, os.O_PATH)
        assert errno_of(lambda: open_pty(fd)) == errno.EXDEV
        os.close(fd)


class TestInotify:
    def test_events_of_a_directory(self, tmp_path: Path) -> None:
        fd = i.inotify_init1()
        try:
            assert i.read_events(fd) == []
            wd = i.inotify_add_watch(fd, tmp_path, mask=i.IN_CREATE | i.IN_CLOSE_WRITE | i.IN_ONLYDIR)
            (tmp_path / "grün").touch()
            (tmp_path / "sub").mkdir()
            assert select.select([fd], [], [], 10)[0] == [fd]
            assert i.read_events(fd) == [
                i.Event(wd, i.IN_CREATE, 0, "grün"),
                i.Event(wd, i.IN_CLOSE_WRITE, 0, "grün"),
                i.Event(wd, i.IN_CREATE | i.IN_ISDIR, 0, "sub"),
            ]
            i.inotify_rm_watch(fd, wd)
            assert i.read_events(fd) == [i.Event(wd, i.IN_IGNORED, 0, "")]
        finally:
            os.close(fd)

    def test_a_watched_file_has_no_name(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        fd = i.inotify_init1()
        try:
            wd = i.inotify_add_watch(fd, tmp_path / "file", mask=i.IN_MODIFY)
            (tmp_path / "file").write_text("changed")
            assert i.read_events(fd) == [i.Event(wd, i.IN_MODIFY, 0, "")]
        finally:
            os.close(fd)

    def test_a_missing_file_is_noted(self, tmp_path: Path) -> None:
        fd = i.inotify_init1()
        try:
            with pytest.raises(FileNotFoundError) as caught:
                i.inotify_add_watch(fd, tmp_path / "missing", mask=i.IN_MODIFY)
            assert caught.value.__notes__ == [f'inotify_add_watch({fd}, "{tmp_path}/missing", 2)']
        finally:
            os.close(fd)

    def test_an_overflow_has_no_watch(self) -> None:
        buffer = struct.pack("=iIII", -1, i.IN_Q_OVERFLOW, 0, 0)
        assert i.decode_events(buffer) == [i.Event(-1, i.IN_Q_OVERFLOW, 0, "")]


@pytest.mark.root
class TestNetdevice:
    def test_loopback_comes_up_in_a_new_namespace(self) -> None:
        def work() -> object:
            unshare(CLONE_NEWNET)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
                server.bind(("127.0.0.1", 0))
                server.listen()
                with socket.socket() as client:
                    before = client.connect_ex(server.getsockname())
                set_interface_up("lo")
                with socket.socket() as client:
                    return before != 0, client.connect_ex(server.getsockname())

        assert run_in_child(work) == [True, 0]

    def test_an_unknown_interface_is_noted(self) -> None:
        with pytest.raises(OSError, match="No such device") as caught:
            set_interface_up("nosuch0")
        assert caught.value.__notes__ == ["ioctl(SIOCSIFFLAGS, nosuch0)"]
