"""Messages as they are on the wire: whatever comes in, a message or a refusal comes out."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from composer.runtime.attendant import wire
from composer.runtime.attendant.cache import Cache
from composer.runtime.attendant.wire import Address, Code, Malformed, Pointer, Query, Service
from composer.runtime.attendant.zone import Place, Resident, Zone
from tests.runtime.attending import A, query, unpack

LABELS = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-_"), min_size=1, max_size=63)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
ADDRESSES = st.ip_addresses().map(str)
ANSWERS = st.one_of(
    st.builds(Address, ADDRESSES),
    st.builds(Pointer, NAMES),
    st.builds(Service, st.integers(0, 65535), NAMES, st.lists(ADDRESSES, max_size=3).map(tuple)),
)


def packets() -> st.SearchStrategy[bytes]:
    """Nonsense, and what begins as a message and goes on as nonsense."""
    counts = st.integers(0, 3) | st.integers(0, 65535)
    header = st.builds(wire.HEADER.pack, *([st.integers(0, 65535)] * 2), *([counts] * 4))
    begun = st.builds(lambda name, rest: query(name, A)[12:] + rest, NAMES, st.binary(max_size=80))
    return st.binary(max_size=600) | st.builds(bytes.__add__, header, begun | st.binary(max_size=200))


def parsed(packet: bytes) -> Query | None:
    try:
        return wire.parse_query(packet)
    except Malformed:
        return None


@given(packets())
def test_anything_is_a_question_or_is_refused(packet: bytes) -> None:
    asked = parsed(packet)
    if asked is None:
        refusal = wire.error(packet, Code.FORMERR)
        assert refusal is None or (refusal[:2], len(refusal)) == (packet[:2], 12), "never longer than what came"
        return
    resident = Resident("shop-web-1", 1, 1, (Place("n", ("10.0.0.1", "fd00::1"), ("web",)),))
    zone = Zone()
    zone.add(resident)
    answer = zone.answer(resident, asked)
    if answer is not None:
        assert wire.response(asked, answer[1], code=answer[0], limit=asked.size)[:2] == packet[:2]


@given(packets(), packets())
def test_anything_may_come_from_another_server(packet: bytes, reply: bytes) -> None:
    wire.answers_to(packet, reply)
    cache = Cache(most=2)
    cache.keep(None, packet, reply, now=0)
    kept = cache.find(None, packet, now=0.5)
    assert kept is None or (kept[:2], len(kept)) == (packet[:2], len(reply))


@given(NAMES, st.lists(ANSWERS, max_size=40), st.integers(0, 4096), st.booleans())
def test_answers_are_whole_and_fit(name: str, answers: list[wire.Answer], limit: int, edns: bool) -> None:
    packet = query(name, A, edns=4096 if edns else 0)
    asked = parsed(packet)
    if asked is None:
        return  # a name too long
    limit = max(limit, 512)
    reply = wire.response(asked, tuple(answers), limit=limit)
    assert len(reply) <= limit
    code, shown = unpack(reply)
    assert (code, asked.name) == (0, name.lower())
    cut_off = bool(struct.unpack_from("!H", reply, 2)[0] & wire.TC)
    assert cut_off == (len(shown) < len(answers))
