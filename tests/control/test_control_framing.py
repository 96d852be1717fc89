"""Frames survive any way of cutting the stream, and nonsense is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.control.framing import LIMIT, Decoder, Frame, FramingError, Kind, encode

FRAMES = st.lists(st.builds(Frame, st.sampled_from(tuple(Kind)), st.binary(max_size=300)), max_size=5)


@given(frames=FRAMES, size=st.integers(1, 400))
def test_frames_come_back_however_the_stream_is_cut(frames: list[Frame], size: int) -> None:
    stream = b"".join(map(encode, frames))
    decoder = Decoder()
    found = [frame for start in range(0, len(stream), size) for frame in decoder.feed(stream[start : start + size])]
    assert found == frames
    assert decoder.is_empty


def test_half_a_frame_is_not_the_end() -> None:
    decoder = Decoder()
    assert list(decoder.feed(encode(Frame(Kind.MESSAGE, b"{}"))[:-1])) == []
    assert not decoder.is_empty


@pytest.mark.parametrize(
    ("header", "why"),
    [(struct.pack("<IB", LIMIT + 1, ord("J")), "at most"), (struct.pack("<IB", 0, ord("X")), "unknown kind")],
)
def test_nonsense_is_refused(header: bytes, why: str) -> None:
    with pytest.raises(FramingError, match=why):
        list(Decoder().feed(header))
