"""Directory trees as archives, whatever happens to them meanwhile."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from composer.runtime import archive


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def written(path: Path, *, without: tuple[str, ...] = ()) -> tarfile.TarFile:
    output = io.BytesIO()
    with opened(path) as fd:
        archive.write_tree(fd, output, without=without)
    return tarfile.open(fileobj=io.BytesIO(output.getvalue()))


def test_what_is_not_wanted_is_left_out_with_all_below(tmp_path: Path) -> None:
    for name in ("var/lib/ours/secret", "var/lib/oursToo/x", "run/ours/x"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    with written(tmp_path, without=("/var/lib/ours", "/run/ours")) as made:
        assert made.getnames() == ["run", "var", "var/lib", "var/lib/oursToo", "var/lib/oursToo/x"]


def test_names_and_attributes_are_bytes(tmp_path: Path) -> None:
    name = b"caf\xe9\n"
    (tmp_path / os.fsdecode(name)).write_text("x")
    try:
        os.setxattr(tmp_path / os.fsdecode(name), "user.raw", b"\xff\0=\n")
    except OSError:
        pytest.skip("no extended attributes of users on this file system")
    with written(tmp_path) as made:
        [member] = made.getmembers()
        assert os.fsencode(member.name) == name
        assert member.pax_headers["SCHILY.xattr.user.raw"].encode("utf-8", "surrogateescape") == b"\xff\0=\n"


def test_a_file_that_shrinks_keeps_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5000)
    (tmp_path / "b").write_text("next")
    add = tarfile.TarFile.addfile

    def cut(self: tarfile.TarFile, info: tarfile.TarInfo, fileobj: io.BytesIO | None = None) -> None:
        if info.name == "a":
            os.truncate(tmp_path / "a", 100)
        add(self, info, fileobj)

    monkeypatch.setattr(tarfile.TarFile, "addfile", cut)
    with written(tmp_path) as made:
        content = made.extractfile("a")
        assert content is not None
        assert content.read() == b"x" * 100 + bytes(4900)
        assert made.getnames() == ["a", "b"]
