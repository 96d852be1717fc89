"""Whatever an archive says, nothing outside the target is touched, and the reader agrees with the one of Python."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer import images
from composer.errors import HostError
from composer.images import tar
from composer.images.stream import BadArchive, Stream
from composer.spec.rootfs import Archive
from tests.images.hostile import archive, look, member, pax, record, tar_bytes

pytestmark = pytest.mark.root

TYPES = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
EXAMPLES = 150

# Few names, so that members meet: replace, go through and point at each other, and reach for the sentinel.
components = st.sampled_from(["a", "b", "c", ".", "..", "", "outside", "sentinel"])
names = st.lists(components, min_size=1, max_size=5).map("/".join)
targets = names | names.map(lambda name: "/" + name) | names.map(lambda name: "../../../" + name)


@st.composite
def members(draw: st.DrawFn) -> bytes:
    return member(
        draw(names | targets), draw(st.sampled_from(TYPES)), link=draw(targets), data=draw(st.sampled_from([b"", b"x"]))
    )


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pc-", dir="/dev/shm") as directory:
        outside = Path(directory, "outside")
        outside.mkdir()
        (outside / "sentinel").write_text("untouched")
        Path(directory, "a").mkdir()
        yield Path(directory)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(members(), min_size=1, max_size=12))
def test_nothing_outside_the_target_is_touched(base: Path, parts: list[bytes]) -> None:
    (base / "rootfs.tar").write_bytes(archive(*parts))
    before = look(base)
    with tempfile.TemporaryDirectory(prefix="pc-", dir="/dev/shm") as store:
        try:
            images.resolve(Archive(str(base / "rootfs.tar")), store_root=store)
        except HostError:
            assert os.listdir(f"{store}/layers") == []
    assert look(base) == before


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.integers(0, 2**32 - 2),
    st.integers(-(2**33), 2**34),
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=120),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.binary(max_size=1200),
)
def test_members_are_read_as_tarfile_wrote_them(id_: int, mtime: int, name: str, format_: int, data: bytes) -> None:
    if name in (".", ".."):
        name = "dot"
    info = tarfile.TarInfo(name)
    info.uid, info.gid, info.mtime = id_, id_, mtime
    stream = Stream(iter([tar_bytes(format_, (info, data), (info, data))]))
    found = []
    for one in tar.members(stream):
        found.append((one.name, one.uid, one.gid, one.mtime_ns, b"".join(stream.pieces(one.size))))
    assert found == [(name.encode(), id_, id_, mtime * 10**9, data)] * 2


SEEDS = (
    archive(member("a", data=b"x" * 600), pax(record(b"path", b"b")), member("c")),
    archive(pax(record(b"GNU.sparse.map", b"0,5") + record(b"GNU.sparse.size", b"9")), member("s", data=b"12345")),
    tar_bytes(tarfile.GNU_FORMAT, (tarfile.TarInfo("n" * 150), b"data")),
)


@settings(max_examples=EXAMPLES * 4, deadline=None)
@given(
    st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=12)), max_size=4)
)
def test_a_damaged_archive_raises_nothing_but_bad_archive(seed: bytes, harm: list[tuple[int, bytes]]) -> None:
    data = bytearray(seed)
    for position, bytes_ in harm:
        start = position % len(data)
        data[start : start + len(bytes_)] = bytes_
        _repair_checksum(data, start // 512 * 512)
    stream = Stream(iter([bytes(data)]))
    try:
        for one in tar.members(stream):
            stream.skip(one.size)
    except BadArchive:
        pass


def _repair_checksum(data: bytearray, start: int) -> None:
    """Else most damage would end at the checksum, and the code behind it see little."""
    block = data[start : start + 512]
    block[148:156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(block)


def test_the_writer_of_these_tests_writes_archives() -> None:
    with tarfile.open(fileobj=io.BytesIO(SEEDS[0])) as file:
        assert file.getnames() == ["a", "b"]
