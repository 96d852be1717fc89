"""A container's file system as an archive: to look into, or to be the root file system of a service."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.root

TEXT = """
name: shop
services:
  web:
    rootfs: ROOT
    command: [sleep, "600"]
    stop_grace_period: 0s
    network_mode: none
    volumes: [data:/data]
    secrets: [key]
volumes:
  data:
secrets:
  key: {environment: KEY}
"""
CHANGES = """
echo changed > /etc/motd; rm /etc/group; ln /etc/motd /etc/again; mkdir -p /srv/dir; chmod 2750 /srv/dir
echo mine > /srv/owned; chown 1000:2000 /srv/owned; ln -s ../etc/motd /srv/link; mkfifo /srv/pipe; mknod /srv/null c 1 3
echo secret-of-the-volume > /data/file
"""


@pytest.fixture
def shop(pycompose: Pycompose, busybox_rootfs: Path) -> Pycompose:
    (pycompose.directory / "compose.yaml").write_text(TEXT.replace("ROOT", str(busybox_rootfs)))
    pycompose.environment["KEY"] = "filbert-20-77"
    pycompose("up", "-d")
    pycompose("exec", "-T", "web", "sh", "-c", CHANGES)
    return pycompose


def export(shop: Pycompose) -> bytes:
    done = subprocess.run(
        shop.argv("export", "web"), cwd=shop.directory, env=shop.environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: member for member in archive}


def test_an_export_is_what_is_the_containers_own(shop: Pycompose) -> None:
    archive = export(shop)
    members = listed(archive)
    assert "etc/group" not in members
    assert {members["etc/motd"].type, members["etc/again"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert (members["srv/owned"].uid, members["srv/owned"].gid) == (1000, 2000)
    assert members["srv/dir"].mode == 0o2750
    assert members["srv/link"].linkname == "../etc/motd"
    assert (members["srv/null"].devmajor, members["srv/null"].devminor) == (1, 3)
    assert "bin/busybox" in members
    mounted = ("data/", "proc/", "sys/", "dev/pts", "run/secrets/key/")
    assert [name for name in members if name.startswith(mounted)] == []
    assert b"secret-of-the-volume" not in archive
    assert shop.environment["KEY"].encode() not in archive

    shop("stop")
    stopped = listed(export(shop))
    assert {name: (it.mode, it.uid, it.size) for name, it in stopped.items()} == {
        name: (it.mode, it.uid, it.size) for name, it in members.items()
    }
    shop("export", "-o", "web.tar", "web")
    assert listed((shop.directory / "web.tar").read_bytes()).keys() == members.keys()


def test_what_was_committed_is_the_root_of_a_service(shop: Pycompose) -> None:
    done = shop("commit", "-m", "as it was", "-a", "Ada", "web", "kept.tar")
    path = shop.directory / "kept.tar"
    assert done.stdout == f"{path}\n"
    actions = [
        json.loads(line)["action"]
        for line in shop("events", "--json", "--since", "0", "--until", "0s").stdout.splitlines()
    ]
    assert [action for action in actions if "pause" in action] == ["pause", "unpause"]
    with tarfile.open(path) as archive:
        assert archive.next() is not None
        assert archive.pax_headers["comment"] == "as it was\nauthor: Ada"

    text = (shop.directory / "compose.yaml").read_text()
    again = f"name: again\nservices:\n  web: {{rootfs: {path}, command: [sleep, '600'], network_mode: none}}\n"
    (shop.directory / "again.yaml").write_text(again)
    shop("-f", "again.yaml", "up", "-d")
    look = "cat /etc/motd /srv/link; stat -c '%u %g %a %h' /srv/owned /srv/dir /etc/again; ls /data /etc/group"
    shown = shop("-f", "again.yaml", "exec", "-T", "web", "sh", "-c", look, check=False)
    assert shown.stdout == "changed\nchanged\n1000 2000 644 1\n0 0 2750 2\n0 0 644 2\n/data:\n"
    shop("-f", "again.yaml", "down", "-t", "0")
    assert (shop.directory / "compose.yaml").read_text() == text


def test_a_commit_pauses_or_not_and_leaves_nothing_half(shop: Pycompose) -> None:
    shop("commit", "--pause=false", "web")
    assert (shop.directory / "shop-web-1.tar").exists()
    shop("pause")
    shop("commit", "web", "paused.tar")
    assert json.loads(shop("inspect", "web").stdout)[0]["State"]["Paused"] is True  # as it was before
    shop("unpause")
    before = sorted(os.listdir(shop.directory))
    refused = shop("commit", "-c", "CMD x", "web", check=False)
    assert "an archive of a root file system has no settings" in refused.stderr
    refused = shop("export", "-o", "nowhere/x.tar", "web", check=False)
    assert "cannot write" in refused.stderr
    assert "nowhere/x.tar: No such file or directory" in refused.stderr
    refused = shop("export", "wbe", check=False)
    assert "did you mean web?" in refused.stderr
    assert sorted(os.listdir(shop.directory)) == before
