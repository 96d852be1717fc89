"""As whom a process runs: a table of users, and files that are not what they should be."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from composer.errors import HostError
from composer.runtime.identity import Identity, resolve_in
from tests.runtime.containers import Machine

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
app:x:1000:1000::/home/app:/bin/sh
2000:x:55:55::/home/digits:/bin/sh
short:x:7:8
nohome:x:9:9:::
"""
GROUP = b"""root:x:0:
app:x:1000:
extra:x:2000:app,other
more:x:2001:app
4000:x:66:
bare:x:77
"""

TABLE: list[tuple[str, tuple[str, ...], Identity]] = [
    ("", (), Identity(0, 0, (), "/root")),
    ("root", (), Identity(0, 0, (), "/root")),
    ("0", (), Identity(0, 0, (), "/root")),
    ("app", (), Identity(1000, 1000, (2000, 2001), "/home/app")),
    ("1000", (), Identity(1000, 1000, (2000, 2001), "/home/app")),
    ("01000", (), Identity(1000, 1000, (2000, 2001), "/home/app")),
    ("1234", (), Identity(1234, 0, (), "/")),
    ("app:extra", (), Identity(1000, 2000, (), "/home/app")),
    ("app:9", (), Identity(1000, 9, (), "/home/app")),
    ("1234:1", (), Identity(1234, 1, (), "/")),
    ("2000", (), Identity(2000, 0, (), "/")),
    ("app:4000", (), Identity(1000, 4000, (), "/home/app")),
    ("short", (), Identity(7, 8, (), "/")),
    ("nohome", (), Identity(9, 9, (), "/")),
    ("app:bare", (), Identity(1000, 77, (), "/home/app")),
    ("1234", ("extra", "5"), Identity(1234, 0, (2000, 5), "/")),
    ("app", ("extra", "root"), Identity(1000, 1000, (2000, 2001, 0), "/home/app")),
    ("2147483647:2147483647", (), Identity(2147483647, 2147483647, (), "/")),
]


@pytest.mark.parametrize(("user", "groups", "expected"), TABLE)
def test_users_and_groups_are_those_of_docker(user: str, groups: tuple[str, ...], expected: Identity) -> None:
    assert resolve_in(user, groups=groups, passwd=PASSWD, group=GROUP) == expected


REFUSED = [
    *("nobody", "app:nobody", ":", ":0", "app:", "app:1:2", "1000:", "2147483648", "0:2147483648", "99999999999999"),
    *("0x0", "-1", "+0", " 0", "0 ", "1e3", "0:-1", "1_0", "²", "٠", "9" * 5000),
]


@pytest.mark.parametrize("user", REFUSED)
def test_what_is_not_a_user_never_becomes_one(user: str) -> None:
    with pytest.raises(HostError, match="cannot run as"):
        resolve_in(user, groups=(), passwd=PASSWD, group=GROUP)


@pytest.mark.parametrize("group", ["nobody", "", "-1", "1:2", "4294967296"])
def test_an_unknown_supplementary_group_is_an_error(group: str) -> None:
    with pytest.raises(HostError, match="cannot run as group"):
        resolve_in("app", groups=(group,), passwd=PASSWD, group=GROUP)


HOSTILE = [
    pytest.param(b"bad:x:zero:0::/:\n", id="a uid that is no number"),
    pytest.param(b"bad:x::0::/:\n", id="no uid"),
    pytest.param(b"bad:x:0:\n", id="no gid"),
    pytest.param(b"bad:x:-1:0::/:\n", id="a negative uid"),
    pytest.param(b"bad:x:4294967296:0::/:\n", id="a uid that would wrap around to 0"),
    pytest.param(b"bad:x:0x0:0::/:\n", id="a uid in hexadecimal"),
    pytest.param(b"bad:x: 0:0::/:\n", id="a uid with a space"),
    pytest.param("bad:x:٠:0::/:\n".encode(), id="a digit of another script"),
    pytest.param(b"+bad:x:0:0::/:\n", id="an entry of NIS"),
    pytest.param(b"bad\n", id="a name alone"),
    pytest.param(b":x:0:0::/:\nbad" + b"x" * 100_000, id="no name, then a long line"),
    pytest.param(b"\xff\xfe\x00bad:x:0:0::/:\n", id="not text"),
]


@pytest.mark.parametrize("passwd", HOSTILE)
def test_a_damaged_entry_does_not_count(passwd: bytes) -> None:
    with pytest.raises(HostError, match="cannot run as user 'bad': it is not in /etc/passwd"):
        resolve_in("bad", groups=(), passwd=passwd, group=b"")


def test_a_damaged_entry_does_not_hide_a_good_one() -> None:
    passwd = b"\xff:::::\nbad\napp:x:nope:0::/:\napp:x:1000:1000::/home/app:/bin/sh\n"
    assert resolve_in("app", groups=(), passwd=passwd, group=b"").uid == 1000


@pytest.mark.root
class TestInContainers:
    @pytest.fixture
    def etc(self, machine: Machine, tmp_path: Path) -> Path:
        machine.rootfs = Path(shutil.copytree(machine.rootfs, tmp_path / "rootfs", symlinks=True))
        return machine.rootfs / "etc"

    def test_a_user_is_who_it_should_be(self, machine: Machine) -> None:
        ended = machine.sh("id -u; id -g; echo $HOME; id -G", user="app", groups=("extra", "7"))
        assert ended.lines[:3] == ["1000", "1000", "/home/app"]
        assert set(ended.lines[3].split()) == {"1000", "2000", "7"}

    def test_home_is_the_users_own_choice_first(self, machine: Machine) -> None:
        assert machine.sh("echo $HOME", user="app", env=(("HOME", "/else"),)).lines == ["/else"]

    def test_an_unknown_user_is_named(self, machine: Machine) -> None:
        with pytest.raises(HostError, match=r"start container .*: cannot run as user 'bob': it is not in /etc/passwd"):
            machine.run("true", user="bob")

    def test_a_link_out_of_the_image_is_not_followed(self, machine: Machine, etc: Path, tmp_path: Path) -> None:
        (tmp_path / "passwd").write_text("bob:x:1:1::/:\n")
        (etc / "passwd").unlink()
        (etc / "passwd").symlink_to(tmp_path / "passwd")
        with pytest.raises(HostError, match="cannot run as user 'bob'"):
            machine.run("true", user="bob")

    @pytest.mark.parametrize("kind", ["fifo", "directory"])
    def test_what_is_no_file_is_not_read(self, machine: Machine, etc: Path, kind: str) -> None:
        (etc / "passwd").unlink()
        if kind == "fifo":
            os.mkfifo(etc / "passwd")
        else:
            (etc / "passwd").mkdir()
        with pytest.raises(HostError, match="/etc/passwd of the root file system is not a regular file"):
            machine.run("true", user="app")

    def test_a_huge_file_is_read_in_part(self, machine: Machine, etc: Path) -> None:
        with open(etc / "passwd", "ab") as file:
            file.truncate(1 << 40)
        assert machine.sh("id -u", user="app").lines == ["1000"]

    def test_no_file_at_all_is_enough_for_numbers(self, machine: Machine, etc: Path) -> None:
        (etc / "passwd").unlink()
        (etc / "group").unlink()
        assert machine.sh("id -u; id -g; echo $HOME", user="12:13").lines == ["12", "13", "/"]
