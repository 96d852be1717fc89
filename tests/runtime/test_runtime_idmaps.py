"""The maps of binds with other owners: every id has exactly one counterpart."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from composer.runtime.idmaps import IDS, exchanged

IDENTIFIERS = st.integers(0, IDS - 1)


@pytest.mark.parametrize(
    ("pair", "ranges"),
    [
        ((0, 0), ((0, 0, IDS),)),
        ((0, 1), ((0, 1, 1), (1, 0, 1), (2, 2, IDS - 2))),
        ((1000, 999), ((0, 0, 999), (999, 1000, 1), (1000, 999, 1), (1001, 1001, IDS - 1001))),
        ((5, IDS - 1), ((0, 0, 5), (5, IDS - 1, 1), (6, 6, IDS - 7), (IDS - 1, 5, 1))),
    ],
)
def test_two_change_places(pair: tuple[int, int], ranges: tuple[tuple[int, int, int], ...]) -> None:
    assert exchanged(pair) == ranges


@given(pair=st.tuples(IDENTIFIERS, IDENTIFIERS), one=IDENTIFIERS)
@example(pair=(0, IDS - 1), one=0)
def test_nobody_is_left_out(pair: tuple[int, int], one: int) -> None:
    found = [outside + one - inside for inside, outside, count in exchanged(pair) if inside <= one < inside + count]
    first, second = pair
    assert found == [{first: second, second: first}.get(one, one)]
    assert sum(count for _, _, count in exchanged(pair)) == IDS
